"""Reads CONVERSATION and the lists around it (wire contract §4)."""

from __future__ import annotations

from dataclasses import dataclass

from .event_reading import read_log_event
from .events import Conversation, LogEvent, Member, Snapshot
from .reading import Body, as_map, int_of, int_or_none, maps_of, text_of, text_or_none


@dataclass(frozen=True, slots=True)
class Page:
    """A page of conversations, newest first; `next` is the `before` of the following page, None at the end."""

    items: tuple[Conversation, ...]
    next: str | int | None


@dataclass(frozen=True, slots=True)
class History:
    """Part of a log, ascending; `more` says that events lie beyond it in the direction asked for."""

    events: tuple[LogEvent, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Marks:
    """How far one member has received and read."""

    user: str
    delivered_c: int
    read_c: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A send the server has made durable at place `c`; `dup` when an earlier try had been carried out already."""

    conversation: str
    cid: str
    c: int
    at: int
    dup: bool


def read_conversation(body: Body) -> Conversation:
    """One CONVERSATION."""
    last = body.get("last")
    return Conversation(
        id=text_of(body, "id"),
        kind=text_of(body, "kind"),
        title=text_or_none(body, "title"),
        members=tuple(_member(member) for member in maps_of(body, "members")),
        last_c=int_of(body, "last_c"),
        joined_c=int_of(body, "joined_c"),
        read_c=int_or_none(body, "read_c") or 0,
        unread=int_or_none(body, "unread") or 0,
        last=None if last is None else read_log_event(as_map(last, "last")),
        folder=text_or_none(body, "folder") or "inbox",
        settings=as_map(body.get("settings", {}), "settings"),
        body=body,
    )


def read_page(body: Body) -> Page:
    """The answer of `conversation.list`."""
    return Page(tuple(read_conversation(item) for item in maps_of(body, "items")), body.get("next"))


def read_history(body: Body) -> History:
    """The answer of `message.history`."""
    return History(tuple(read_log_event(event) for event in maps_of(body, "events")), body.get("more") is True)


def read_marks(body: Body) -> tuple[Marks, ...]:
    """The answer of `conversation.receipts`."""
    return tuple(
        Marks(text_of(m, "user"), int_or_none(m, "delivered_c") or 0, int_or_none(m, "read_c") or 0)
        for m in maps_of(body, "members")
    )


def read_snapshot(body: Body) -> Snapshot:
    """The event `snapshot`."""
    items = tuple(read_conversation(item) for item in maps_of(body, "conversations"))
    return Snapshot(items, as_map(body.get("me", {}), "me"), int_of(body, "now"), body)


def read_sent(conversation: str, cid: str, body: Body) -> Sent:
    """The answer of `message.send`."""
    return Sent(conversation, cid, int_of(body, "c"), int_of(body, "at"), body.get("dup") is True)


def _member(body: Body) -> Member:
    return Member(
        user=text_of(body, "user"),
        role=text_or_none(body, "role"),
        joined_c=int_or_none(body, "joined_c") or 0,
        left_c=int_or_none(body, "left_c"),
        delivered_c=int_or_none(body, "delivered_c"),
        read_c=int_or_none(body, "read_c"),
    )
