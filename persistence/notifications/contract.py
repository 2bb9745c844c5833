"""What is kept of notifications. One suite judges both twins."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from msgspec import Struct

from protocol.activity import Activity, Kind
from protocol.groups import Changes, Group, Key, Known
from protocol.ids import Millis, UserId
from protocol.preferences import Preferences, PreferencesChange, Relation

SAMPLES = 8
"""People, and targets, that are named of one group."""
SAMPLED = 24
"""The newest deeds of a group, of which those are taken."""
KEEP_MS = 90 * 86_400_000
"""How long groups are kept."""
KEEP_UNDONE_MS = 7 * 86_400_000
"""How long it is known that a deed was undone, for its beginning that comes later."""
TRIMMED = 500
"""Rows of each kind that are removed at a time."""


class Touched(Struct, frozen=True):
    """What events touch: for each event, in order, how its recipient stands to its actor, and an id for a new group."""

    now: Millis
    known: dict[UserId, Known]
    about: list[tuple[Relation, int]]


class Person(Struct, frozen=True, gc=False):
    """Somebody who is named."""

    id: UserId
    username: str
    name: str | None


class Sight(Struct, frozen=True, gc=False):
    """A group as its recipient may see it: `members` without who is hidden, and samples, the newest first.

    `text` is of the newest deed, empty when they may not see what it was said of or in. `news`: something in it is new
    in the window that is open.
    """

    group: Group
    members: int
    people: tuple[Person, ...]
    targets: tuple[str, ...]
    text: str
    news: bool


class Reader(Struct, frozen=True):
    """A recipient: `locale` as they have set it. `badge` counts notifications that they have not seen, `unread`
    conversations in which they have not read what others said: each up to `persistence.badge.BADGE`."""

    preferences: Preferences
    locale: str | None
    badge: int
    unread: int


class Due(Struct, frozen=True):
    """Windows that are over, and whose they are."""

    now: Millis
    readers: dict[UserId, Reader]
    sights: list[Sight]


class Job(Struct, frozen=True, gc=False):
    """A row of `push_job`; `body` is the MessagePack of `protocol.pushes.Content`.

    It is in vain once all `notifications` that it tells of are seen or gone.
    """

    user: UserId
    key: str
    kind: Kind
    collapse: str
    channels: tuple[str, ...]
    sender: UserId | None
    notifications: tuple[int, ...]
    body: bytes
    expires_at: Millis


class Closed(Struct, frozen=True):
    """Groups as they stand once their windows were closed or put off, and what is to be pushed."""

    groups: list[Group]
    jobs: list[Job]


class Page(Struct, frozen=True):
    """Some groups of one person, those that changed last first, and as whom they read them: `locale` and `badge` as
    of `Reader`. `next` is the place where it goes on."""

    locale: str | None
    badge: int
    sights: list[Sight]
    next: tuple[Millis, int] | None


class NotificationStore(Protocol):
    """Every method raises `UnavailableError`. What is handed in decides and is called while the rows are held.

    It may be called again when a try failed, always with what is stored.
    """

    async def fold(self, events: Sequence[tuple[int, Activity]], decide: Callable[[Touched], Changes]) -> None:
        """Load what these events touch, and store what they change, for all or for none of them."""

    async def close(self, limit: int, decide: Callable[[Due], Closed]) -> int:
        """Take up to `limit` windows that are over and that nobody else has, and store what comes of them.

        How many were taken. A job whose key is there already is not stored again.
        """

    async def next_due(self) -> int | None:
        """In how many milliseconds the next window is over; None when none is open."""

    async def open_windows(self) -> int:
        """How many are open now, about."""

    async def see(self, user: UserId, up_to: Millis) -> int | None:
        """All that is listed and changed until then is seen, and its windows close without an alert.

        The badge after it; None when there was nothing to see.
        """

    async def page(self, user: UserId, before: tuple[Millis, int] | None, limit: int) -> Page:
        """Groups that somebody visible is in, of kinds that are listed, below a place."""

    async def sights(self, groups: Collection[int]) -> tuple[list[Sight], dict[UserId, str | None]]:
        """Those of these groups that exist and are listed, and the locales of their recipients."""

    async def preferences(self, user: UserId) -> Preferences:
        """What this person has set."""

    async def prefer(self, user: UserId, change: PreferencesChange) -> Preferences:
        """The preferences after the change."""

    async def trim(self) -> int:
        """Remove what is too old, up to TRIMMED groups, deeds of theirs, and deeds that were undone. How many went."""


def key_of(activity: Activity) -> Key:
    """The key of the deed that an event is about."""
    return Key(activity.recipient, activity.kind, activity.target, activity.actor, activity.deed)
