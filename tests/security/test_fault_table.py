"""The fault table of docs/protocol.md §2, row by row: what is wrong, the answer, whether one may go on."""

import json
import re
from time import monotonic
from typing import Any

import msgpack
import pytest

from tests.security.raw import BINARY, TEXT, frame, greeted, hello, plain, upgraded
from tests.security.watch import Watched, request

EITHER_CODEC = pytest.mark.parametrize("binary", [True, False], ids=["msgpack", "json"])
PROTOCOL_ERROR = (4307, {"code": "protocol_error"})
BEFORE_HELLO, AFTER_HELLO = 4_096, 65_536

UNREADABLE: dict[str, Any] = {
    "a list": [1, 2],
    "a number": 7,
    "a text": "hello",
    "null": None,
    "an empty map": {},
    "no id": {"op": "conversation.list"},
    "id null": {"op": "conversation.list", "id": None},
    "id 0": {"op": "conversation.list", "id": 0},
    "id negative": {"op": "conversation.list", "id": -1},
    "id over 2^31": {"op": "conversation.list", "id": 2**31 + 1},
    "id of 64 bits": {"op": "conversation.list", "id": 2**64 - 1},
    "id a fraction": {"op": "conversation.list", "id": 1.5},
    "id a text": {"op": "conversation.list", "id": "2"},
    "id true": {"op": "conversation.list", "id": True},
    "id a list": {"op": "conversation.list", "id": [2]},
    "typing without a kind": {"op": "typing", "conversation": "1"},
    "ack without a position": {"op": "ack", "epoch": "e"},
}


@EITHER_CODEC
@pytest.mark.parametrize("attack", UNREADABLE)
async def test_what_is_no_map_or_names_no_request_is_answered_with_re_0_and_the_socket_stays(
    node: Watched, attack: str, binary: bool
) -> None:
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"], binary=binary) as peer:
        await peer.say(UNREADABLE[attack])
        reply = await peer.receive()
        assert (reply["re"], reply["err"]["code"]) == (0, "bad_request")
        assert "ok" in await peer.ask("conversation.list", 2)


@EITHER_CODEC
async def test_ten_unreadable_messages_in_a_minute_are_a_protocol_error(node: Watched, binary: bool) -> None:
    async with node.attacked(), greeted(node.port, node.person()["access_token"], binary=binary) as peer:
        for _ in range(9):
            await peer.say([])
            assert (await peer.receive())["re"] == 0
        assert "ok" in await peer.ask("conversation.list", 2)
        await peer.say([])
        assert await peer.closed() == PROTOCOL_ERROR


async def test_ten_unreadable_messages_before_hello_are_a_protocol_error_too(node: Watched) -> None:
    async with node.attacked(), upgraded(node.port) as peer:
        await peer.say(*[[]] * 10)
        assert [(await peer.receive())["re"] for _ in range(10)] == [0] * 10
        assert await peer.closed() == PROTOCOL_ERROR


@EITHER_CODEC
@pytest.mark.parametrize("op", ["", "conversation", "conversation.destroy", "MESSAGE.SEND", "op\x00", "🦆" * 100])
async def test_an_unknown_op_is_answered_so_and_the_socket_stays(node: Watched, op: str, binary: bool) -> None:
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"], binary=binary) as peer:
        err = (await peer.ask(op, 2))["err"]
        assert err["code"] == "unknown_op"
        assert err["message"].startswith("op: ")
        assert "ok" in await peer.ask("conversation.list", 3)


