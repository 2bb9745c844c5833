"""What is asked and kept of pushes for messages."""

from typing import Literal

from msgspec import UNSET, Struct

from protocol.events import MessageSent
from protocol.ids import UserId
from protocol.preferences import DEFAULTS, Preferences

MessageKind = Literal["message", "mention", "message_request"]


class Recipient(Struct, frozen=True, gc=False):
    """Somebody a message was for; it speaks for all of its conversation up to the place `upto`.

    What becomes of it may wait for `hold_ms` more.
    """

    user: UserId
    message: MessageSent
    upto: int
    hold_ms: int = 0

    @property
    def mentioned(self) -> bool:
        """The message names them."""
        mentions = self.message.mentions
        return mentions is not UNSET and self.user in mentions


class Circumstances(Struct, frozen=True, gc=False):
    """What somebody who shall have a push sees of it. `title` is the group's, `sender` the name its sender goes by.

    `badge` counts conversations with something unread, and notifications that are not seen. `locale` and `preferences`
    are what they have set, if anything; `follows`: they follow the sender.
    """

    folder: Literal["inbox", "requests"]
    title: str | None
    sender: str
    locale: str | None
    badge: int
    preferences: Preferences = DEFAULTS
    follows: bool = False


Finding = Circumstances | Literal["unreachable", "unwanted"]
"""Of a recipient. Unreachable: without a device or a wish of their own. Unwanted: gone, muted, blocked, read, or pushed
before."""


class Job(Struct, frozen=True, gc=False):
    """A push that is due in `hold_ms`, by these channels. `body` is the MessagePack of `protocol.pushes.Content`."""

    recipient: Recipient
    kind: MessageKind
    channels: tuple[str, ...]
    body: bytes
    hold_ms: int


class Swept(Struct, frozen=True, gc=False):
    """Recipients whom nothing has reached. `then`: ask again from there on, there is more."""

    recipients: tuple[Recipient, ...]
    then: str | None
