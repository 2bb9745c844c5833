"""Between structs and the rows of Postgres."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import asyncpg
import msgspec
from msgspec import UNSET

from persistence.graph.decision import Count, Edge, Relationship
from protocol.activity import ACTIVITY, Activity
from protocol.graph import Person, Suggested
from protocol.ids import Millis, UserId
from protocol.people import Profile

_encode = msgspec.msgpack.Encoder().encode

EdgeRow = tuple[UserId, UserId, Edge | None]
"""Follower, followee and what there is to be from one to the other."""
RelationRow = tuple[UserId, str, UserId]
"""Whose it is, its kind, and whom it is about."""


def relationship(row: asyncpg.Record) -> tuple[Relationship | None, Millis]:
    """One row of the statement RELATIONSHIP, and when it was read; None is a relationship with nobody."""
    now, private, barred, mine, *edges, befriended = row
    if private is None:
        return None, now
    return Relationship(private, barred, frozenset(mine), _edge(*edges[:2]), _edge(*edges[2:]), befriended), now


def _edge(requested: bool | None, accepted: bool | None) -> Edge | None:
    if requested is None:
        return None
    return "requested" if requested else "accepted" if accepted else "following"


def changed_edges(me: UserId, them: UserId, before: Relationship, after: Relationship) -> list[EdgeRow]:
    """The edges between the two that are different after."""
    edges: list[tuple[EdgeRow, Edge | None]] = [
        ((me, them, after.forth), before.forth),
        ((them, me, after.back), before.back),
    ]
    return [row for row, was in edges if row[2] != was]


def relations_between(me: UserId, them: UserId, relationship: Relationship) -> set[RelationRow]:
    """The relations between the two, as far as a relationship tells."""
    theirs = {(them, "close_friend", me)} if relationship.befriended else set()
    return {(me, kind, them) for kind in relationship.mine} | theirs


def arguments(
    edges: Collection[EdgeRow],
    decided: Iterable[RelationRow],
    dropped: Iterable[RelationRow],
    told: Iterable[Activity],
    counts: Iterable[Count],
    pair: tuple[UserId, UserId] | None,
) -> list[Any]:
    """What the statement APPLY takes."""
    puts = [(int(a), int(b), edge == "requested", edge == "accepted") for a, b, edge in edges if edge]
    ends = [(int(a), int(b)) for a, b, edge in edges if not edge]
    low, high = sorted(map(int, pair)) if pair else (None, None)
    return [
        *_columns(puts, 4),
        *_columns(ends, 2),
        *_columns([(int(a), kind, int(b)) for a, kind, b in decided], 3),
        *_columns([(int(a), kind, int(b)) for a, kind, b in dropped], 3),
        ACTIVITY,
        [_encode(activity) for activity in told],
        low,
        high,
        *_columns([(int(whose), kind, by) for whose, kind, by in counts], 3),
    ]


def _columns(table: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*table, strict=True)] if table else [[] for _ in range(width)]


def person(row: asyncpg.Record) -> Person:
    """One row of a list."""
    at, id, username, name = row
    return Person(UserId(str(id)), username, Millis(at // 1_000), name or UNSET)


def profile(row: asyncpg.Record) -> Profile:
    """One row of the statement PROFILE."""
    id, username, name, private, followers, following, posts = row
    return Profile(UserId(str(id)), username, name or UNSET, private, followers, following, posts)


def suggested(row: asyncpg.Record) -> Suggested:
    """One row of the statement SUGGESTED."""
    id, username, name, common, by = row
    return Suggested(UserId(str(id)), username, common, tuple(UserId(str(one)) for one in by), name or UNSET)
