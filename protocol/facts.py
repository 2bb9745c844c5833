"""Facts: what a decision makes durable. Log events carry the digest of their request: a retry can be told apart.

What takes no place in the log says whether it is `shown`: whether the other members see the conversation differently
from then on. Else only the member's own devices may learn that anything changed.
"""

from msgspec import Struct

from protocol.events import AnyLogEvent, ReceiptMoved, SettingsChanged
from protocol.ids import UserId


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
    """One member's own settings of a conversation, those that changed."""

    user: UserId
    settings: SettingsChanged
    shown: bool


Fact = Said | Marked | Chosen
