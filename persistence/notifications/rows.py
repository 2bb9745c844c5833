"""Rows of notifications: what is made of them, and the columns that statements take."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from persistence.notifications.contract import SAMPLES, Job, Person, Sight
from protocol.groups import Group, Key, Noted
from protocol.ids import UserId
from protocol.preferences import DEFAULTS, Preferences

NOBODY = UserId("")
"""The actor of what the system itself has to tell; 0 in rows."""
GROUP = 13

_read = msgspec.msgpack.Decoder(Preferences).decode
encode_preferences = msgspec.msgpack.Encoder().encode


def preferences(body: bytes | None) -> Preferences:
    """As they are stored; none are the defaults."""
    return DEFAULTS if body is None else _read(body)


def number(user: UserId) -> int:
    """Somebody as a row holds them."""
    return int(user) if user else 0


def user(number: int) -> UserId:
    """Somebody whom a row holds."""
    return UserId(str(number)) if number else NOBODY


def group(row: Sequence[Any]) -> Group:
    """A row of `notification`, its columns in the order of the statements."""
    id, recipient, kind, target, actor, members, seen, listed, opened_at, updated_at, window, due_at, held = row[:GROUP]
    return Group(
        id=id,
        user=UserId(str(recipient)),
        kind=kind,
        target=target,
        actor=None if actor is None else user(actor),
        members=members,
        seen=seen,
        listed=listed,
        opened_at=opened_at,
        updated_at=updated_at,
        window=window,
        due_at=due_at,
        held=held,
    )


def sight(row: Sequence[Any]) -> Sight:
    """A group and what follows it in the statements: visible members, news, and its newest deeds."""
    members, news, actors, usernames, names, targets, text = row[GROUP:]
    return sampled(
        group(row),
        members,
        news,
        list(zip(actors or (), usernames or (), names or (), strict=True)),
        targets or (),
        text,
    )


def sampled(
    group: Group,
    members: int,
    news: bool,
    people: Iterable[tuple[int, str | None, str | None]],
    targets: Iterable[str],
    text: str,
) -> Sight:
    """Of the newest deeds whoever and whatever is in them, each once, as many as are named."""
    named: dict[int, Person] = {}
    for actor, username, name in people:
        if username is not None:
            named.setdefault(actor, Person(user(actor), username, name))
    return Sight(
        group,
        members,
        tuple(named.values())[:SAMPLES],
        tuple(dict.fromkeys(target for target in targets if target))[:SAMPLES],
        text,
        news,
    )


def group_columns(groups: Sequence[Group]) -> tuple[list[Any], ...]:
    """Groups as one array for each column."""
    return (
        [group.id for group in groups],
        [int(group.user) for group in groups],
        [group.kind for group in groups],
        [group.target for group in groups],
        [None if group.actor is None else number(group.actor) for group in groups],
        [group.members for group in groups],
        [group.seen for group in groups],
        [group.listed for group in groups],
        [group.opened_at for group in groups],
        [group.updated_at for group in groups],
        [group.window for group in groups],
        [group.due_at for group in groups],
        [group.held for group in groups],
    )


def noted_columns(noted: Sequence[tuple[Key, Noted]]) -> tuple[list[Any], ...]:
    """Deeds as one array for each column."""
    return (
        [int(key.recipient) for key, _ in noted],
        [key.kind for key, _ in noted],
        [key.target for key, _ in noted],
        [number(key.actor) for key, _ in noted],
        [key.deed for key, _ in noted],
        [stands.event for _, stands in noted],
        [stands.group for _, stands in noted],
        [stands.undone for _, stands in noted],
        [stands.window for _, stands in noted],
        [stands.quiet_until for _, stands in noted],
        [stands.text for _, stands in noted],
    )


def job_columns(jobs: Sequence[Job]) -> tuple[list[Any], ...]:
    """Jobs as one array for each column."""
    return (
        [int(job.user) for job in jobs],
        [job.key for job in jobs],
        [job.kind for job in jobs],
        [job.collapse for job in jobs],
        [" ".join(job.channels) for job in jobs],
        [None if job.sender is None else number(job.sender) for job in jobs],
        [" ".join(map(str, job.notifications)) for job in jobs],
        [job.body for job in jobs],
        [job.expires_at for job in jobs],
    )
