"""Groups of deeds as they are stored: what a notifier decides on, and what it makes of them."""

from typing import NamedTuple

from msgspec import Struct

from protocol.activity import Kind
from protocol.ids import Millis, UserId
from protocol.preferences import Preferences

NO_GROUP = 0


class Key(NamedTuple):
    """One deed of one actor that concerns one recipient: the events about it bear its key."""

    recipient: UserId
    kind: Kind
    target: str
    actor: UserId
    deed: str


class Noted(Struct, frozen=True, gc=False):
    """How a deed stands by the last event about it.

    `group` is the group that it is in, NO_GROUP when undone. `window` is the number of that group's window in which it
    was news, 0 when it was none. Done again before `quiet_until` it is no news.
    """

    event: int
    group: int
    undone: bool = False
    window: int = 0
    quiet_until: Millis = Millis(0)
    text: str = ""


class Group(Struct, gc=False, kw_only=True):
    """Deeds of one kind with a target in common, or an actor, or both while there is but one of each.

    With neither it stays alone. `members` counts the distinct others, exactly. While `due_at` is set a window is open:
    the alert about what is new follows when it closes; `held`: it waits for the end of quiet hours.
    """

    id: int
    user: UserId
    kind: Kind
    target: str | None
    actor: UserId | None
    members: int = 0
    seen: bool = False
    listed: bool = True
    opened_at: Millis
    updated_at: Millis
    window: int = 1
    due_at: Millis | None = None
    held: bool = False


class GroupsTouched(Struct, frozen=True, gc=False, tag_field="ev", tag="groups"):
    """Groups of a user changed: between servers, for the user's home, which tells their devices what became of them."""

    ids: tuple[int, ...]


class Known(Struct, gc=False):
    """What is stored of one person, as far as what is to be decided touches it.

    `pairs` counts the deeds that stand of one actor on one target in one group.
    """

    preferences: Preferences
    groups: dict[int, Group]
    noted: dict[Key, Noted]
    pairs: dict[tuple[int, str, UserId], int]


class Changes(Struct, frozen=True, gc=False):
    """Groups that are new, that are different, and that are gone; deeds as they stand now."""

    opened: list[Group]
    changed: list[Group]
    gone: list[int]
    noted: list[tuple[Key, Noted]]
