"""Messages made to break whoever reads them: each is refused by name, and the socket and the node serve on."""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgpack
import pytest

from tests.security.raw import BINARY, TEXT, frame, greeted, hello, upgraded
from tests.security.watch import Watched

# Every field of every op, with a value that it takes.
FIELDS: dict[str, dict[str, Any]] = {
    "sync": {"heads": {}, "since": 0, "only": False, "cursor": "x"},
    "background": {"on": True},
    "conversation.open": {"user": "1"},
    "conversation.create": {"cid": "c", "members": [], "title": "t"},
    "conversation.get": {"conversation": "1"},
    "conversation.list": {"folder": "inbox", "before": "x", "limit": 1},
    "conversation.settings": {
        "conversation": "1",
        "mute_until": 0,
        "pinned": True,
        "archived": True,
        "send_receipts": True,
        "draft": "d",
    },
    "conversation.receipts": {"conversation": "1"},
    "message.send": {"conversation": "1", "cid": "c", "text": "t", "after": "b", "reply_to": 1, "mentions": []},
    "message.history": {"conversation": "1", "after": 0, "before": 1, "limit": 1},
    "message.read": {"conversation": "1", "c": 1},
    "presence.watch": {"users": [], "conversation": "1"},
    "presence.set": {"visible": True},
}
DIGITS = "9" * 5_000
IN_JSON = {
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "5,000 digits": DIGITS,
    "-5,000 digits": "-" + DIGITS,
    "5,000 digits and a point": f"{DIGITS}.5",
    "an exponent beyond all": "1e999999",
    "a fraction": "0.5",
    "a lone surrogate": r'"\ud800"',
    "surrogates the wrong way round": r'"\udc00\ud800"',
    "NUL": r'"\u0000"',
    "NUL inside": r'"1\u00001"',
    "a newline after": r'"1\n"',
    "null": "null",
    "a list of nulls": "[null]",
    "a list in a list": "[[]]",
    "a map with a NUL": r'{"\u0000":1}',
    "nested 20,000 deep": "[" * 20_000 + "]" * 20_000,
    "maps 10,000 deep": '{"a":' * 10_000 + "1" + "}" * 10_000,
}
IN_MSGPACK = {
    "bad UTF-8": b"\xa4\xff\xfe\xc3\x28",
    "a surrogate in UTF-8": b"\xa3\xed\xa0\x80",
    "NUL": b"\xa1\0",
    "bytes": b"\xc4\x01x",
    "NaN": b"\xcb\x7f\xf8\0\0\0\0\0\0",
    "infinity": b"\xca\x7f\x80\0\0",
    "2^64 - 1": b"\xcf" + b"\xff" * 8,
    "-2^63": b"\xd3\x80" + b"\0" * 7,
    "nil": b"\xc0",
    "a list of nils": b"\x91\xc0",
    "an extension": b"\xd4\x05x",
    "a time of the year 2^34": b"\xd7\xff" + b"\xff" * 8,
    "a map with keys of all kinds": b"\x83\xc0\x01\xc3\x02\x90\x03",
    "nested 20,000 deep": b"\x91" * 20_000 + b"\xc0",
    "maps 20,000 deep": b"\x81\xa1a" * 20_000 + b"\xc0",
}


TAKEN = {(field, "a newline after") for field in ("text", "draft", "title", "cid", "after")}
UNREADABLE = {"nested 20,000 deep", "maps 20,000 deep", "maps 10,000 deep"}


def attacks(op: str, field: str, binary: bool) -> Iterator[tuple[str, bytes]]:
    """Requests that are right but for this field, without their ids: the wrong value's name, and the entries."""
    pack: Any = msgpack.packb if binary else lambda value: json.dumps(value).encode()
    entries = {"op": pack(op), **{name: pack(value) for name, value in FIELDS[op].items()}}
    for name, value in (IN_MSGPACK if binary else {name: text.encode() for name, text in IN_JSON.items()}).items():
        if (field, name) not in TAKEN:
            written = [(pack(key), octets) for key, octets in {**entries, field: value}.items()]
            yield name, b"".join(k + v for k, v in written) if binary else b",".join(k + b":" + v for k, v in written)


EITHER_CODEC = pytest.mark.parametrize("binary", [True, False], ids=["msgpack", "json"])


@EITHER_CODEC
@pytest.mark.parametrize(("op", "field"), [(op, field) for op, fields in FIELDS.items() for field in fields])
async def test_a_value_that_a_field_does_not_take_is_a_bad_request_that_names_it_and_the_socket_stays(
    node: Watched, op: str, field: str, binary: bool
) -> None:
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"], binary=binary) as peer:
        for id, (name, entries) in enumerate(attacks(op, field, binary), 2):
            await peer.send(_framed(binary, id, len(FIELDS[op]), entries))
            reply = await peer.receive()
            assert reply["err"]["code"] == "bad_request", name
            assert reply["re"] == (0 if name in UNREADABLE else id), name
            assert name in UNREADABLE or re.search(rf"\b{field}\b", reply["err"]["message"]), (name, reply)
        assert "ok" in await peer.ask("conversation.list", 100)


