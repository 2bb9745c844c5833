"""Frames as a client sends them, right and wrong, and what a `WebSocket` makes of them."""

from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from websockets.utils import apply_mask

from protocol.websocket import CloseFrame, Message, Opcode, State, WebSocket

TEXT, BINARY, CONTINUATION = Opcode.TEXT, Opcode.BINARY, Opcode.CONTINUATION
MASK = b"\x01\x80\xfe\x37"


def client_frame(
    opcode: int,
    payload: bytes = b"",
    *,
    final: bool = True,
    reserved: int = 0,
    mask: bytes | None = MASK,
    announced: int | None = None,
    width: int | None = None,
) -> bytes:
    """`announced` lies about the length; `width` is that of the extended length (0, 2 or 8), else the shortest."""
    length = len(payload) if announced is None else announced
    if width is None:
        width = 0 if length < 126 else 2 if length < 0x10000 else 8
    short = {0: length, 2: 126, 8: 127}[width]
    head = (
        bytes((final << 7 | reserved << 4 | opcode, (mask is not None) << 7 | short)) + length.to_bytes(8)[8 - width :]
    )
    return head + payload if mask is None else head + mask + apply_mask(payload, mask)


def close_payload(code: int, reason: bytes = b"") -> bytes:
    return code.to_bytes(2) + reason


class Outcome(NamedTuple):
    """All that can be seen of a connection after some bytes."""

    messages: list[Message]
    drained: bytes
    state: State
    sent: CloseFrame | None
    received: CloseFrame | None
    partial: bool


def feed(socket: WebSocket, chunks: Iterable[bytes]) -> Outcome:
    """Receive the chunks, draining after each."""
    messages: list[Message] = []
    drained = b""
    for chunk in chunks:
        messages += socket.receive(chunk)
        drained += socket.drain()
    return Outcome(messages, drained, socket.state, socket.sent, socket.received, socket.partial)


def bytewise(data: bytes) -> Iterable[bytes]:
    return (data[index : index + 1] for index in range(len(data)))


def cut(data: bytes, places: Iterable[int]) -> Iterable[bytes]:
    """The data in chunks that end at the places."""
    bounds = [0, *sorted(place for place in places if place < len(data)), len(data)]
    return (data[start:end] for start, end in pairwise(bounds))
