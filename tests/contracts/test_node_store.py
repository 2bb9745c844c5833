"""What every node store does: who is there, by which version, for how long unheard, and what a lost lease ends."""

from collections.abc import AsyncIterator

import pytest

from persistence.faults import UnavailableError
from persistence.nodes.contract import LEASE_MS, OUTAGE_MS, RECENT_MS, Life, View
from tests.contracts.node_grounds import MemoryNodeGround, NodeGround, PostgresNodeGround

SHORT_MS = 800
"""Less than an outage, with room for what a test takes."""


@pytest.fixture
async def ground(url: str | None) -> AsyncIterator[NodeGround]:
    if url is None:
        yield MemoryNodeGround()
        return
    async with PostgresNodeGround(url) as ground:
        yield ground


def life(name: str, number: int = 1) -> Life:
    return Life(f"{name}.{number}", name, f"ws://{name}/v1/socket", f"{name}:2", f"{name}:3")


def names(view: View) -> list[str]:
    return [member.node.name for member in view.members]


async def test_before_the_first_node_joins_there_is_nobody_and_nothing_to_act_by(ground: NodeGround) -> None:
    view = await ground.store.look()
    assert (view.version, view.members) == (0, ())


async def test_each_node_that_joins_raises_the_version_and_has_confirmed_none_yet(ground: NodeGround) -> None:
    first = await ground.store.join(life("b"))
    assert (first.version, [(member.node, member.confirmed) for member in first.members]) == (1, [(life("b"), 0)])
    second = await ground.store.join(life("a"))
    assert (second.version, [member.node for member in second.members]) == (2, [life("a"), life("b")])
    seen = await ground.store.look()
    assert (seen.version, seen.members) == (second.version, second.members)


async def test_all_have_agreed_once_each_said_that_it_acts_by_the_version(ground: NodeGround) -> None:
    await ground.store.join(life("a"))
    await ground.store.join(life("b"))
    first = await ground.store.renew("a.1", 2)
    assert first is not None
    assert [member.confirmed for member in first.members] == [2, 0]
    assert not first.agreed
    second = await ground.store.renew("b.1", 2)
    assert second is not None
    assert second.agreed
    assert not (await ground.store.join(life("c"))).agreed


async def test_a_later_life_takes_the_place_of_the_earlier_one_under_its_name(ground: NodeGround) -> None:
    await ground.store.join(life("a", 1))
    await ground.store.renew("a.1", 1)
    view = await ground.store.join(life("a", 2))
    assert (view.version, [(member.node, member.confirmed) for member in view.members]) == (2, [(life("a", 2), 0)])
    assert await ground.store.renew("a.1", 2) is None
    assert await ground.store.renew("a.2", 2) is not None


async def test_who_never_joined_has_no_lease_to_renew(ground: NodeGround) -> None:
    await ground.store.join(life("a"))
    assert await ground.store.renew("b.1", 1) is None
    assert names(await ground.store.look()) == ["a"]


async def test_who_leaves_is_gone_at_once_and_leaving_again_changes_nothing(ground: NodeGround) -> None:
    await ground.store.join(life("a"))
    await ground.store.join(life("b"))
    await ground.store.leave("a.1")
    await ground.store.leave("a.1")
    view = await ground.store.look()
    assert (view.version, names(view)) == (3, ["b"])
    assert await ground.store.renew("a.1", 3) is None


async def test_a_node_is_removed_by_its_name_once(ground: NodeGround) -> None:
    await ground.store.join(life("a", 7))
    await ground.store.join(life("b"))
    await ground.store.remove("a")
    await ground.store.remove("a")
    view = await ground.store.look()
    assert (view.version, names(view)) == (3, ["b"])


async def test_whose_lease_has_run_out_is_removed_by_the_next_renewal_of_another(ground: NodeGround) -> None:
    for name in "abc":
        await ground.store.join(life(name))
    await ground.silence("a", LEASE_MS + 1)
    await ground.silence("c", LEASE_MS + 1)
    assert names(await ground.store.look()) == ["a", "b", "c"]
    view = await ground.store.renew("b.1", 3)
    assert view is not None
    assert (view.version, names(view)) == (4, ["b"])
    assert await ground.store.renew("a.1", 3) is None


