"""The fault table of docs/protocol.md §2 as messages: what is sent, and which request the answer names."""

import json
from typing import Any

import msgpack

from protocol.codec import JSON, MSGPACK, Codec

READ = {"op": "message.read", "id": 7, "conversation": "5", "c": 3}
SEND = {"op": "message.send", "id": 7, "conversation": "5", "cid": "a", "text": "hi"}


def packed(codec: Codec, value: Any) -> bytes:
    """As a client encodes it, with code of its own."""
    return msgpack.packb(value) if codec.binary else json.dumps(value).encode()


FAULTS: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "unknown op": ({"op": "message.edit", "id": 7}, 7, "unknown_op", "'message.edit'"),
    "op of another type": ({"op": 3, "id": 7}, 7, "bad_request", "op"),
    "op is null": ({"op": None, "id": 7}, 7, "bad_request", "op"),
    "op is a list": ({"op": [], "id": 7}, 7, "bad_request", "op"),
    "no op": ({"id": 7}, 7, "bad_request", "op"),
    "an op as long as a book": ({"op": "x" * 50_000, "id": 7}, 7, "unknown_op", "x" * 64 + "'"),
    "no id": ({"op": "message.read", "conversation": "5", "c": 3}, 0, "bad_request", "id"),
    "id is null": (READ | {"id": None}, 0, "bad_request", "id"),
    "id is text": (READ | {"id": "7"}, 0, "bad_request", "id"),
    "id is a fraction": (READ | {"id": 7.5}, 0, "bad_request", "id"),
    "id is true": (READ | {"id": True}, 0, "bad_request", "id"),
    "id is 0": (READ | {"id": 0}, 0, "bad_request", "id"),
    "id is negative": (READ | {"id": -7}, 0, "bad_request", "id"),
    "id is past 2^31": (READ | {"id": 2**31 + 1}, 0, "bad_request", "id"),
    "a field is null": (READ | {"c": None}, 7, "bad_request", "$.c"),
    "a field that may be absent is null": (SEND | {"after": None}, 7, "bad_request", "$.after"),
    "text where a number belongs": (READ | {"c": "3"}, 7, "bad_request", "$.c"),
    "a number where text belongs": (SEND | {"text": 3}, 7, "bad_request", "$.text"),
    "a fraction where a number belongs": (READ | {"c": 3.5}, 7, "bad_request", "$.c"),
    "a negative place": (READ | {"c": -1}, 7, "bad_request", "$.c"),
    "a conversation that is no id": (READ | {"conversation": "5.*"}, 7, "bad_request", "$.conversation"),
    "an id in another spelling": (READ | {"conversation": "05"}, 7, "bad_request", "$.conversation"),
    "an id with a newline": (READ | {"conversation": "5\n"}, 7, "bad_request", "$.conversation"),
    "an id in other digits": (READ | {"conversation": "\u0665"}, 7, "bad_request", "$.conversation"),
    "NUL in text": (SEND | {"text": "a\0b"}, 7, "bad_request", "$.text"),
    "NUL at the end of text": (SEND | {"text": "a\n\0"}, 7, "bad_request", "$.text"),
    "NUL in a cid": (SEND | {"cid": "\0"}, 7, "bad_request", "$.cid"),
    "no text": (SEND | {"text": ""}, 7, "bad_request", "$.text"),
    "too much text": (SEND | {"text": "é" * 4_001}, 7, "bad_request", "$.text"),
    "a cid of 65 characters": (SEND | {"cid": "x" * 65}, 7, "bad_request", "$.cid"),
    "a mention that is no id": (SEND | {"mentions": ["7", "x"]}, 7, "bad_request", "$.mentions"),
    "media, which no message can have yet": (SEND | {"media": [{"id": "5"}]}, 7, "bad_request", "$.media"),
    "media and no text": ({k: v for k, v in SEND.items() if k != "text"} | {"media": [{"id": "5"}]}, 7,
                          "bad_request", "$.media"),
    "a voice": (SEND | {"voice": {"media": "5", "duration_ms": 900}}, 7, "bad_request", "$.voice"),
    "neither text nor share": ({k: v for k, v in SEND.items() if k != "text"}, 7, "bad_request", "text: "),
    "a share of nothing known": (SEND | {"share": {"kind": "song", "id": "5"}}, 7, "bad_request", "$.share.kind"),
    "a share without an id": (SEND | {"share": {"kind": "post"}}, 7, "bad_request", "$.share"),
    "to be viewed once": (SEND | {"view_once": True}, 7, "bad_request", "$.view_once"),
    "a ciphertext": (SEND | {"ciphertext": "aGk="}, 7, "bad_request", "$.ciphertext"),
    "a ciphertext that is null": (SEND | {"ciphertext": None}, 7, "bad_request", "$.ciphertext"),
    "1,001 heads": ({"op": "sync", "id": 7, "since": 0, "heads": {str(i + 1): 1 for i in range(1_001)}}, 7,
                    "bad_request", "$.heads"),
    "a head of what is no id": ({"op": "sync", "id": 7, "since": 0, "heads": {"x": 1}}, 7, "bad_request", "$.heads"),
    "typing of an unknown kind": ({"op": "typing", "conversation": "5", "kind": "x" * 9_000}, 0,
                                  "bad_request", "typing"),
    "typing without a kind, with an id": ({"op": "typing", "id": 7, "conversation": "5"}, 0, "bad_request", "typing"),
    "an ack without epoch": ({"op": "ack", "u": 1}, 0, "bad_request", "ack"),
}  # fmt: skip