@EITHER_CODEC
@pytest.mark.parametrize(
    ("field", "request_"),
    [
        ("conversation", {"op": "conversation.get"}),
        ("conversation", {"op": "conversation.get", "conversation": 7}),
        ("text", {"op": "message.send", "conversation": "1", "cid": "c"}),
        ("text", {"op": "message.send", "conversation": "1", "cid": "c", "text": ""}),
        ("text", {"op": "message.send", "conversation": "1", "cid": "c", "text": "x" * 4_001}),
        ("cid", {"op": "message.send", "conversation": "1", "cid": "c" * 65, "text": "x"}),
        ("media", {"op": "message.send", "conversation": "1", "cid": "c", "text": "x", "media": [{"id": "1"}]}),
        ("view_once", {"op": "message.send", "conversation": "1", "cid": "c", "text": "x", "view_once": True}),
        ("limit", {"op": "message.history", "conversation": "1", "limit": 101}),
        ("folder", {"op": "conversation.list", "folder": "spam"}),
        ("heads", {"op": "sync", "since": 0}),
        ("heads", {"op": "sync", "since": 0, "heads": {str(i): 0 for i in range(1, 1_002)}}),
        ("op", {"op": 7}),
        ("op", {}),
    ],
)
async def test_a_wrong_or_missing_field_is_named_and_the_socket_stays(
    node: Watched, field: str, request_: dict[str, Any], binary: bool
) -> None:
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"], binary=binary) as peer:
        await peer.say({"id": 2, **request_})
        err = (await peer.reply(2))["err"]
        assert err["code"] == "bad_request"
        assert re.search(rf"\b{field}\b", err["message"]), err
        assert "ok" in await peer.ask("conversation.list", 3)


async def test_an_id_that_is_still_in_flight_is_refused_and_the_first_request_still_answered(node: Watched) -> None:
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"]) as peer:
        await peer.say({"op": "conversation.list", "id": 2}, {"op": "conversation.list", "id": 2})
        first, second = await peer.reply(2), await peer.reply(2)
        assert first["err"]["code"] == "bad_request"
        assert first["err"]["message"].startswith("id: ")
        assert second["ok"] == {"items": []}
        assert "ok" in await peer.ask("conversation.list", 2)


@EITHER_CODEC
@pytest.mark.parametrize(
    "first",
    [
        {"op": "conversation.list", "id": 1},
        {"op": "message.send", "id": 1, "conversation": "1", "cid": "c", "text": "secret"},
        {"op": "typing", "conversation": "1", "kind": "text"},
        {"op": "ack", "epoch": "e", "u": 1},
    ],
    ids=lambda first: first["op"],
)
async def test_a_first_request_that_is_not_hello_ends_the_connection(
    node: Watched, first: dict[str, Any], binary: bool
) -> None:
    async with node.attacked(), upgraded(node.port, binary=binary) as peer:
        await peer.say(first)
        assert await peer.frame() == (8, (4307).to_bytes(2) + b'{"code":"protocol_error"}')


@pytest.mark.parametrize(
    ("field", "first"),
    [
        ("op", {"op": "conversation.destroy", "id": 1}),
        ("token", {"op": "hello", "id": 1, "device": {"id": "d", "platform": "p", "app": "a"}}),
        ("token", {**hello("x"), "token": 7}),
        ("device", {"op": "hello", "id": 1, "token": "secret"}),
        ("id", {**hello("x"), "device": {"platform": "p", "app": "a"}}),
        ("resume", {**hello("x"), "resume": {"epoch": "e", "u": -1}}),
    ],
)
async def test_a_first_request_that_cannot_be_carried_out_is_told_why_before_the_connection_ends(
    node: Watched, field: str, first: dict[str, Any]
) -> None:
    async with node.attacked(), upgraded(node.port) as peer:
        await peer.say(first)
        err = (await peer.receive())["err"]
        assert err["code"] in ("bad_request", "unknown_op")
        assert re.search(rf"\b{field}\b", err["message"]), err
        assert await peer.closed() == PROTOCOL_ERROR


async def test_a_second_hello_ends_the_connection(node: Watched) -> None:
    token = node.person()["access_token"]
    async with node.attacked(), greeted(node.port, token) as peer:
        await peer.say(hello(token) | {"id": 2})
        assert await peer.closed() == PROTOCOL_ERROR


async def test_a_second_hello_before_the_first_is_answered_ends_the_connection(node: Watched) -> None:
    token = node.person()["access_token"]
    async with node.attacked(), upgraded(node.port) as peer:
        await peer.say(hello(token), hello(token) | {"id": 2})
        assert await peer.closed() == PROTOCOL_ERROR


