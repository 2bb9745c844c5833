"""The notifier: which deeds are told to one person as one notification, and when they are alerted.

Deeds are grouped on two axes: many people and one thing, one person and many things. A group with one deed may still
become either. The first news in a group opens a window; when it closes there is one alert about all of it.
"""

from typing import Literal

from msgspec import Struct

from actors.preferences import OffsetAt, decide
from protocol.activity import Activity, Kind
from protocol.groups import NO_GROUP, Changes, Group, Key, Known, Noted
from protocol.ids import Millis, UserId
from protocol.preferences import Relation

OPEN_MS = 12 * 3_600_000
"""How long a group takes further deeds, from its first."""
WINDOW_MS = 30_000
AT_ONCE: frozenset[Kind] = frozenset(("mention", "message", "message_request", "system"))
"""Kinds that are alerted without a window, or rather with one that closes as soon as it is open."""
IN_APP: frozenset[Kind] = frozenset(("story_reply",))
"""Kinds that nobody is alerted of: a reply is a message, whose own push says it."""
ALONE: frozenset[Kind] = frozenset(("system",))
"""Kinds whose every deed is a notification of its own."""

Outcome = Literal["opened", "folded", "undone", "repeated", "unwanted"]


class Note(Struct, frozen=True, gc=False):
    """An event about a deed came. Of two about one deed the larger number is the later one.

    `id` is what a group opened by it is called.
    """

    event: int
    activity: Activity
    relation: Relation
    id: int


class Close(Struct, frozen=True, gc=False):
    """The window of this group is over; `news`: there is something new in it that the recipient may see."""

    group: int
    news: bool


class Alert(Struct, frozen=True, gc=False):
    """To be pushed or mailed, once: the window's number never comes again. `held`: it waited for quiet hours to end."""

    group: Group
    window: int
    push: bool
    email: bool
    held: bool