def _framed(binary: bool, id: int, fields: int, entries: bytes) -> bytes:
    if binary:
        return frame(BINARY, bytes((0x80 + fields + 2,)) + msgpack.packb("id") + bytes((id,)) + entries)
    return frame(TEXT, b'{"id":%d,%b}' % (id, entries))


WHOLE_MESSAGES = {
    "nothing in JSON": (False, b""),
    "a brace": (False, b"{"),
    "two documents": (False, b"{} {}"),
    "a byte order mark": (False, b'\xef\xbb\xbf{"op":"conversation.list","id":2}'),
    "60,000 brackets": (False, b"[" * 60_000),
    "30,000 lists in a list": (False, b"[" * 30_000 + b"]" * 30_000),
    "a map that ends too soon": (False, b'{"op":"conversation.list","id":2'),
    "single quotes": (False, b"{'op':'conversation.list','id':2}"),
    "nothing in MessagePack": (True, b""),
    "a map without its entries": (True, b"\x82\xa2op"),
    "a map of 2^32 entries": (True, b"\xdf\xff\xff\xff\xff\xa2op"),
    "a list of 2^32 entries": (True, b"\xdd\xff\xff\xff\xff"),
    "a text of 2^32 bytes": (True, b"\x81\xa2op\xdb\xff\xff\xff\xff"),
    "bytes of 2^32 bytes": (True, b"\x81\xa2op\xc6\xff\xff\xff\xff"),
    "a type that does not exist": (True, b"\xc1"),
    "60,000 lists": (True, b"\x91" * 60_000),
    "60,000 lists with an end": (True, b"\x91" * 60_000 + b"\xc0"),
    "bad UTF-8 for an op": (True, b"\x82\xa2id\x02\xa2op\xa2\xff\xfe"),
    "bad UTF-8 for keys": (True, b"\x82\xa2\xff\xfe\x02\xa2op\xa4sync"),
    "JSON": (True, b'{"op":"conversation.list","id":2}'),
}


@pytest.mark.parametrize("attack", WHOLE_MESSAGES)
async def test_a_message_that_is_no_map_is_a_bad_request_and_the_socket_stays(node: Watched, attack: str) -> None:
    binary, octets = WHOLE_MESSAGES[attack]
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"], binary=binary) as peer:
        await peer.send(frame(BINARY if binary else TEXT, octets))
        reply = await peer.receive()
        assert (reply["re"], reply["err"]["code"]) == (0, "bad_request")
        assert "ok" in await peer.ask("conversation.list", 2)


@EITHER_CODEC
async def test_nesting_200_000_deep_is_larger_than_a_message_may_be(node: Watched, binary: bool) -> None:
    async with node.attacked(), greeted(node.port, node.person()["access_token"], binary=binary) as peer:
        await peer.send(frame(BINARY if binary else TEXT, (b"\x91" if binary else b"[") * 200_000))
        assert (await peer.closed())[0] == 1009


async def test_nested_messages_by_the_dozen_end_the_connection_and_nothing_else(node: Watched) -> None:
    async with node.attacked(), greeted(node.port, node.person()["access_token"]) as peer:
        for _ in range(12):
            peer.write(frame(BINARY, b"\x91" * 60_000))
        assert (await peer.closed())[0] == 4307


@EITHER_CODEC
async def test_a_hello_with_values_that_its_fields_do_not_take_is_refused_by_name(node: Watched, binary: bool) -> None:
    wrong: tuple[tuple[str, Any], ...] = (
        ("token", 7),
        ("token", "x" * 3_001),
        ("device", {"id": "", "platform": "p", "app": "a"}),
        ("device", {"id": "a\0", "platform": "p", "app": "a"}),
        ("device", {"id": "d" * 129, "platform": "p", "app": "a"}),
        ("device", {"id": "d", "platform": "p" * 33, "app": "a"}),
        ("device", {"id": "d", "platform": "p", "app": "\0"}),
        ("resume", {"epoch": "e" * 65, "u": 0}),
        ("resume", {"epoch": "e", "u": 2**53 + 1}),
        ("snapshot", None),
        ("background", 1),
    )
    for field, value in wrong:
        async with node.attacked(), upgraded(node.port, binary=binary) as peer:
            await peer.say(hello("secret") | {field: value})
            err = (await peer.receive())["err"]
            assert (err["code"], field in err["message"]) == ("bad_request", True), err
            assert (await peer.closed())[0] == 4307


@EITHER_CODEC
async def test_unknown_keys_and_repeated_keys_are_no_attack(node: Watched, binary: bool) -> None:
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"], binary=binary) as peer:
        assert "ok" in await peer.ask("conversation.list", 2, **{f"unknown {i}": [i] for i in range(1_000)})
        twice = msgpack.packb("id") + b"\x01" if binary else b'"id":1'
        op = msgpack.packb("op") + msgpack.packb("conversation.list") if binary else b',"op":"conversation.list"'
        await peer.send(_framed(binary, 3, 1, twice + op))
        assert "ok" in await peer.reply(1)
