"""RFC 6455 for the server's side of a connection, without I/O.

Bytes from the transport go into `WebSocket.receive`, which returns messages for the application; bytes for the
transport come out of `WebSocket.drain`. Nothing that a peer sends raises: a fault queues the close frame that names it.
No extension is ever negotiated, so every reserved bit is a fault.
"""

import json
from codecs import utf_8_decode
from collections.abc import Sequence
from enum import Enum, IntEnum
from typing import Final, NamedTuple

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

Message = tuple[int, bytes]
"""Opcode (text or binary) and payload; the payload of a text is valid UTF-8."""


class Opcode(IntEnum):
    """RFC 6455 §5.2; the other ten are reserved."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class State(Enum):
    """Where the two closing handshakes stand (RFC 6455 §7.1). There is no way back."""

    OPEN = "messages are handed out"
    CLOSING = "our close frame is queued or sent; the peer's is awaited, messages are dropped"
    CLOSED = "nothing is read any more; send what `drain` holds, then end the transport"


class _Event(Enum):
    CLOSE_SENT = "we closed"
    CLOSE_RECEIVED = "the peer closed, or answered our close"
    FAULT = "the peer broke the protocol: nothing after that may be read (RFC 6455 §7.1.7)"


_NEXT: Final = {
    State.OPEN: {
        _Event.CLOSE_SENT: State.CLOSING,
        _Event.CLOSE_RECEIVED: State.CLOSED,
        _Event.FAULT: State.CLOSED,
    },
    State.CLOSING: {
        _Event.CLOSE_RECEIVED: State.CLOSED,
        _Event.FAULT: State.CLOSED,
    },
    State.CLOSED: {},
}


class CloseFrame(NamedTuple):
    """Code and reason of a close frame; 1005 stands for a frame without a code (RFC 6455 §7.1.5)."""

    code: int
    reason: str


class _Fault(Enum):
    """Everything that a peer can do wrong: close code and detail (RFC 6455 §5, §7.4.1, §8.1; docs/protocol.md §1)."""

    RESERVED_BITS = 1002, "a reserved bit is set"
    RESERVED_OPCODE = 1002, "the opcode is reserved"
    NOT_MASKED = 1002, "the frame is not masked"
    FRAGMENTED_CONTROL = 1002, "the control frame is fragmented"
    LONG_CONTROL = 1002, "the control frame is longer than 125 bytes"
    LENGTH_NOT_MINIMAL = 1002, "the length is not in its shortest form"
    LENGTH_TOP_BIT = 1002, "the top bit of the length is set"
    NOTHING_TO_CONTINUE = 1002, "there is no message to continue"
    MESSAGE_UNFINISHED = 1002, "the message before is not finished"
    CLOSE_TOO_SHORT = 1002, "the close frame has one byte"
    CLOSE_CODE = 1002, "the close code may not be sent"
    OTHER_OPCODE = 1003, "the subprotocol has messages of the other opcode"
    NOT_UTF8 = 1007, "the text is not UTF-8"
    CLOSE_NOT_UTF8 = 1007, "the close reason is not UTF-8"
    FRAGMENTS = 1008, "the message has too many fragments"
    TOO_LARGE = 1009, "the message is too large"

    def __init__(self, code: int, detail: str) -> None:
        word = "too_large" if code == 1009 else "protocol_error"
        self.close_frame = CloseFrame(code, json.dumps({"code": word, "detail": detail}))


_OPCODES: Final = frozenset(int(opcode) for opcode in Opcode)
_WIRE_CODES: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})
_NO_CODE: Final = 1005
_MAX_REASON: Final = 123
_MAX_CONTROL: Final = 125
# Looking up a member in its enum costs 0.1 µs.
_OPEN, _CLOSED = State.OPEN, State.CLOSED
_TEXT, _CLOSE, _PING, _PONG = int(Opcode.TEXT), int(Opcode.CLOSE), int(Opcode.PING), int(Opcode.PONG)
_MAX_PONGS: Final = 16 * (2 + _MAX_CONTROL)
_FIN: Final = 0x80
_MASKED: Final = 0x80


def header(opcode: int, length: int) -> bytes:
    """The head of one whole, unmasked frame with a payload of `length` bytes (RFC 6455 §5.2)."""
    if length < 126:
        return bytes((_FIN | opcode, length))
    if length < 0x10000:
        return bytes((_FIN | opcode, 126, length >> 8, length & 0xFF))
    return bytes((_FIN | opcode, 127)) + length.to_bytes(8)


def frame(opcode: int, payload: bytes) -> bytes:
    """One whole, unmasked frame."""
    return header(opcode, len(payload)) + payload


def frame_size(data: bytes, start: int) -> int | None:
    """Bytes of the unmasked frame at `start`, its head included; None while its head is not whole.

    For frames of a server of ours: nothing is checked.
    """
    size = len(data) - start
    if size < 2:
        return None
    length = data[start + 1]
    if length < 126:
        return 2 + length
    extended = 2 if length == 126 else 8
    return 2 + extended + int.from_bytes(data[start + 2 : start + 2 + extended]) if size >= 2 + extended else None


def masked(opcode: int, payload: bytes) -> bytes:
    """One whole frame as a client sends it, under a mask that changes nothing (RFC 6455 §5.3)."""
    plain = header(opcode, len(payload))
    return b"%c%c%b\0\0\0\0%b" % (plain[0], plain[1] | 0x80, plain[2:], payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """A close frame; the reason is cut to 123 bytes between two code points.

    Raises ValueError for a code that may not be sent (RFC 6455 §7.4): that is a bug of the caller.
    """
    if code not in _WIRE_CODES:
        raise ValueError(f"close code {code} may not be sent")
    text = reason.encode("utf-8", "replace")[:_MAX_REASON].decode("utf-8", "ignore")
    return frame(_CLOSE, code.to_bytes(2) + text.encode())


def whole(data: bytes, opcode: int, max_message: int) -> bytes | None:
    """The payload, when `data` is one whole, valid, masked message of `opcode` and nothing else; the fast path.

    None says nothing about `data`: that is for a `WebSocket` to find out. Measured: 0.3 µs for 100 bytes.
    """
    size = len(data)
    if size < 6 or data[0] != _FIN | opcode:
        return None
    if size < 132 and data[1] == size + 122 and size - 6 <= max_message:
        payload = apply_mask(data[6:], data[2:6])
    elif size > 133 and data[1] == 254 and (data[2] << 8 | data[3]) == size - 8 <= max_message:
        payload = apply_mask(data[8:], data[4:8])
    else:
        return None
    if opcode == _TEXT and not payload.isascii():
        try:
            payload.decode()
        except UnicodeDecodeError:
            return None
    return payload


class _Head(NamedTuple):
    opcode: int
    final: bool
    length: int
    mask: bytes
    end: int  # where the payload begins


def _read_head(data: bytes, start: int) -> _Head | _Fault | None:
    """The head of the client's frame at `start`, the first fault in it, or None while neither is certain."""
    size = len(data) - start
    opcode, final = data[start] & 0xF, data[start] >= _FIN
    if data[start] & 0x70:
        return _Fault.RESERVED_BITS
    if opcode not in _OPCODES:
        return _Fault.RESERVED_OPCODE
    if opcode >= _CLOSE and not final:
        return _Fault.FRAGMENTED_CONTROL
    if size < 2:
        return None
    length = data[start + 1] - _MASKED
    if length < 0:
        return _Fault.NOT_MASKED
    if opcode >= _CLOSE and length > _MAX_CONTROL:
        return _Fault.LONG_CONTROL
    extended = {126: 2, 127: 8}.get(length, 0)
    end = start + 2 + extended
    if size < 2 + extended:
        return None
    if extended:
        shortest = 126 if extended == 2 else 0x10000
        length = int.from_bytes(data[start + 2 : end])
        if length < shortest:
            return _Fault.LENGTH_NOT_MINIMAL
        if length >> 63:
            return _Fault.LENGTH_TOP_BIT
    return _Head(opcode, final, length, data[end : end + 4], end + 4) if len(data) >= end + 4 else None