async def test_a_request_refused_before_hello_was_answered_does_not_end_the_connection(node: Watched) -> None:
    token = node.person()["access_token"]
    absent = {"op": "message.send", "id": 2, "conversation": "1", "cid": "c", "text": "t"}
    async with node.attacked(logs=0), upgraded(node.port) as peer:
        await peer.say(hello(token), absent, {"op": "conversation.open", "id": 3, "user": "7"})
        replies = {reply["re"]: reply for reply in [await peer.receive() for _ in range(4)] if "re" in reply}
        assert "ok" in replies[1]
        assert replies[2]["err"]["code"] == replies[3]["err"]["code"] == "not_found"
        assert "ok" in await peer.ask("conversation.list", 4)


def _forgeries(node: Watched) -> dict[str, str]:
    person = node.person()
    token = person["access_token"]
    start, payload, _signature = token.split(".")
    none = {"alg": "none", "typ": "JWT"}
    return {
        "nothing": "",
        "no token": "secret",
        "dots": "..",
        "alg none": node.forge(person, header=none).rpartition(".")[0] + ".",
        "alg none with our kid": node.forge(person, header=none | {"kid": "k1"}),
        "alg None": node.forge(person, header={"alg": "None", "kid": "k1"}),
        "another algorithm": node.forge(person, header={"alg": "HS512", "kid": "k1"}),
        "another key": node.forge(person, secret=b"k" * 32),
        "an empty key": node.forge(person, secret=b""),
        "an unknown kid": node.forge(person, header={"alg": "HS256", "kid": "k9"}),
        "no kid": node.forge(person, header={"alg": "HS256"}),
        "a kid that is a path": node.forge(person, header={"alg": "HS256", "kid": "../../../dev/null"}, secret=b""),
        "a key of its own": node.forge(person, header={"alg": "HS256", "jwk": {"kty": "oct", "k": "a2s"}}),
        "a critical extension": node.forge(person, header={"alg": "HS256", "kid": "k1", "crit": ["x"], "x": 1}),
        "no signature": f"{start}.{payload}.",
        "a signature cut short": token[:-2],
        "another user's signature": f"{start}.{payload}.{node.person()['access_token'].split('.')[2]}",
        "a subject that is no id": node.forge(person, sub="0 or 1=1"),
        "no login": node.forge(person, lid=None),
        "an expiry that is a text": node.forge(person, exp="never"),
        "an expiry that is no number": node.forge(person, exp=float("nan")),
        "a space in front": " " + token,
        "NUL after it": token + "\0",
        "3,000 characters": "e" * 3_000,
        "letters outside ASCII": "é" * 100,
    }


async def test_the_forger_makes_good_tokens_when_it_changes_nothing(node: Watched) -> None:
    async with node.attacked(logs=0), greeted(node.port, node.forge(node.person())):
        pass


async def test_a_bad_token_is_unauthenticated_and_ends_the_connection(node: Watched) -> None:
    forgeries = _forgeries(node)
    for name, token in forgeries.items():
        async with node.attacked(), upgraded(node.port) as peer:
            await peer.say(hello(token))
            assert (await peer.receive())["err"]["code"] == "unauthenticated", name
            assert await peer.closed() == (4303, {"code": "authentication_failed"}), name
    assert len(forgeries) == 25


@EITHER_CODEC
async def test_an_expired_token_is_unauthenticated_with_a_code_that_asks_for_a_fresh_one(
    node: Watched, binary: bool
) -> None:
    async with node.attacked(), upgraded(node.port, binary=binary) as peer:
        await peer.say(hello(node.expired(node.person())))
        assert (await peer.receive())["err"]["code"] == "unauthenticated"
        assert await peer.closed() == (4205, {"code": "token_expired"})