class Notifier:
    """What one person is told. `note` and `close` decide; `changes` then says what there is to store, all at once.

    Whoever loads it holds the person's row until that is stored, so nobody else decides meanwhile.
    """

    __slots__ = ("_changed", "_gone", "_known", "_noted", "_offset_at", "_opened", "_places")

    def __init__(self, known: Known, offset_at: OffsetAt) -> None:
        self._known = known
        self._offset_at = offset_at
        self._noted: set[Key] = set()
        self._opened: set[int] = set()
        self._changed: set[int] = set()
        self._gone: set[int] = set()
        self._places: dict[tuple[Kind, str | None, UserId | None], int] = {}
        for id in sorted(known.groups):
            self._place(known.groups[id])

    def changes(self) -> Changes:
        """What has become different since it was loaded."""
        groups, noted = self._known.groups, self._known.noted
        return Changes(
            [groups[id] for id in sorted(self._opened)],
            [groups[id] for id in sorted(self._changed - self._opened)],
            sorted(self._gone),
            [(key, noted[key]) for key in sorted(self._noted)],
        )

    # -- deeds ------------------------------------------------------------------------------------------------------

    def note(self, note: Note, now: Millis) -> Outcome:
        done = note.activity
        key = Key(done.recipient, done.kind, done.target, done.actor, done.deed)
        known = self._known.noted.get(key)
        if known is not None and note.event <= known.event:
            return "repeated"
        if done.undone:
            return self._undo(note.event, key, known)
        if known is not None and not known.undone:
            self._set(key, Noted(note.event, known.group, False, known.window, known.quiet_until, done.text))
            return "repeated"
        decision = decide(self._known.preferences, key.kind, key.actor, key.target, note.relation, now, self._offset_at)
        if not decision.listed and not decision.alerts:
            return "unwanted"
        quiet_until = Millis(0) if known is None else known.quiet_until
        is_news = quiet_until <= now
        group = self._group_for(key, now)
        outcome: Outcome = "folded"
        if group is None:
            group, outcome = self._open(note.id, done, now), "opened"
            group.seen = not is_news
        group.listed = decision.listed
        self._add(group, key, now, is_news)
        alerts = decision.alerts and key.kind not in IN_APP
        window = group.window if is_news and alerts else 0
        if window and group.due_at is None:
            group.due_at = Millis(now + (0 if key.kind in AT_ONCE else WINDOW_MS))
        self._set(key, Noted(note.event, group.id, False, window, quiet_until, done.text))
        return outcome

    def _undo(self, event: int, key: Key, known: Noted | None) -> Outcome:
        """What is not known to be done is noted all the same: its beginning may come later."""
        quiet_until = Millis(0) if known is None else known.quiet_until
        group = None if known is None else self._known.groups.get(known.group)
        if known is not None and group is not None and not known.undone:
            told = known.window != group.window
            quiet_until = max(quiet_until, Millis(group.opened_at + OPEN_MS)) if told else quiet_until
            self._remove(group, key)
        self._set(key, Noted(event, NO_GROUP, True, 0, quiet_until))
        return "undone"

    def _set(self, key: Key, noted: Noted) -> None:
        self._known.noted[key] = noted
        self._noted.add(key)

    # -- groups -----------------------------------------------------------------------------------------------------

    def _place(self, group: Group) -> None:
        if group.target is not None:
            self._places[group.kind, group.target, None] = group.id
        if group.actor is not None:
            self._places[group.kind, None, group.actor] = group.id

    def _group_for(self, key: Key, now: Millis) -> Group | None:
        """The group that takes this deed, narrowed to what all in it then have in common."""
        for place in ((key.kind, key.target, None), (key.kind, None, key.actor)):
            group = self._known.groups.get(self._places.get(place, NO_GROUP))
            if group is None or now >= group.opened_at + OPEN_MS:
                continue
            if group.target != key.target and group.actor != key.actor:
                # It was narrowed to the other axis since.
                continue
            if group.target != key.target:
                group.target = None
            elif group.actor != key.actor:
                group.actor = None
            return group
        return None

    def _open(self, id: int, done: Activity, now: Millis) -> Group:
        alone = done.kind in ALONE
        group = Group(
            id=id,
            user=done.recipient,
            kind=done.kind,
            target=None if alone else done.target,
            actor=None if alone else done.actor,
            opened_at=now,
            updated_at=now,
        )
        self._known.groups[id] = group
        self._opened.add(id)
        self._place(group)
        return group

    def _add(self, group: Group, key: Key, now: Millis, is_news: bool) -> None:
        pair = (group.id, key.target, key.actor)
        there = self._known.pairs.get(pair, 0)
        self._known.pairs[pair] = there + 1
        group.members += there == 0
        if is_news:
            group.seen = False
            group.updated_at = max(now, group.updated_at)
        self._changed.add(group.id)

    def _remove(self, group: Group, key: Key) -> None:
        pair = (group.id, key.target, key.actor)
        there = self._known.pairs[pair]
        self._known.pairs[pair] = there - 1
        group.members -= there == 1
        self._changed.add(group.id)
        if not group.members:
            self._drop(group)

    def _drop(self, group: Group) -> None:
        del self._known.groups[group.id]
        self._changed.discard(group.id)
        if group.id in self._opened:
            self._opened.discard(group.id)
        else:
            self._gone.add(group.id)

    # -- windows ----------------------------------------------------------------------------------------------------

    def close(self, close: Close, now: Millis) -> Alert | None:
        """Asked again now: what the recipient wants, and whether this is their quiet time."""
        group = self._known.groups[close.group]
        if group.due_at is None or group.due_at > now:
            return None
        self._changed.add(group.id)
        decision = decide(
            self._known.preferences, group.kind, group.actor, group.target, _NO_MATTER, now, self._offset_at
        )
        if close.news and decision.alerts and decision.not_before > now:
            group.due_at, group.held = decision.not_before, True
            return None
        alert = Alert(group, group.window, decision.push, decision.email, group.held)
        group.window += 1
        group.due_at, group.held = None, False
        return alert if close.news and decision.alerts else None


_NO_MATTER = Relation(follows=True)
"""Of people who are hidden nothing is news, and from whom something is wanted was asked when it came."""
