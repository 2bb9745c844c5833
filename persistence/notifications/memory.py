"""Notifications in memory: for tests, and for reading what the Postgres store must do."""

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence

import msgspec
from msgspec import Struct

from persistence.badge import BADGE
from persistence.notifications import rows
from persistence.notifications.contract import (
    KEEP_MS,
    KEEP_UNDONE_MS,
    SAMPLED,
    TRIMMED,
    Closed,
    Due,
    Job,
    Page,
    Reader,
    Sight,
    Touched,
)
from protocol.activity import Activity
from protocol.groups import Changes, Group, Key, Known, Noted
from protocol.ids import EPOCH, Millis, UserId, shard_of
from protocol.preferences import DEFAULTS, Preferences, PreferencesChange, Relation, changed


class Tables(Struct):
    """What other stores keep beside: names and locales of accounts, what is decided about others, who follows whom.

    A relation is (user, kind, target), an edge (follower, followee). `hidden` are posts that nobody else may see.
    """

    accounts: dict[UserId, tuple[str, str | None, str | None]] = msgspec.field(default_factory=dict)
    relations: set[tuple[UserId, str, UserId]] = msgspec.field(default_factory=set)
    follows: set[tuple[UserId, UserId]] = msgspec.field(default_factory=set)
    hidden: set[str] = msgspec.field(default_factory=set)
    jobs: dict[tuple[UserId, str], Job] = msgspec.field(default_factory=dict)


