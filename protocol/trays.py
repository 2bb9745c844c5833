"""The tray of stories: whose stories there are for me now (docs/protocol.md §6)."""

from typing import NewType

from msgspec import UNSET, Struct, UnsetType

from protocol.ids import Millis, UserId

StoryId = NewType("StoryId", str)


class TrayStory(Struct, frozen=True, gc=False):
    """A story in a tray; from `expires_at` on it is not there any more, whether or not anybody says so."""

    id: StoryId
    expires_at: Millis
    close_friends: bool


class ShownStory(TrayStory, frozen=True, gc=False):
    """The same with whether I have seen it."""

    seen: bool


class TrayEntry(Struct, frozen=True, gc=False, omit_defaults=True):
    """The stories of one author, the oldest first. `muted`: I do not want to hear of them."""

    author: UserId
    username: str
    stories: tuple[ShownStory, ...]
    name: str | UnsetType = UNSET
    muted: bool = False


class Tray(Struct, frozen=True, gc=False, omit_defaults=True):
    """Whose stories there are for me: my own, and those of whom I follow.

    I am first; then come authors with something that I have not seen, then the others, each the newest first; at the
    end those whom I mute. `more`: the rest has no room here."""

    items: list[TrayEntry]
    more: bool = False