DEEP = 200_000


def json_with(field: bytes, value: bytes) -> bytes:
    return b'{"op":"message.read","id":7,"conversation":"5","c":3,"%b":%b}' % (field, value)


def msgpack_with(field: bytes, value: bytes) -> bytes:
    return b"\x85" + packed(MSGPACK, READ)[1:] + bytes([0xA0 + len(field)]) + field + value


UNREADABLE: dict[str, tuple[Codec, bytes]] = {
    "nothing": (JSON, b""),
    "nothing, packed": (MSGPACK, b""),
    "a list": (JSON, b"[]"),
    "a list, packed": (MSGPACK, b"\x90"),
    "a number": (JSON, b"7"),
    "a number, packed": (MSGPACK, b"\x07"),
    "half a map": (JSON, packed(JSON, READ)[:-1]),
    "half a map, packed": (MSGPACK, packed(MSGPACK, READ)[:-1]),
    "a map and more": (JSON, packed(JSON, READ) + b"1"),
    "a map and more, packed": (MSGPACK, packed(MSGPACK, READ) + b"\x01"),
    "the other codec": (JSON, packed(MSGPACK, READ)),
    "the other codec, packed": (MSGPACK, packed(JSON, READ)),
    "a number as a key, packed": (MSGPACK, b"\x82\x01\x01\xa2id\x07"),
    "a map as a key, packed": (MSGPACK, b"\x82\xa2op\x81\x80\x01\xa2id\x07"),
    "a time out of range, packed": (MSGPACK, b"\x82\xa2op\xd7\xff" + b"\xff" * 8 + b"\xa2id\x07"),
    "an opcode that is none, packed": (MSGPACK, b"\x82\xa2op\xc1\xa2id\x07"),
    "a length of 4 GiB, packed": (MSGPACK, b"\x82\xa2op\xdb\xff\xff\xff\xffx"),
    "bad UTF-8": (JSON, packed(JSON, READ).replace(b"message", b"messag\xff")),
    "bad UTF-8 in the op, packed": (MSGPACK, b"\x82\xa2op\xa1\xff\xa2id\x07"),
    "deep nesting in an unknown key": (JSON, json_with(b"x", b"[" * DEEP + b"]" * DEEP)),
    "deep nesting in the op": (JSON, json_with(b"op", b"[" * DEEP + b"]" * DEEP)),
    "deep nesting in a field": (JSON, json_with(b"c", b'{"":' * DEEP + b"1" + b"}" * DEEP)),
    "deep nesting without an end": (JSON, b"[" * DEEP),
    "deep nesting in an unknown key, packed": (MSGPACK, msgpack_with(b"x", b"\x91" * DEEP + b"\xc0")),
    "deep nesting in the op, packed": (MSGPACK, msgpack_with(b"op", b"\x91" * DEEP + b"\xc0")),
    "deep nesting in a field, packed": (MSGPACK, msgpack_with(b"c", b"\x81\xa0" * DEEP + b"\xc0")),
    "deep nesting without an end, packed": (MSGPACK, b"\x91" * DEEP),
    "5,000 digits as the id": (JSON, json_with(b"id", b"9" * 5_000)),
    "5,000 digits below zero as the id": (JSON, json_with(b"id", b"-" + b"9" * 5_000)),
    "NaN as the id": (JSON, json_with(b"id", b"NaN")),
}


HALF_READABLE: dict[str, tuple[Codec, bytes]] = {
    "5,000 digits": (JSON, json_with(b"c", b"9" * 5_000)),
    "NaN": (JSON, json_with(b"c", b"NaN")),
    "NaN in an unknown key": (JSON, json_with(b"x", b"NaN")),
    "infinity": (JSON, json_with(b"c", b"-Infinity")),
    "infinity, packed": (MSGPACK, msgpack_with(b"c", b"\xcb\x7f\xf0" + b"\0" * 6)),
    "NaN, packed": (MSGPACK, msgpack_with(b"c", b"\xcb\x7f\xf8" + b"\0" * 6)),
    "bytes as text, packed": (MSGPACK, msgpack_with(b"conversation", b"\xc4\x015")),
    "an extension, packed": (MSGPACK, msgpack_with(b"c", b"\xd4\x05\x00")),
    "bad UTF-8, packed": (MSGPACK, msgpack_with(b"conversation", b"\xa1\xff")),
    "half of a surrogate pair": (JSON, json_with(b"conversation", rb'"\ud83d"')),
    "the other half": (JSON, json_with(b"conversation", rb'"\ude00"')),
    "half of a surrogate pair in an unknown key": (JSON, json_with(b"x", rb'"\ud83d"')),
    "half of a surrogate pair as an unknown key": (JSON, json_with(rb"\ud83d", b"1")),
    "UTF-8 of a surrogate, packed": (MSGPACK, msgpack_with(b"conversation", b"\xa3\xed\xa0\xbd")),
}