def _read_close(payload: bytes) -> CloseFrame | _Fault:
    """RFC 6455 §5.5.1, §7.4."""
    if not payload:
        return CloseFrame(_NO_CODE, "")
    if len(payload) == 1:
        return _Fault.CLOSE_TOO_SHORT
    try:
        read = CloseFrame(int.from_bytes(payload[:2]), payload[2:].decode())
    except UnicodeDecodeError:
        return _Fault.CLOSE_NOT_UTF8
    return read if read.code in _WIRE_CODES else _Fault.CLOSE_CODE


class _Unfinished:
    """A frame or a message of which more is to come; a quiet connection has none.

    Data frames are unmasked and checked as they trickle in; `head` holds a head, or a control frame, that is not whole.
    """

    __slots__ = ("final", "fragments", "head", "left", "mask", "opcode", "payload", "split")

    def __init__(self) -> None:
        self.head = b""
        self.opcode = 0  # of the message; 0 before its first frame
        self.fragments = 0
        self.payload = bytearray()
        self.split = b""  # the first bytes of a code point that the rest has not followed yet
        self.final = False
        self.left = 0  # bytes of the frame's payload that are to come
        self.mask = b""

    @property
    def done(self) -> bool:
        return self.final and not self.left

    def begin(self, head: _Head, max_message: int, max_fragments: int) -> _Fault | None:
        """Start the message, or its next fragment."""
        if head.opcode:
            if self.opcode:
                return _Fault.MESSAGE_UNFINISHED
            self.opcode = head.opcode
        elif not self.opcode:
            return _Fault.NOTHING_TO_CONTINUE
        if len(self.payload) + head.length > max_message:
            return _Fault.TOO_LARGE
        self.fragments += 1
        if self.fragments > max_fragments:
            return _Fault.FRAGMENTS
        self.final, self.left, self.mask = head.final, head.length, head.mask
        return None

    def extend(self, chunk: bytes) -> _Fault | None:
        """Take the next bytes of the frame's payload, masked as they came."""
        turn = len(chunk) & 3
        plain = apply_mask(chunk, self.mask)
        self.mask = self.mask[turn:] + self.mask[:turn]
        self.left -= len(chunk)
        self.payload += plain
        if self.opcode == _TEXT:
            text = self.split + plain
            try:
                _, whole = utf_8_decode(text, "strict", self.done)
            except UnicodeDecodeError:
                return _Fault.NOT_UTF8
            self.split = text[whole:]
            # The decoder waits for a surrogate's third byte before it objects.
            if self.split[:1] == b"\xed" and self.split[1:] >= b"\xa0":
                return _Fault.NOT_UTF8
        return None