class MemoryNotifications:
    """The memory twin of `NotificationStore`. `now` stands for the database's clock."""

    def __init__(self, now: Callable[[], Millis], tables: Tables) -> None:
        self._now = now
        self._tables = tables
        self._groups: dict[int, Group] = {}
        self._noted: dict[Key, Noted] = {}
        self._noted_at: dict[Key, Millis] = {}
        self._preferences: dict[UserId, Preferences] = {}
        self._drawn = 0

    async def fold(self, events: Sequence[tuple[int, Activity]], decide: Callable[[Touched], Changes]) -> None:
        known = {user: self._known(user) for user in {done.recipient for _, done in events}}
        about = [(self._relation(done), self._draw(done.recipient)) for _, done in events]
        changes = decide(Touched(self._now(), known, about))
        for group in (*changes.opened, *changes.changed):
            self._groups[group.id] = _copy(group)
        for id in changes.gone:
            del self._groups[id]
        for key, noted in changes.noted:
            self._noted[key] = noted
            self._noted_at[key] = self._now()
        # Others may come between two statements.
        await asyncio.sleep(0)

    async def close(self, limit: int, decide: Callable[[Due], Closed]) -> int:
        late = sorted((g.due_at, g.id) for g in self._groups.values() if g.due_at is not None)
        users = {self._groups[id].user for due_at, id in late[:limit] if due_at <= self._now()}
        due = [id for due_at, id in late if due_at <= self._now() and self._groups[id].user in users]
        if not due:
            return 0
        sights = [self._sight(self._groups[id]) for id in due]
        closed = decide(Due(self._now(), {user: self._reader(user) for user in users}, sights))
        for group in closed.groups:
            self._groups[group.id] = _copy(group)
        for job in closed.jobs:
            self._tables.jobs.setdefault((job.user, job.key), job)
        return len(sights)

    async def next_due(self) -> int | None:
        due = [group.due_at for group in self._groups.values() if group.due_at is not None]
        return min(due) - self._now() if due else None

    async def open_windows(self) -> int:
        return sum(group.due_at is not None for group in self._groups.values())

    async def see(self, user: UserId, up_to: Millis) -> int | None:
        mine = [one for one in self._groups.values() if one.user == user and one.listed and not one.seen]
        news = [one for one in mine if one.updated_at <= up_to]
        for group in news:
            group.window += group.due_at is not None
            group.seen, group.due_at, group.held = True, None, False
        return self._reader(user).badge if news else None

    async def page(self, user: UserId, before: tuple[Millis, int] | None, limit: int) -> Page:
        mine = [one for one in self._groups.values() if one.user == user and one.listed]
        rest = [one for one in mine if before is None or (one.updated_at, one.id) < before]
        found = sorted(rest, key=lambda one: (one.updated_at, one.id), reverse=True)[:limit]
        sights = [self._sight(group) for group in found]
        next = (found[-1].updated_at, found[-1].id) if len(found) == limit else None
        reader = self._reader(user)
        return Page(reader.locale, reader.badge, [sight for sight in sights if sight.members], next)

    async def sights(self, groups: Collection[int]) -> tuple[list[Sight], dict[UserId, str | None]]:
        found = [self._groups[id] for id in groups if id in self._groups and self._groups[id].listed]
        locales = {one.user: self._tables.accounts[one.user][2] for one in found if one.user in self._tables.accounts}
        return [self._sight(group) for group in found], locales

    async def preferences(self, user: UserId) -> Preferences:
        return self._preferences.get(user, DEFAULTS)

    async def prefer(self, user: UserId, change: PreferencesChange) -> Preferences:
        self._preferences[user] = changed(self._preferences.get(user, DEFAULTS), change)
        return self._preferences[user]

    async def trim(self) -> int:
        old = [id for id in sorted(self._groups) if id < self._now() - KEEP_MS - EPOCH << 23][:TRIMMED]
        for id in old:
            del self._groups[id]
        live = [key for key, noted in self._noted.items() if noted.group in old]
        undone = [key for key, noted in self._noted.items() if noted.undone]
        late = [key for key in undone if self._noted_at[key] < self._now() - KEEP_UNDONE_MS][:TRIMMED]
        for key in (*live, *late):
            del self._noted[key]
        return len(live) + len(late)

    def _known(self, user: UserId) -> Known:
        """All of this person: more than is touched, which must not matter."""
        groups = {group.id: _copy(group) for group in self._groups.values() if group.user == user}
        noted = {key: noted for key, noted in self._noted.items() if key.recipient == user}
        pairs: dict[tuple[int, str, UserId], int] = {}
        for key, stands in noted.items():
            if not stands.undone:
                pair = (stands.group, key.target, key.actor)
                pairs[pair] = pairs.get(pair, 0) + 1
        return Known(self._preferences.get(user, DEFAULTS), groups, noted, pairs)

    def _relation(self, done: Activity) -> Relation:
        follows = (done.recipient, done.actor) in self._tables.follows
        return Relation(self._hidden(done.recipient, done.actor), follows)

    def _hidden(self, recipient: UserId, actor: UserId) -> bool:
        relations = self._tables.relations
        mine = any((recipient, kind, actor) in relations for kind in ("block", "mute", "restrict"))
        return mine or (actor, "block", recipient) in relations

    def _visible(self, group: Group) -> Iterator[tuple[Key, Noted]]:
        """The deeds of a group that its recipient may see, the newest first."""
        mine = [(key, noted) for key, noted in self._noted.items() if noted.group == group.id and not noted.undone]
        for key, noted in sorted(mine, key=lambda entry: entry[1].event, reverse=True):
            if not self._hidden(group.user, key.actor):
                yield key, noted

    def _sight(self, group: Group) -> Sight:
        visible = list(self._visible(group))
        news = group.due_at is not None and any(noted.window == group.window for _, noted in visible)
        accounts = self._tables.accounts
        sample = [one for one in visible if not one[0].actor or one[0].actor in accounts][:SAMPLED]
        people = [(rows.number(key.actor), *accounts.get(key.actor, (None, None))[:2]) for key, _ in sample]
        return rows.sampled(
            _copy(group),
            len({(key.target, key.actor) for key, _ in visible}),
            news,
            people,
            [key.target for key, _ in sample],
            next((noted.text for key, noted in sample[:1] if key.target not in self._tables.hidden), ""),
        )

    def _reader(self, user: UserId) -> Reader:
        unseen = [one for one in self._groups.values() if one.user == user and not one.seen and one.listed]
        badge = sum(next(self._visible(group), None) is not None for group in unseen)
        locale = self._tables.accounts[user][2] if user in self._tables.accounts else None
        return Reader(self._preferences.get(user, DEFAULTS), locale, min(badge, BADGE), 0)

    def _draw(self, user: UserId) -> int:
        self._drawn += 1
        return (self._now() - EPOCH << 23) + (self._drawn >> 10 << 23) | shard_of(user) << 10 | self._drawn & 1023


def _copy(group: Group) -> Group:
    """Of its own: a decision that is not stored must not show."""
    return msgspec.structs.replace(group)
