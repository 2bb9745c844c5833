"""What a deed makes of where two people stand, and what is told of that: pure, and the same in both twins."""

from collections.abc import Iterator, Mapping
from typing import Literal, assert_never

import msgspec
from msgspec import Struct

from persistence.graph.contract import Deed, GraphRefusal, Kind, Names
from protocol.activity import Activity
from protocol.activity import Kind as Told
from protocol.graph import Relation, State
from protocol.ids import Millis, UserId

Edge = Literal["requested", "following", "accepted"]
"""From a follower to whom they follow. `accepted` is following too, by a request that was accepted."""


class Relationship(Struct, frozen=True, gc=False):
    """Where `me` stands with `them`, whose lock or moment it was read under.

    `private`: they have to be asked. `barred`: they block me. `mine`: what I have decided about them. `forth` goes
    from me to them, `back` from them to me. `befriended`: I am on their list of close friends.
    """

    private: bool = False
    barred: bool = False
    mine: frozenset[Kind] = frozenset()
    forth: Edge | None = None
    back: Edge | None = None
    befriended: bool = False


_SETS: Mapping[Deed, Kind] = {"mute": "mute", "restrict": "restrict"}
_ENDS: Mapping[Deed, Kind] = {
    "unblock": "block",
    "unmute": "mute",
    "unrestrict": "restrict",
    "unfriend": "close_friend",
}
_STATES: Mapping[Edge | None, State] = {
    None: "none",
    "requested": "requested",
    "following": "following",
    "accepted": "following",
}


def decide(relationship: Relationship | None, deed: Deed) -> Relationship | GraphRefusal:
    """Where I stand after my deed; the same when it changes nothing. None is a relationship with nobody."""
    if relationship is None or relationship.barred:
        return "absent"
    match deed:
        case "follow":
            return _follow(relationship)
        case "unfollow":
            return msgspec.structs.replace(relationship, forth=None)
        case "accept" | "decline" | "remove":
            return _answer(relationship, deed)
        case "block":
            return Relationship(private=relationship.private, mine=relationship.mine - {"close_friend"} | {"block"})
        case "befriend":
            return "blocked" if "block" in relationship.mine else _with(relationship, "close_friend")
        case "mute" | "restrict":
            return _with(relationship, _SETS[deed])
        case "unblock" | "unmute" | "unrestrict" | "unfriend":
            return msgspec.structs.replace(relationship, mine=relationship.mine - {_ENDS[deed]})
        case _:
            assert_never(deed)


def _follow(relationship: Relationship) -> Relationship | GraphRefusal:
    if "block" in relationship.mine:
        return "blocked"
    # What waits is let in by following again, should they be private no more.
    if relationship.forth in ("following", "accepted") or (relationship.forth == "requested" and relationship.private):
        return relationship
    return msgspec.structs.replace(relationship, forth="requested" if relationship.private else "following")


def _answer(relationship: Relationship, deed: Literal["accept", "decline", "remove"]) -> Relationship | GraphRefusal:
    waits = relationship.back == "requested"
    if deed == "accept":
        if relationship.back is None:
            return "no request"
        return msgspec.structs.replace(relationship, back="accepted") if waits else relationship
    return msgspec.structs.replace(relationship, back=None) if waits == (deed == "decline") else relationship


def _with(relationship: Relationship, kind: Kind) -> Relationship:
    return msgspec.structs.replace(relationship, mine=relationship.mine | {kind})


def grown(before: Relationship, after: Relationship) -> Names | None:
    """My list that is longer after."""
    if before.forth is None and after.forth is not None:
        return "following"
    return next(iter(after.mine - before.mine), None)


def activities(me: UserId, them: UserId, before: Relationship, after: Relationship, at: Millis) -> list[Activity]:
    """What is told of the change, in the order in which it is to be understood."""
    return [
        *_told(me, them, before.forth, after.forth, at),
        *_told(them, me, before.back, after.back, at),
    ]


Count = tuple[UserId, Literal["followers", "following"], int]
"""By how much a number of somebody's profile changes."""


def counted(me: UserId, them: UserId, before: Relationship, after: Relationship) -> list[Count]:
    """What the change does to the numbers of both."""
    edges = ((me, them, before.forth, after.forth), (them, me, before.back, after.back))
    changes = [(a, b, (_STATES[new] == "following") - (_STATES[old] == "following")) for a, b, old, new in edges]
    both: list[list[Count]] = [[(b, "followers", by), (a, "following", by)] for a, b, by in changes if by]
    return [count for counts in both for count in counts]


def _told(
    follower: UserId, followee: UserId, before: Edge | None, after: Edge | None, at: Millis
) -> Iterator[Activity]:
    if before == after:
        return

    def told(kind: Told, actor: UserId, recipient: UserId, undone: bool = False) -> Activity:
        return Activity(kind=kind, actor=actor, recipient=recipient, at=at, undone=undone)

    if before == "requested":
        yield told("follow_request", follower, followee, undone=True)
    elif before is not None:
        yield told("follow", follower, followee, undone=True)
    if before == "accepted":
        yield told("follow_accepted", followee, follower, undone=True)
    if after == "requested":
        yield told("follow_request", follower, followee)
    elif after is not None:
        yield told("follow", follower, followee)
    if after == "accepted":
        yield told("follow_accepted", followee, follower)


def shown(them: UserId, relationship: Relationship) -> Relation:
    """The relationship as I am told of it."""
    return Relation(
        them,
        _STATES[relationship.forth],
        _STATES[relationship.back],
        "block" in relationship.mine,
        "mute" in relationship.mine,
        "restrict" in relationship.mine,
        "close_friend" in relationship.mine,
    )