class WebSocket:
    """One server-side connection after its handshake: a state machine over `State`, fed in any chunks with one outcome.

    `opcode` is the one that data messages must have; None takes both. `max_message` is in bytes, may be set at any time
    and holds from the next frame on: what announces more is refused before it is buffered. At most `max_fragments`
    frames make a message, empty ones included.

    Measured: `receive` of one whole masked frame of 100 bytes 0.37 µs (of it unmasking 0.16), of 400 bytes 0.45; any
    other frame 2.7. Unpacking the head by `struct` instead of by index costs 15 % more. Idle 128 bytes.
    """

    __slots__ = (
        "_either",
        "_farewell",
        "_opcode",
        "_pongs",
        "_quiet",
        "_undrained",
        "_unfinished",
        "max_fragments",
        "max_message",
        "received",
        "sent",
        "state",
    )

    def __init__(self, opcode: int | None, max_message: int, max_fragments: int = 1_024) -> None:
        self.max_message = max_message
        self.max_fragments = max_fragments
        self.state: State = _OPEN
        self.sent: CloseFrame | None = None
        """Our close, with the reason as given."""
        self.received: CloseFrame | None = None
        """The peer's close, if it was a valid one."""
        self._either = opcode is None
        self._opcode = opcode or _TEXT  # of the messages; taking both, of the latest one
        self._quiet = True  # open and not `partial`
        self._unfinished: _Unfinished | None = None
        self._pongs = b""
        self._undrained = False  # pongs of an earlier `receive` still wait, so the peer does not read
        self._farewell = b""

    @property
    def partial(self) -> bool:
        """Whether a frame or a fragmented message has begun and not ended."""
        return self._unfinished is not None

    @property
    def quiet(self) -> bool:
        """Open, with nothing begun and nothing to be sent: a fresh one would do as well."""
        return self._quiet and not self._pongs and not self._farewell

    def receive(self, data: bytes) -> Sequence[Message]:
        """The messages that `data` completes. Never raises; after a call `drain` may have something to send."""
        if self._quiet and (payload := whole(data, self._opcode, self.max_message)) is not None:
            return ((self._opcode, payload),)
        return self._receive(data)

    def drain(self) -> bytes:
        """Hand over what is to be sent: pongs, then our close frame, after which nothing more may be sent.

        To be left alone while the transport is full: of the pings that then arrive only the newest is answered
        (RFC 6455 §5.5.3). Never holds more than 16 pongs.
        """
        waiting = self._pongs + self._farewell
        self._pongs = self._farewell = b""
        return waiting

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake; without effect once it was started by either side.

        Raises ValueError for a code that may not be sent.
        """
        farewell = close_frame(code, reason)
        if self.state is _OPEN:
            self._farewell, self.sent = farewell, CloseFrame(code, reason)
            self._step(_Event.CLOSE_SENT)

    def _receive(self, data: bytes) -> list[Message]:
        messages: list[Message] = []
        work = self._unfinished or _Unfinished()
        data, work.head = work.head + data, b""
        self._undrained = bool(self._pongs)
        position = 0
        while position < len(data) and self.state is not _CLOSED:
            taken = self._take(work, data, position)
            if taken is None:
                work.head = data[position:]
                break
            if isinstance(taken, _Fault):
                self._fail(taken)
                break
            position = taken
            if work.done:
                self._opcode = work.opcode
                if self.state is _OPEN:
                    messages.append((work.opcode, bytes(work.payload)))
                work = _Unfinished()
        quiet = self.state is _CLOSED or not (work.head or work.opcode)
        self._unfinished = None if quiet else work
        self._quiet = quiet and self.state is _OPEN
        return messages

    def _take(self, work: _Unfinished, data: bytes, position: int) -> int | _Fault | None:
        """Take a frame, or what is here of its payload: the position after it, or None when nothing can be done yet."""
        if work.left:
            chunk = data[position : position + work.left]
            return work.extend(chunk) or position + len(chunk)
        head = _read_head(data, position)
        if not isinstance(head, _Head):
            return head
        if head.opcode >= _CLOSE:
            end = head.end + head.length
            if end > len(data):
                return None
            return self._control(head.opcode, apply_mask(data[head.end : end], head.mask)) or end
        if head.opcode and not (self._either or head.opcode == self._opcode):
            return _Fault.OTHER_OPCODE
        fault = work.begin(head, self.max_message, self.max_fragments)
        if fault is None and not head.length:
            fault = work.extend(b"")
        return fault or head.end

    def _control(self, opcode: int, payload: bytes) -> _Fault | None:
        if opcode == _PING:
            pong = frame(_PONG, payload)
            full = self._undrained or len(self._pongs) + len(pong) > _MAX_PONGS
            self._pongs = pong if full else self._pongs + pong
        elif opcode == _CLOSE:
            read = _read_close(payload)
            if isinstance(read, _Fault):
                return read
            self.received = read
            if self.state is _OPEN:
                self._farewell, self.sent = frame(_CLOSE, payload), read
            self._step(_Event.CLOSE_RECEIVED)
        return None

    def _fail(self, fault: _Fault) -> None:
        if self.state is _OPEN:
            self.sent = fault.close_frame
            self._farewell = close_frame(*fault.close_frame)
        self._step(_Event.FAULT)

    def _step(self, event: _Event) -> None:
        self.state = _NEXT[self.state][event]
        self._quiet = False