async def test_a_revoked_login_ends_live_sockets_and_its_token_is_bad_from_then_on(node: Watched) -> None:
    """Within a second. The least of three: whatever else the machine does only adds to it."""
    took = []
    async with node.attacked(logs=6), plain(node.port) as web:
        for name in ("revoked.soon", "revoked.too", "revoked.last"):
            _, signed_in = await request(web, "POST", "/v1/accounts", {"username": name, "password": "correct horse"})
            token = signed_in["access_token"]
            async with greeted(node.port, token) as peer:
                began = monotonic()
                assert (await request(web, "DELETE", "/v1/logins/current", token=token))[0] in (200, 204)
                assert await peer.closed() == (4304, {"code": "revoked"})
                took.append(monotonic() - began)
            async with upgraded(node.port) as peer:
                await peer.say(hello(token))
                assert (await peer.receive())["err"]["code"] == "unauthenticated"
                assert await peer.closed() == (4303, {"code": "authentication_failed"})
    assert min(took) < 1


@pytest.mark.parametrize("said", [b"", frame(BINARY, b"hello")[:4]], ids=["nothing", "half a frame"])
async def test_no_hello_in_time_fails_the_authentication(tight: Watched, said: bytes) -> None:
    async with tight.attacked(), upgraded(tight.port) as peer:
        await peer.send(said)
        assert await peer.closed() == (4303, {"code": "authentication_failed"})


@EITHER_CODEC
async def test_a_message_may_have_4_kib_before_hello_is_answered_and_no_more(node: Watched, binary: bool) -> None:
    greeting = hello(node.person()["access_token"])
    async with node.attacked(logs=0), upgraded(node.port, binary=binary) as peer:
        await peer.say(_padded(peer.message, greeting, BEFORE_HELLO))
        assert "ok" in await peer.reply(1)
    async with node.attacked(), upgraded(node.port, binary=binary) as peer:
        await peer.say(_padded(peer.message, greeting, BEFORE_HELLO + 1))
        assert (await peer.closed())[0] == 1009


@EITHER_CODEC
async def test_a_message_may_have_64_kib_after_hello_and_no_more(node: Watched, binary: bool) -> None:
    listing = {"op": "conversation.list", "id": 2}
    async with node.attacked(), greeted(node.port, node.person()["access_token"], binary=binary) as peer:
        await peer.say(_padded(peer.message, listing, AFTER_HELLO))
        assert "ok" in await peer.reply(2)
        await peer.say(_padded(peer.message, listing, AFTER_HELLO + 1))
        status, reason = await peer.closed()
        assert (status, reason["code"]) == (1009, "too_large")


async def test_who_goes_on_sending_a_message_that_is_too_large_still_reads_why(node: Watched) -> None:
    async with node.attacked(), greeted(node.port, node.person()["access_token"]) as peer:
        announced = bytes((0x82, 0xFF)) + (1 << 40).to_bytes(8) + b"mask"
        await peer.send(announced)
        for _ in range(50):
            await peer.send(b"x" * 10_000)
        assert (await peer.closed())[0] == 1009


@pytest.mark.parametrize(
    "text",
    [b'{"op":"\xff"}', b"\xc3\x28", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xe2\x82"],
    ids=["0xff", "no continuation", "surrogate", "beyond Unicode", "overlong", "cut off"],
)
async def test_text_that_is_not_utf_8_ends_the_connection(node: Watched, text: bytes) -> None:
    async with node.attacked(), greeted(node.port, node.person()["access_token"], binary=False) as peer:
        await peer.send(frame(TEXT, text))
        status, reason = await peer.closed()
        assert (status, reason["code"]) == (1007, "protocol_error")


@EITHER_CODEC
async def test_a_message_of_the_other_opcode_ends_the_connection(node: Watched, binary: bool) -> None:
    async with node.attacked(), greeted(node.port, node.person()["access_token"], binary=binary) as peer:
        await peer.send(frame(TEXT if binary else BINARY, b"{}"))
        assert (await peer.closed())[0] == 1003


def _padded(encode: Any, message: dict[str, Any], size: int) -> bytes:
    """The message's own bytes, with an unknown key that makes them exactly `size` many."""
    pack: Any = msgpack.packb if encode({})[0] & 0xF == BINARY else lambda value: json.dumps(value).encode()
    room = size - len(pack(message | {"pad": ""}))
    while len(octets := pack(message | {"pad": "x" * room})) != size:
        room -= len(octets) - size
    return bytes(octets)
