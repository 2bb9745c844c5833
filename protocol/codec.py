"""Codecs: one message is one map, as MessagePack or as JSON. Requests are read and checked in one step.

`read` never raises: what cannot be read comes back as `Unreadable`, with the request's id when that much could be told
apart. An event is encoded once per codec (`Encoded`); a durable one differs per user only in `u`, patched in front.
Measured: decoding a 200-byte `message.send` 1.5 µs (of it 1.2 µs the patterns of ids and text); patching `u` 0.2 µs.
"""

import json
from typing import Any, Literal, get_args

import msgspec
from msgspec import Raw, Struct, UnsetType

from protocol.errors import Refusal
from protocol.patterns import in_words
from protocol.requests import AnyRequest, read_later

Name = Literal["msgpack", "json"]


class Unreadable(Struct, frozen=True):
    """`id` is 0 when the message does not even name its request (docs/protocol.md §2, fault table)."""

    id: int
    refusal: Refusal


class _Envelope(Struct, frozen=True):
    """What can be said of a message that is not a valid request."""

    op: Any = None
    id: Any = None


# What msgspec lets through besides its own errors: too deep nesting, bad UTF-8, integers of thousands of digits.
_FAULTS = (msgspec.MsgspecError, RecursionError, ValueError)
_OPS = {kind.__struct_config__.tag: kind for kind in get_args(AnyRequest)}
_WITHOUT_ID = frozenset(("typing", "ack"))
_UNREADABLE = Refusal("bad_request", "the message is not one map of the agreed codec")
_REASON = 400
# Reads what msgspec gives up on as a whole (a lone surrogate, NaN), so that the request it came in can be answered.
# 20 digits are enough to be out of range, and Python refuses to read thousands.
_lenient = json.JSONDecoder(parse_int=lambda digits: int(digits[:20])).decode


class Codec:
    """One of the two encodings of a connection; both carry the same maps."""

    def __init__(self, name: Name) -> None:
        module: Any = msgspec.msgpack if name == "msgpack" else msgspec.json
        self.name = name
        self.binary = name == "msgpack"
        self.opcode = 0x2 if self.binary else 0x1
        self.subprotocol = f"tidings.v1.{name}"
        self._request = module.Decoder(AnyRequest, dec_hook=read_later).decode
        self._envelope = module.Decoder(_Envelope).decode if self.binary else _json_envelope
        self._fields = module.Decoder(dict[str, Raw]).decode
        self._value = module.Decoder().decode
        self.encode: Any = module.Encoder().encode

    def read(self, message: bytes | bytearray | memoryview) -> AnyRequest | Unreadable:
        """The request in a message, or why there is none."""
        try:
            request: AnyRequest = self._request(message)
            return request
        except _FAULTS:
            return self._read_last(message)

    def _read_last(self, message: bytes | bytearray | memoryview) -> AnyRequest | Unreadable:
        """Of repeated keys the last wins; reading in one step stumbles over a second `op` and over earlier values."""
        try:
            request: AnyRequest = self._request(self.encode(self._fields(message)))
            return request
        except _FAULTS as fault:
            return self._unreadable(message, fault)

    def _unreadable(self, message: bytes | bytearray | memoryview, fault: Exception) -> Unreadable:
        try:
            envelope = self._envelope(message)
        except _FAULTS:
            return Unreadable(0, _UNREADABLE)
        id, op = envelope.id, envelope.op
        named = isinstance(op, str)
        if named and op in _WITHOUT_ID:
            return Unreadable(0, Refusal("bad_request", f"{op}: {in_words(fault, _OPS[op])}"[:_REASON]))
        if type(id) is not int or not 1 <= id <= 2**31:
            return Unreadable(0, Refusal("bad_request", "id: an integer from 1 to 2^31 is needed"))
        if not named:
            return Unreadable(id, Refusal("bad_request", "op: the name of an operation is needed"))
        if op not in _OPS:
            return Unreadable(id, Refusal("unknown_op", f"op: there is no {op[:64]!r} here"))
        said = f"{op}: {in_words(fault, _OPS[op])}{self._place(message, fault)}"
        return Unreadable(id, Refusal("bad_request", said[:_REASON]))

    def _place(self, message: bytes | bytearray | memoryview, fault: Exception) -> str:
        """The field that is at fault, where msgspec does not say it itself: bad UTF-8, a lone surrogate, NaN."""
        if isinstance(fault, msgspec.ValidationError):
            return ""
        try:
            fields = self._fields(message) if self.binary else _lenient(bytes(message).decode())
        except _FAULTS:
            return ""
        broken = (name for name, value in fields.items() if not self._is_whole(value))
        return next((f" - at `$.{ascii(name)[1:-1]}`" for name in broken), "")

    def _is_whole(self, value: Any) -> bool:
        try:
            if self.binary:
                self._value(value)
            else:
                json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except _FAULTS:
            return False
        return True


def _json_envelope(message: bytes | bytearray | memoryview) -> _Envelope:
    fields = _lenient(bytes(message).decode())
    if not isinstance(fields, dict):
        raise ValueError("not a map")
    return _Envelope(fields.get("op"), fields.get("id"))


MSGPACK = Codec("msgpack")
JSON = Codec("json")
BY_SUBPROTOCOL = {codec.subprotocol: codec for codec in (MSGPACK, JSON)}


class Encoded:
    """An event and its encodings, each made at most once, for however many recipients."""

    __slots__ = ("_json", "_msgpack", "event")

    def __init__(self, event: Struct, msgpack: bytes | None = None) -> None:
        """`msgpack` when it has been encoded before, by another node or into the store."""
        self.event = event
        self._msgpack = msgpack
        self._json: bytes | None = None

    @property
    def msgpack(self) -> bytes:
        if self._msgpack is None:
            self._msgpack = MSGPACK.encode(self.event)
        return self._msgpack

    @property
    def json(self) -> bytes:
        if self._json is None:
            self._json = JSON.encode(self.event)
        return self._json

    @property
    def size(self) -> int:
        """Bytes that one recipient costs, near enough for budgets (`u` and frame header left out)."""
        return len(self.msgpack)

    def live(self, codec: Codec) -> bytes:
        """The message as it stands, without `u`."""
        return self.msgpack if codec.binary else self.json

    def numbered(self, codec: Codec, u: int) -> bytes:
        """The message with `u` in front. Events have at most 14 keys, so one more is still a fixmap."""
        if codec.binary:
            body = self.msgpack
            return b"%c\xa1u%b%b" % (body[0] + 1, MSGPACK.encode(u), body[1:])
        return b'{"u":%d,%b' % (u, self.json[1:])


def settings_of(value: Struct) -> dict[str, Any]:
    """The fields of `value` that are set, by name."""
    return {name: field for name in value.__struct_fields__ if not isinstance(field := getattr(value, name), UnsetType)}
