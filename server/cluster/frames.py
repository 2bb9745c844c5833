"""What nodes say to each other: the items of a link's frames. They are hints: what matters is in the log."""

import msgspec
from msgspec import Struct

from actors.conversation_commands import Mailed
from actors.effects import Asked
from protocol.codec import Encoded
from protocol.errors import Refusal
from protocol.events import DurableEvent
from protocol.facts import Choice
from protocol.groups import GroupsTouched
from protocol.ids import ConversationId, Millis, UserId
from protocol.live import AnyLiveEvent
from protocol.posts import PostId
from protocol.replies import Done, Result, Sent

HOPS = 2
"""How often an item is passed on: nodes that act by different versions must not send it round in circles."""


class ToConversation(Struct, frozen=True, gc=False, array_like=True, tag=1):
    """A command for the conversation's actor. `hops`: how often it was passed on."""

    conversation: ConversationId
    command: Mailed
    hops: int = 0


class ToUsers(Struct, frozen=True, gc=False, array_like=True, tag=2):
    """An event, as the MessagePack of its body, for users whose home is there."""

    users: tuple[UserId, ...]
    body: bytes
    hops: int = 0

    def encoded(self) -> Encoded:
        """Raises msgspec.MsgspecError."""
        return Encoded(_event(self.body), self.body)


class Replied(Struct, frozen=True, gc=False, array_like=True, tag=3):
    """The answer to a command: how it was refused, or else what was sent, or else that it was carried out."""

    asked: Asked
    refused: Refusal | None
    sent: Sent | None

    @property
    def result(self) -> Result:
        return self.refused or self.sent or Done()


class ToInterested(Struct, frozen=True, gc=False, array_like=True, tag=4):
    """A `feed.new` of somebody whom very many follow, as its MessagePack: each node knows who of those there do."""

    body: bytes

    def encoded(self) -> Encoded:
        """Raises msgspec.MsgspecError."""
        return Encoded(_event(self.body), self.body)


class FollowsChanged(Struct, frozen=True, gc=False, array_like=True, tag=5):
    """This user, whose home is there, may follow, or be shown, others than before."""

    user: UserId


class PostWithdrawn(Struct, frozen=True, gc=False, array_like=True, tag=6):
    """Nobody sees this post any more but perhaps its author: what waits for those there does not tell of it."""

    post: PostId


class Unread(Struct, frozen=True, gc=False, array_like=True, tag=0):
    """Stands for an item that cannot be read here, as it is of a newer release. Nobody says it."""

    why: str


Item = ToConversation | ToUsers | Replied | ToInterested | FollowsChanged | PostWithdrawn | Unread


class Frame(Struct, frozen=True, gc=False, array_like=True):
    """Everything for one node of one turn of the loop.

    Frames are numbered from 1 for each pair of incarnations; one without items is a heartbeat and bears the number of
    the last. `beat` counts the sender's heartbeats, `echo` is the last beat of the receiver's that the sender heard,
    0 for none: so the receiver knows how old a frame is, and whether it is heard itself. What the sender made durable
    before `told`, by the database's clock, it has told, in this frame at the latest.
    """

    sender: str
    number: int
    beat: int
    echo: int
    told: Millis
    items: tuple[Item, ...]


def decode_newer(data: bytes) -> Frame:
    """A frame with items of a newer release among its own, each of which is `Unread`. Raises msgspec.MsgspecError.

    Each item is read by itself, which takes twice as long; only a frame that `decode` does not read is worth that.
    """
    frame = _outline(data)
    items = tuple(map(_readable, frame.items))
    return Frame(frame.sender, frame.number, frame.beat, frame.echo, frame.told, items)


def _readable(item: msgspec.Raw) -> Item:
    try:
        read: Item = _item(item)
    except msgspec.DecodeError as fault:
        return Unread(str(fault))
    return read


def replied(asked: Asked, result: Result) -> Replied:
    """What a command of another node is answered with. Raises TypeError for what no conversation answers."""
    match result:
        case Refusal():
            return Replied(asked, result, None)
        case Sent():
            return Replied(asked, None, result)
        case Done():
            return Replied(asked, None, None)
        case _:
            raise TypeError(result)


class _Outline(Struct, frozen=True, gc=False, array_like=True):
    """A `Frame` whose items are not read yet."""

    sender: str
    number: int
    beat: int
    echo: int
    told: Millis
    items: tuple[msgspec.Raw, ...]


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Frame).decode
"""Raises msgspec.MsgspecError, also for a frame that `decode_newer` reads."""
_outline = msgspec.msgpack.Decoder(_Outline).decode
_item = msgspec.msgpack.Decoder(Item).decode
_event = msgspec.msgpack.Decoder(DurableEvent | AnyLiveEvent | Choice | GroupsTouched).decode
