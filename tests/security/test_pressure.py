"""Who asks for too much, or is too slow to say anything: limits and deadlines, on a clock that the test moves."""

import asyncio
import contextlib
import itertools
from typing import Any

import pytest
from structlog.testing import capture_logs

from persistence.conversations.database import Point
from server.tokens import Caller
from tests.security.raw import BINARY, CLOSE, Raw, frame, greeted, head, hello, plain, upgraded
from tests.security.timed import timed

TEXT = "secret " * 500
RECEIVE_BUFFER = 4_096


class Stuck:
    """A store whose statements of one name wait until it is let go."""

    def __init__(self, statement: str) -> None:
        self._statement = statement
        self.go = asyncio.Event()

    async def __call__(self, statement: str, point: Point) -> None:
        if statement == self._statement and point == "before":
            await self.go.wait()


async def open_conversation(peer: Raw, user: str) -> str:
    opened = await peer.ask("conversation.open", 1_000, user=user)
    return str(opened["ok"]["conversation"]["id"])


async def talk(peer: Raw, conversation: str, count: int, start: int = 0) -> None:
    """`count` messages, each acked before the next one is sent."""
    for number in range(start, start + count):
        send = {"conversation": conversation, "cid": f"cid-{number}", "text": TEXT}
        assert "ok" in await peer.ask("message.send", 2_000 + number, **send)


# -- deadlines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [b"", frame(BINARY, b"hello")[:4]], ids=["nothing", "half a frame"])
async def test_no_hello_in_ten_seconds_fails_the_authentication(said: bytes) -> None:
    async with timed() as node, upgraded(node.port) as peer:
        await peer.send(said)
        await node.clock.pass_(9)
        assert len(node.gateway) == 1
        await node.clock.pass_(2)
        assert await peer.closed() == (4303, {"code": "authentication_failed"})
    assert len(node.gateway) == 0


async def test_a_handshake_that_is_not_done_in_ten_seconds_is_cut_off() -> None:
    async with timed() as node, plain(node.port) as peer:
        for byte in head()[:9]:
            await peer.send(bytes([byte]))
            await node.clock.pass_(1)
        await node.clock.pass_(2)
        await peer.gone()


async def test_an_http_header_that_trickles_in_is_cut_off_after_ten_seconds() -> None:
    async with timed() as node, plain(node.port) as peer:
        for byte in b"GET /v1/me":
            await peer.send(bytes([byte]))
            await node.clock.pass_(1)
        await node.clock.pass_(9)
        await peer.gone()


async def test_a_frame_at_one_byte_a_second_is_cut_off_after_twenty() -> None:
    async with timed() as node:
        _, token = await node.sign_up("ada")
        async with greeted(node.port, token) as peer:
            with capture_logs() as lines:
                for byte in frame(BINARY, b"x" * 100)[:22]:
                    await peer.send(bytes([byte]))
                    await node.clock.pass_(1)
                assert await peer.closed() == (1008, {"code": "slow_frame"})
    assert [(line["event"], line["status"]) for line in lines] == [("connection closed", 1008)]


async def test_fragments_that_trickle_in_between_pings_are_cut_off_too() -> None:
    async with timed() as node:
        _, token = await node.sign_up("ada")
        async with greeted(node.port, token) as peer:
            await peer.send(frame(BINARY, b"x", final=False))
            for _ in range(22):
                await peer.send(frame(9, b"?") + frame(0, b"x", final=False))
                await node.clock.pass_(1)
            assert (await peer.closed())[0] == 1008


async def test_requests_without_end_in_packets_that_never_end_with_one_are_no_slow_frame() -> None:
    async with timed() as node:
        _, token = await node.sign_up("ada")
        async with greeted(node.port, token) as peer:
            requests = [peer.message({"op": "background", "id": id, "on": False}) for id in range(2, 33)]
            await peer.send(requests[0][:5])
            for id, (this, following) in enumerate(itertools.pairwise(requests), 2):
                await peer.send(this[5:] + following[:5])
                assert "ok" in await peer.reply(id)
                await node.clock.pass_(1)


async def test_no_ack_ten_seconds_after_a_ping_ends_the_connection() -> None:
    async with timed(ping_ms=5_000) as node:
        _, token = await node.sign_up("ada")
        async with greeted(node.port, token) as silent, greeted(node.port, token, device="acks") as acking:
            # The first ping waits for the time that hello would have had.
            await node.clock.pass_(12)
            assert (await silent.receive())["ev"] == "ping"
            with capture_logs() as lines:
                for _ in range(15):
                    await acking.say({"op": "ack", "epoch": "epoch 0", "u": 0})
                    await node.clock.pass_(1)
                assert await silent.closed() == (4112, {"code": "no_ack"})
            assert [(line["event"], line["status"]) for line in lines] == [("connection closed", 4112)]
            assert "ok" in await acking.ask("conversation.list", 2)


