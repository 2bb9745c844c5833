"""Frames that break RFC 6455, or keep to it and still cost more than they should."""

import json

import pytest

from tests.security.raw import BINARY, CLOSE, PING, PONG, TEXT, frame, greeted, hello, upgraded
from tests.security.watch import Watched

LISTING = json.dumps({"op": "conversation.list", "id": 2}).encode()

FAULTS = {
    "RSV1": (frame(TEXT, LISTING, reserved=0x40), 1002),
    "RSV2": (frame(TEXT, LISTING, reserved=0x20), 1002),
    "RSV3": (frame(TEXT, LISTING, reserved=0x10), 1002),
    "RSV1 on a ping": (frame(PING, reserved=0x40), 1002),
    **{f"opcode {opcode:#x}": (frame(opcode, b"x"), 1002) for opcode in (*range(3, 8), *range(11, 16))},
    "not masked": (frame(TEXT, LISTING, masked=False), 1002),
    "not masked and empty": (frame(TEXT, masked=False), 1002),
    "ping not masked": (frame(PING, masked=False), 1002),
    "close not masked": (frame(CLOSE, (1000).to_bytes(2), masked=False), 1002),
    "ping in fragments": (frame(PING, final=False), 1002),
    "ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "close of 126 bytes": (frame(CLOSE, (1000).to_bytes(2) + b"x" * 124), 1002),
    "close of one byte": (frame(CLOSE, b"x"), 1002),
    **{
        f"close with {code}": (frame(CLOSE, code.to_bytes(2)), 1002) for code in (0, 999, 1005, 1006, 1015, 2999, 65535)
    },
    "close with a reason that is not UTF-8": (frame(CLOSE, (1000).to_bytes(2) + b"\xff"), 1007),
    "nothing to continue": (frame(0, LISTING), 1002),
    "a message within a message": (frame(TEXT, b"{", final=False) + frame(TEXT, b"}"), 1002),
    "16 bits for a short length": (frame(TEXT, LISTING, width=2), 1002),
    "64 bits for a short length": (frame(TEXT, LISTING, width=8), 1002),
    "64 bits for a middle length": (frame(TEXT, b" " * 300, width=8), 1002),
    "top bit of the length": (bytes((0x81, 0xFF)) + (1 << 63).to_bytes(8) + b"mask", 1002),
    "binary": (frame(BINARY, b"\x80"), 1003),
    "text begun that is not UTF-8": (frame(TEXT, b"\xff", final=False), 1007),
    "endless empty fragments": (frame(TEXT, final=False) + frame(0, final=False) * 2_000, 1008),
    "endless fragments of a byte": (frame(TEXT, b" ", final=False) + frame(0, b" ", final=False) * 2_000, 1008),
    "a terabyte announced": (bytes((0x81, 0xFF)) + (1 << 40).to_bytes(8) + b"mask", 1009),
    "fragments that add up": (frame(TEXT, b" " * 40_000, final=False) + frame(0, b" " * 40_000), 1009),
}


@pytest.mark.parametrize("attack", FAULTS)
async def test_a_frame_that_breaks_the_protocol_ends_the_connection(node: Watched, attack: str) -> None:
    octets, status = FAULTS[attack]
    async with node.attacked(), greeted(node.port, node.person()["access_token"], binary=False) as peer:
        await peer.send(octets)
        got, reason = await peer.closed()
        assert got == status
        assert reason["code"] == ("too_large" if status == 1009 else "protocol_error")


async def test_a_frame_that_breaks_the_protocol_before_hello_ends_the_connection_too(node: Watched) -> None:
    async with node.attacked(), upgraded(node.port) as peer:
        await peer.send(frame(BINARY, b"x", masked=False))
        assert (await peer.closed())[0] == 1002


async def test_after_a_fault_nothing_more_of_the_same_packet_is_carried_out(node: Watched) -> None:
    ada, ben = node.person(), node.person()
    async with (
        greeted(node.port, ben["access_token"]) as b,
        node.attacked(),
        greeted(node.port, ada["access_token"]) as a,
    ):
        opened = await a.ask("conversation.open", 2, user=ben["user"])
        send = {"op": "message.send", "id": 3, "conversation": opened["ok"]["conversation"]["id"], "text": "secret"}
        await a.send(
            a.message(send | {"cid": "before"})
            + frame(BINARY, b"x", masked=False)
            + a.message(send | {"id": 4, "cid": "after"})
        )
        assert (await a.closed())[0] == 1002
        assert (await b.receive())["cid"] == "before"
        history = await b.ask("message.history", 2, conversation=send["conversation"])
        assert [event["cid"] for event in history["ok"]["events"]] == ["before"]


async def test_fragments_with_pings_between_them_are_one_message(node: Watched) -> None:
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"], binary=False) as peer:
        for byte in LISTING[:-1]:
            await peer.send(frame(0 if byte != LISTING[0] else TEXT, bytes([byte]), final=False) + frame(PING, b"?"))
            assert await peer.frame() == (PONG, b"?")
        await peer.send(frame(0, LISTING[-1:]))
        assert "ok" in await peer.reply(2)


@pytest.mark.parametrize("binary", [True, False], ids=["msgpack", "json"])
async def test_a_session_byte_by_byte_is_as_good_as_any(node: Watched, binary: bool) -> None:
    async with node.attacked(logs=0), upgraded(node.port, binary=binary) as peer:
        for byte in peer.message(hello(node.person()["access_token"])):
            await peer.send(bytes([byte]))
        assert "ok" in await peer.reply(1)
        for byte in peer.message({"op": "nothing", "id": 2, "x": "é" * 200}):
            await peer.send(bytes([byte]))
        assert (await peer.reply(2))["err"]["code"] == "unknown_op"
        for byte in frame(PING, b"!"):
            await peer.send(bytes([byte]))
        assert await peer.frame() == (PONG, b"!")


async def test_a_ping_flood_by_a_client_that_does_not_read_costs_no_memory(node: Watched) -> None:
    before = node.resident()
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"], receive_buffer=4_096) as peer:
        flood = frame(PING, b"x" * 125) * 8_000
        for _ in range(4):
            peer.write(flood)
        async with greeted(node.port, node.person()["access_token"]) as other:
            for id in range(2, 102):
                assert "ok" in await other.ask("conversation.list", id)
        assert node.resident() < before + 8_000_000


async def test_a_flood_of_pings_that_are_read_is_answered_to_the_last(node: Watched) -> None:
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"]) as peer:
        for number in range(200):
            await peer.send(b"".join(frame(PING, f"{number}.{part}".encode()) for part in range(16)))
            for part in range(16):
                assert await peer.frame() == (PONG, f"{number}.{part}".encode())
