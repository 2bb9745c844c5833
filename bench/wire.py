"""The messages of the wire contract as the load sees them: few keys read, ready-made frames written."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from bench.frames import masked


class Refusal(msgspec.Struct, gc=False):
    """`err` of a reply."""

    code: str
    message: str = ""
    retry_ms: int | None = None


class Frame(msgspec.Struct, gc=False):
    """Every key of a server message that the load looks at; the decoder passes over the others."""

    re: int = -1
    ok: msgspec.Raw = msgspec.Raw()
    err: Refusal | None = None
    ev: str = ""
    u: int = 0
    c: int = 0
    conversation: str = ""
    cid: str = ""
    user: str = ""
    kind: str = ""
    post: str = ""


class Hello(msgspec.Struct, gc=False):
    """`ok` of hello."""

    epoch: str
    u: int
    outcome: str
    now: int


class Sent(msgspec.Struct, gc=False):
    """`ok` of message.send."""

    c: int
    dup: bool = False


class Conversation(msgspec.Struct, gc=False):
    """CONVERSATION, its id alone."""

    id: str


class Opened(msgspec.Struct, gc=False):
    """`ok` of conversation.open and conversation.create."""

    conversation: Conversation


class Logged(msgspec.Struct, gc=False):
    """A log event, its `c` alone."""

    c: int


class CaughtUp(msgspec.Struct, gc=False):
    """One conversation of a sync."""

    id: str
    events: list[Logged] = []


class Synced(msgspec.Struct, gc=False):
    """`ok` of sync."""

    conversations: list[CaughtUp]


class Closing(msgspec.Struct, gc=False):
    """The reason of a close: where to go instead, and when to come again."""

    url: str = ""
    retry_ms: int | None = None


class User(msgspec.Struct, frozen=True, gc=False):
    """A minted user: one line of `tidings admin mint`."""

    user: str
    access_token: str


class Stored(msgspec.Struct, frozen=True, gc=False):
    """Where a detached client stopped: what it names in `resume`."""

    epoch: str
    u: int


decode = msgspec.msgpack.Decoder(Frame).decode
decode_sent = msgspec.msgpack.Decoder(Sent).decode
decode_opened = msgspec.msgpack.Decoder(Opened).decode
decode_synced = msgspec.msgpack.Decoder(Synced).decode
decode_hello = msgspec.msgpack.Decoder(Hello).decode
decode_closing = msgspec.json.Decoder(Closing).decode
encode = msgspec.msgpack.Encoder().encode


MOVED = "closed 4002 "
"""How the end of a connection reads whose user is at home elsewhere."""


def moved_to(reason: str) -> int:
    """The port of the node that a connection's end names as home; 0 for any other end."""
    return urlsplit(decode_closing(reason.removeprefix(MOVED)).url).port or 0 if reason.startswith(MOVED) else 0


def request_frame(op: str, **fields: Any) -> bytes:
    """A ready-made masked frame of one request."""
    return masked(encode({"op": op, **fields}))