async def test_who_asks_and_asks_but_never_acks_is_closed_all_the_same() -> None:
    async with timed(ping_ms=5_000) as node:
        _, token = await node.sign_up("ada")
        async with greeted(node.port, token) as peer:
            for id in range(2, 27):
                await peer.say({"op": "background", "id": id, "on": False})
                await node.clock.pass_(1)
            assert (await peer.closed())[0] == 4112


async def test_a_frame_that_never_goes_on_ends_with_the_next_ping() -> None:
    async with timed(ping_ms=5_000) as node:
        _, token = await node.sign_up("ada")
        async with greeted(node.port, token) as peer:
            await peer.send(frame(BINARY, b"x" * 100)[:50])
            await node.clock.pass_(25)
            assert (await peer.closed())[0] == 4112


@pytest.mark.parametrize("fault", ["close", "break"])
async def test_who_does_not_answer_a_close_is_cut_off_after_five_seconds(fault: str) -> None:
    async with timed() as node:
        _, token = await node.sign_up("ada")
        async with greeted(node.port, token) as peer:
            await peer.send(peer.message(hello(token) | {"id": 9}) if fault == "close" else frame(3))
            assert (await peer.frame())[0] == CLOSE
            await node.clock.pass_(3)
            assert len(node.gateway) == 1
            await node.clock.pass_(4)
            assert len(node.gateway) == 0
            await peer.gone()


class Broken:
    def tick(self, second: int) -> int:
        raise ValueError("a bug")


async def test_a_fault_in_one_connections_tick_stops_no_others_deadlines() -> None:
    async with timed() as node, upgraded(node.port) as peer:
        node.gateway.wheel.add(Broken(), node.gateway.wheel.after(1))
        with capture_logs() as lines:
            await node.clock.pass_(12)
            assert (await peer.closed())[0] == 4303
    assert [line["event"] for line in lines] == ["tick failed", "connection closed"]


async def test_a_bug_met_by_what_one_peer_says_ends_its_connection_with_a_code_and_no_other() -> None:
    def broken(token: str) -> Caller:
        raise ValueError("a bug")

    async with timed() as node, upgraded(node.port) as other, upgraded(node.port) as peer:
        _, token = await node.sign_up("ada")
        sound, node.gateway.verify = node.gateway.verify, broken
        with capture_logs() as lines:
            await peer.say(hello(token))
            assert await peer.closed() == (4100, {"code": "internal"})
        node.gateway.verify = sound
        await other.say(hello(token))
        assert "ok" in await other.reply(1)
    assert [line["event"] for line in lines] == ["connection failed", "connection closed"]


# -- rates -------------------------------------------------------------------------------------------------------------


async def test_requests_past_the_rate_are_refused_with_a_time_after_which_they_are_not() -> None:
    async with timed(requests_per_s=20, burst=200) as node:
        _, token = await node.sign_up("ada")
        async with greeted(node.port, token) as peer:
            for id in range(2, 202):
                assert "ok" in await peer.ask("background", id, on=False)
            err = (await peer.ask("background", 202, on=False))["err"]
            assert (err["code"], err["retry_ms"]) == ("rate_limited", 1_000)
            await node.clock.pass_(1)
            for id in range(203, 223):
                assert "ok" in await peer.ask("background", id, on=False)
            assert (await peer.ask("background", 223, on=False))["err"]["code"] == "rate_limited"


async def test_limits_are_told_in_hello() -> None:
    async with timed(requests_per_s=20, burst=200) as node:
        _, token = await node.sign_up("ada")
        async with upgraded(node.port) as peer:
            await peer.say(hello(token))
            limits = (await peer.reply(1))["ok"]["limits"]
    assert (limits["message_bytes"], limits["requests_per_s"], limits["burst"]) == (65_536, 20, 200)


@pytest.mark.parametrize("request_", [{"op": "ack", "epoch": "e", "u": 0}, {"op": "background", "id": 2, "on": False}])
async def test_a_storm_of_requests_ends_the_connection(request_: dict[str, Any]) -> None:
    async with timed(requests_per_s=20, burst=200) as node:
        _, token = await node.sign_up("ada")
        async with greeted(node.port, token) as peer:
            with capture_logs() as lines:
                await peer.say(*[request_] * 500)
                assert await peer.closed() == (4113, {"code": "rate"})
    assert [(line["event"], line["status"]) for line in lines] == [("connection closed", 4113)]


