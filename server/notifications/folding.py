"""Folding: activities from the outbox become groups, each once, whatever is repeated and in whatever order it comes."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from actors.notifier import Note, Notifier, Outcome
from actors.preferences import TOLD_BEFORE_AS, OffsetAt
from persistence.notifications.contract import NotificationStore, Touched
from persistence.outbox.contract import Event
from protocol.activity import Activity
from protocol.groups import Changes
from protocol.ids import UserId

Told = Callable[[Mapping[UserId, Collection[int]]], None]

_read = msgspec.msgpack.Decoder(Activity).decode


class Folding:
    """The consumer of activities. `told` hears which groups changed, `due` that a window is over already."""

    def __init__(self, store: NotificationStore, offset_at: OffsetAt, told: Told, due: Callable[[], None]) -> None:
        self._store = store
        self._offset_at = offset_at
        self._told = told
        self._due = due
        self.outcomes: dict[Outcome, int] = dict.fromkeys(("opened", "folded", "undone", "repeated", "unwanted"), 0)

    async def __call__(self, events: Sequence[Event]) -> None:
        """Raises `UnavailableError` when nothing of it was stored, or ValueError when one of them is no activity."""
        read = [(event.id, _read(event.body)) for event in sorted(events, key=lambda event: event.id)]
        mine = [(id, deed) for id, done in read if done.actor != done.recipient for deed in _meant(done)]
        if not mine:
            return
        batch = _Batch(mine, self._offset_at)
        await self._store.fold(mine, batch.decide)
        for outcome in batch.outcomes:
            self.outcomes[outcome] += 1
        if batch.touched:
            self._told(batch.touched)
        if batch.is_due:
            self._due()


class _Batch:
    """One try; of several the last has the word."""

    def __init__(self, events: Sequence[tuple[int, Activity]], offset_at: OffsetAt) -> None:
        self._events = events
        self._offset_at = offset_at
        self.outcomes: list[Outcome] = []
        self.touched: dict[UserId, list[int]] = {}
        self.is_due = False

    def decide(self, touched: Touched) -> Changes:
        notifiers = {user: Notifier(known, self._offset_at) for user, known in touched.known.items()}
        self.outcomes = []
        for (event, done), (relation, id) in zip(self._events, touched.about, strict=True):
            self.outcomes.append(notifiers[done.recipient].note(Note(event, done, relation, id), touched.now))
        changes = [notifier.changes() for notifier in notifiers.values()]
        self.touched = _touched(changes, notifiers)
        groups = (group for one in changes for group in (*one.opened, *one.changed))
        self.is_due = any(group.due_at is not None and group.due_at <= touched.now for group in groups)
        return Changes(
            [group for one in changes for group in one.opened],
            [group for one in changes for group in one.changed],
            [id for one in changes for id in one.gone],
            [noted for one in changes for noted in one.noted],
        )


def _meant(done: Activity) -> list[Activity]:
    """What is taken back may have been told by an older release, as another kind."""
    before = TOLD_BEFORE_AS.get(done.kind) if done.undone else None
    return [done, replace(done, kind=before)] if before else [done]


def _touched(changes: Sequence[Changes], users: Collection[UserId]) -> dict[UserId, list[int]]:
    touched = defaultdict[UserId, list[int]](list)
    for user, one in zip(users, changes, strict=True):
        if ids := [*(group.id for group in one.opened), *(group.id for group in one.changed), *one.gone]:
            touched[user] = ids
    return dict(touched)
