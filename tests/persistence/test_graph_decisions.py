"""What deeds make of where two people stand: for every relationship there can be."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persistence.graph.contract import Deed, Kind
from persistence.graph.decision import Edge, Relationship, activities, decide, grown
from protocol.ids import Millis, UserId

ME, THEM, NOW = UserId("1"), UserId("2"), Millis(5)
DEEDS: tuple[Deed, ...] = get_args(Deed)
EDGES: tuple[Edge | None, ...] = (None, *get_args(Edge))


@st.composite
def relationships(draw: st.DrawFn) -> Relationship:
    mine = frozenset(draw(st.sets(st.sampled_from(get_args(Kind)))))
    if "block" in mine or (barred := draw(st.booleans())):
        return Relationship(draw(st.booleans()), "block" not in mine and barred, mine - {"close_friend"})
    edges = st.sampled_from(EDGES)
    return Relationship(draw(st.booleans()), False, mine, draw(edges), draw(edges), draw(st.booleans()))


def told(before: Relationship, after: Relationship) -> list[tuple[str, str, bool]]:
    return [(said.kind, said.actor, said.undone) for said in activities(ME, THEM, before, after, NOW)]


@given(relationships(), st.sampled_from(DEEDS))
def test_a_repeat_changes_nothing(relationship: Relationship, deed: Deed) -> None:
    after = decide(relationship, deed)
    if isinstance(after, Relationship):
        assert decide(after, deed) == after
        assert told(after, after) == []
        assert grown(after, after) is None


@given(relationships(), st.sampled_from(DEEDS))
def test_nobody_has_anything_with_whom_they_block(relationship: Relationship, deed: Deed) -> None:
    after = decide(relationship, deed)
    if isinstance(after, Relationship) and "block" in after.mine:
        assert (after.forth, after.back, after.befriended, "close_friend" in after.mine) == (None, None, False, False)
        assert not after.barred


@given(relationships(), st.sampled_from(DEEDS))
def test_what_is_told_adds_up_to_what_stands(relationship: Relationship, deed: Deed) -> None:
    after = decide(relationship, deed)
    if isinstance(after, Relationship):
        nothing = Relationship()
        standing_now = told(nothing, relationship) + told(relationship, after)
        for kind, actor, undone in told(after, nothing):
            assert undone
            standing_now.remove((kind, actor, False))
        for kind, actor, undone in [said for said in standing_now if said[2]]:
            assert undone
            standing_now.remove((kind, actor, False))
            standing_now.remove((kind, actor, True))
        assert standing_now == []


@pytest.mark.parametrize("deed", DEEDS)
@given(relationships())
def test_who_is_barred_is_told_what_who_finds_nobody_is_told(deed: Deed, relationship: Relationship) -> None:
    assert decide(None, deed) == "absent"
    assert (decide(relationship, deed) == "absent") == relationship.barred


@given(relationships(), st.sampled_from(DEEDS))
def test_a_deed_makes_one_list_of_mine_longer_at_most(relationship: Relationship, deed: Deed) -> None:
    after = decide(relationship, deed)
    if isinstance(after, Relationship):
        longer = len(after.mine - relationship.mine) + (relationship.forth is None and after.forth is not None)
        assert longer == (grown(relationship, after) is not None)