async def test_a_storm_is_one_too_when_it_takes_its_time() -> None:
    async with timed(requests_per_s=20, burst=200) as node:
        _, token = await node.sign_up("ada")
        async with greeted(node.port, token) as peer:
            for _ in range(12):
                await peer.say(*[{"op": "ack", "epoch": "e", "u": 0}] * 60)
                await node.clock.pass_(1)
            assert (await peer.closed())[0] == 4113


async def test_whoever_waits_as_told_after_a_breach_is_never_disconnected() -> None:
    async with timed(requests_per_s=20, burst=20) as node:
        _, token = await node.sign_up("ada")
        async with greeted(node.port, token) as peer:
            ids = itertools.count(2)
            for _ in range(30):
                while "ok" in await peer.ask("background", next(ids), on=False):
                    continue
                await peer.say({"op": "ack", "epoch": "epoch 0", "u": 0})
                await node.clock.pass_(1)
            assert "ok" in await peer.ask("background", next(ids), on=False)


async def test_typing_more_often_than_allowed_is_told_to_nobody() -> None:
    async with timed(typing_ms=3_000) as node:
        _, ada = await node.sign_up("ada")
        ben, token = await node.sign_up("ben")
        async with greeted(node.port, ada) as a, greeted(node.port, token) as b:
            conversation = await open_conversation(a, ben)
            typing = {"op": "typing", "conversation": conversation, "kind": "text"}
            await a.say(*[typing] * 50)
            await talk(a, conversation, 1)
            assert (await b.receive())["ev"] == "typing"
            assert (await b.receive())["ev"] == "message"
            await node.clock.pass_(3)
            await a.say(typing)
            assert (await b.receive())["ev"] == "typing"


async def test_more_than_128_requests_in_flight_are_refused_with_a_time() -> None:
    stuck = Stuck("activate")
    async with timed(stuck) as node:
        _, token = await node.sign_up("ada")
        async with greeted(node.port, token) as peer:
            sends = [
                {"op": "message.send", "conversation": "1", "cid": "c", "text": "t", "id": id} for id in range(2, 132)
            ]
            await peer.say(*sends)
            for id in (130, 131):
                err = (await peer.reply(id))["err"]
                assert (err["code"], err["retry_ms"]) == ("unavailable", 200)
            stuck.go.set()
            assert sorted([(await peer.receive())["re"] for _ in range(128)]) == list(range(2, 130))


async def test_a_full_mailbox_refuses_with_a_time_and_answers_the_others() -> None:
    stuck = Stuck("activate")
    async with timed(stuck) as node:
        ben, _ = await node.sign_up("ben")
        _, token = await node.sign_up("ada")
        peers = []
        async with contextlib.AsyncExitStack() as stack:
            for number in range(9):
                peers.append(await stack.enter_async_context(greeted(node.port, token, device=f"device {number}")))
            conversation = await open_conversation(peers[0], ben)
            send = {"op": "message.send", "conversation": conversation, "text": "t"}
            for peer, number in zip(peers, itertools.count(), strict=False):
                await peer.say(*({**send, "id": id, "cid": f"{number}.{id}"} for id in range(2, 130)))
            refused = [(await peers[8].receive())["err"] for _ in range(128)]
            assert {(err["code"], err["retry_ms"]) for err in refused} == {("unavailable", 1_000)}
            stuck.go.set()
            for peer in peers[:8]:
                replies: dict[int, Any] = {}
                while len(replies) < 128:
                    message = await peer.receive()
                    if "re" in message:
                        replies[message["re"]] = message
                assert all("ok" in reply for reply in replies.values())


async def test_a_node_with_too_many_actors_refuses_hello_with_a_time_and_says_that_it_is_overloaded() -> None:
    async with timed(actors=1) as node:
        _, ada = await node.sign_up("ada")
        _, ben = await node.sign_up("ben")
        async with greeted(node.port, ada) as first, upgraded(node.port) as second:
            await second.say(hello(ben))
            err = (await second.receive())["err"]
            assert (err["code"], err["retry_ms"]) == ("unavailable", 1_000)
            assert await second.closed() == (4103, {"code": "overloaded"})
            assert "ok" in await first.ask("conversation.list", 2)
