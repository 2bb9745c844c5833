"""Placement: every shard has one host, everybody agrees on it, and little moves."""

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.placement import Placement
from protocol.ids import SHARDS

NAMES = st.sets(st.from_regex(r"10\.0\.[0-9]{1,3}\.[0-9]{1,3}:808[0-9]", fullmatch=True), min_size=1, max_size=8)


def placed(names: list[str]) -> Placement:
    return Placement(1, {f"life of {name}": name for name in names})


def id_of(shard: int) -> str:
    return str(12345 << 23 | shard << 10 | 7)


def hosts(placement: Placement) -> list[str]:
    return [placement.node_of(id_of(shard)) for shard in range(SHARDS)]


@given(NAMES)
@settings(max_examples=15, deadline=None)
def test_every_node_computes_the_same_table_in_whatever_order_it_learns_of_the_others(names: set[str]) -> None:
    assert hosts(placed(sorted(names))) == hosts(placed(sorted(names, reverse=True)))


@given(NAMES)
@settings(max_examples=15, deadline=None)
def test_a_node_that_goes_moves_its_own_shards_and_no_other(names: set[str]) -> None:
    ordered = sorted(names)
    before = hosts(placed(ordered))
    after = hosts(placed(ordered[1:] or ["10.1.1.1:1"]))
    if len(ordered) > 1:
        assert all(now == then for then, now in zip(before, after, strict=True) if then != f"life of {ordered[0]}")


def test_a_node_that_comes_back_in_another_life_gets_its_shards_back() -> None:
    first = Placement(1, {"a": "one", "b": "two", "c": "three"})
    again = Placement(3, {"a": "one", "b2": "two", "c": "three"})
    assert again.shards("b2") == first.shards("b")
    assert again.shards("a") == first.shards("a")


def test_shards_are_spread_evenly_and_none_is_left_out() -> None:
    placement = placed([f"10.0.0.{number}:8081" for number in range(10)])
    counts = [placement.count(node) for node in placement.nodes]
    assert sum(counts) == SHARDS
    assert max(counts) < 1.2 * SHARDS / 10
    assert min(counts) > 0.8 * SHARDS / 10


@given(NAMES)
@settings(max_examples=15, deadline=None)
def test_the_bits_of_a_node_are_those_of_the_shards_it_hosts(names: set[str]) -> None:
    placement = placed(sorted(names))
    for node in placement.nodes:
        bits = placement.shards(node)
        assert len(bits) == SHARDS // 8
        assert [bool(bits[shard // 8] >> shard % 8 & 1) for shard in range(SHARDS)] == [
            host == node for host in hosts(placement)
        ]


def test_a_single_node_is_alone() -> None:
    assert placed(["one"]).alone
    assert not placed(["one", "two"]).alone