async def test_a_renewal_that_finds_all_alive_leaves_the_version(ground: NodeGround) -> None:
    await ground.store.join(life("a"))
    await ground.store.join(life("b"))
    await ground.silence("a", LEASE_MS - SHORT_MS)
    view = await ground.store.renew("b.1", 2)
    assert view is not None
    assert (view.version, names(view)) == (2, ["a", "b"])


async def test_who_was_silent_for_longer_than_a_lease_goes_on_when_nobody_has_removed_it(ground: NodeGround) -> None:
    await ground.store.join(life("a"))
    await ground.store.join(life("b"))
    await ground.silence("a", LEASE_MS + 1)
    view = await ground.store.renew("a.1", 2)
    assert view is not None
    assert (view.version, names(view)) == (2, ["a", "b"])


async def test_after_an_outage_in_which_nobody_renewed_nobody_is_removed_for_one_whole_lease(
    ground: NodeGround,
) -> None:
    await ground.store.join(life("a"))
    await ground.store.join(life("b"))
    await ground.pass_ms(LEASE_MS + 1)
    seen = []
    for _ in range(1 + LEASE_MS // SHORT_MS):
        view = await ground.store.renew("a.1", 2)
        assert view is not None
        seen.append((view.version, names(view)))
        await ground.pass_ms(SHORT_MS)
    assert seen == [(2, ["a", "b"])] * len(seen)
    view = await ground.store.renew("a.1", 2)
    assert view is not None
    assert (view.version, names(view)) == (3, ["a"])


async def test_a_node_that_joins_right_after_an_outage_does_not_hide_that_there_was_one(ground: NodeGround) -> None:
    await ground.store.join(life("a"))
    await ground.store.join(life("b"))
    await ground.pass_ms(LEASE_MS + 1)
    await ground.store.join(life("c"))
    view = await ground.store.renew("b.1", 3)
    assert view is not None
    assert (view.version, names(view)) == (3, ["a", "b", "c"])


async def test_a_short_silence_of_all_is_no_outage(ground: NodeGround) -> None:
    await ground.store.join(life("a"))
    await ground.store.join(life("b"))
    await ground.silence("a", LEASE_MS + 1)
    await ground.silence("b", OUTAGE_MS - SHORT_MS)
    view = await ground.store.renew("b.1", 2)
    assert view is not None
    assert names(view) == ["b"]


async def test_a_lease_that_somebody_has_locked_is_neither_removed_nor_waited_for(ground: NodeGround) -> None:
    await ground.store.join(life("a"))
    await ground.store.join(life("b"))
    await ground.silence("a", LEASE_MS + 1)
    async with ground.held("a"):
        view = await ground.store.renew("b.1", 2)
        assert view is not None
        assert (view.version, names(view)) == (2, ["a", "b"])
    view = await ground.store.renew("b.1", 2)
    assert view is not None
    assert (view.version, names(view)) == (3, ["b"])


async def test_whatever_is_stored_after_a_look_has_a_later_time_than_it_calls_settled(ground: NodeGround) -> None:
    before = await ground.now()
    async with ground.writing("a.1"):
        began = await ground.now()
        await ground.pass_ms(SHORT_MS)
        assert before <= (await ground.store.look()).settled <= began
    assert (await ground.store.look()).settled >= began


async def test_what_a_life_has_not_committed_when_it_is_cut_off_it_never_commits(ground: NodeGround) -> None:
    async with ground.writing("a.1") as writing:
        await ground.store.cut_off("a.1")
    assert isinstance(writing.exception(), UnavailableError)
    assert await ground.writes() == 0


async def test_to_cut_off_one_life_leaves_the_others_alone(ground: NodeGround) -> None:
    async with ground.writing("a.1") as writing:
        await ground.store.cut_off("a.10")
        await ground.store.cut_off("a")
    assert writing.exception() is None
    assert await ground.writes() == 1


async def test_a_life_that_is_over_is_remembered_for_a_while_however_it_ended(ground: NodeGround) -> None:
    store = ground.store
    for name in ("left", "removed", "replaced", "silent"):
        await store.join(life(name))
    await store.leave("left.1")
    await store.remove("removed")
    await store.join(life("replaced", 2))
    await ground.silence("silent", LEASE_MS + SHORT_MS)
    view = await store.renew("replaced.2", 0)
    assert view
    assert {ended.incarnation for ended in view.ended} >= {"left.1", "removed.1", "replaced.1", "silent.1"}
    now = await ground.now()
    assert all(abs(now - ended.at) < RECENT_MS for ended in view.ended)
