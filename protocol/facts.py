"""Facts: what a decision makes durable. Log events carry the digest of their request: a retry can be told apart.

What takes no place in the log says whether it is `shown`: whether the other members see the conversation differently
from then on. Else only the member's own devices may learn that anything changed.

Settings have no place that would say which are newer, so a member's choices are numbered, for the servers alone.
"""

from collections.abc import Iterable

from msgspec import UNSET, Struct

from protocol.conversations import MemberSettings
from protocol.events import AnyLogEvent, Folder, ReceiptMoved, SettingsChanged
from protocol.ids import UserId


class Settings(MemberSettings, frozen=True, gc=False, omit_defaults=True):
    """What one member has set, as it is stored, and where they keep the conversation; `v` counts their choices."""

    folder: Folder = "inbox"
    v: int = 0


CHOSEN = (*MemberSettings.__struct_fields__, "folder")
"""What a choice may tell, by name."""


NOTHING_SET = Settings()
"""One for all who have set nothing, as most have."""


class Choice(SettingsChanged, frozen=True, gc=False, omit_defaults=True, tag="choice"):
    """Some of a member's settings, each as it stood after their choice `v`: those that it changed, or more."""

    v: int = 0

    @property
    def names(self) -> list[str]:
        """Which settings it tells."""
        return [name for name in CHOSEN if getattr(self, name) is not UNSET]

    def told(self, names: Iterable[str]) -> SettingsChanged:
        """What its member's devices are told of it."""
        return SettingsChanged(self.conversation, **{name: getattr(self, name) for name in names})


class Said(Struct, frozen=True, gc=False):
    """A log event and the digest of the request that caused it: 64 bits, signed."""

    event: AnyLogEvent
    digest: int


class Marked(Struct, frozen=True, gc=False):
    """How far one member has got."""

    moved: ReceiptMoved
    shown: bool

    @property
    def user(self) -> UserId:
        return self.moved.user


class Chosen(Struct, frozen=True, gc=False):
    """One member's own settings of a conversation and its folder, those that changed."""

    user: UserId
    settings: Choice
    shown: bool


Fact = Said | Marked | Chosen
