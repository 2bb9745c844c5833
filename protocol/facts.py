"""Facts: what a decision makes durable. Log events carry the digest of their request: a retry can be told apart."""

from msgspec import Struct

from protocol.events import AnyLogEvent, ReceiptMoved, SettingsChanged
from protocol.ids import UserId


class Said(Struct, frozen=True, gc=False):
    """A log event and the digest of the request that caused it: 64 bits, signed."""

    event: AnyLogEvent
    digest: int


class Chosen(Struct, frozen=True, gc=False):
    """One member's own settings of a conversation, those that changed."""

    user: UserId
    settings: SettingsChanged


Fact = Said | ReceiptMoved | Chosen
