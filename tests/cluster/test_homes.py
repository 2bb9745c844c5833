"""Whatever node a client comes to, its session lives at the home of its user (docs/protocol.md §1)."""

import asyncio
import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed

from tests.cluster.homes import Homes, position, stays
from tests.security.raw import BINARY, CLOSE, Raw, frame, greeted, hello, upgraded
from tests.server.running import Installation
from tests.server.wire import Map, Wire, session
from tests.until import until
from tidings_client import Client, Message, Online

SETTINGS = {
    "GATEWAY__REQUESTS_PER_S": 5_000,
    "GATEWAY__BURST": 10_000,
    "GATEWAY__PING_MS": 1_000,
    "GATEWAY__HELLO_MS": 1_000,
}
EMOJI = "\N{GRINNING FACE}" * 4_000
MOVED_WITHIN_S = 2.0


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homes]:
    installation = Installation(tmp_path_factory.mktemp("homes"), SETTINGS, nodes=2).start()
    yield Homes(installation)
    installation.stop()


async def opened(wire: Wire, user: str) -> str:
    id: str = (await wire.ok("conversation.open", user=user))["conversation"]["id"]
    return id


async def say(wire: Wire, conversation: str, cid: str, text: str = "hello") -> int:
    c: int = (await wire.ok("message.send", conversation=conversation, cid=cid, text=text))["c"]
    return c


# -- who follows -------------------------------------------------------------------------------------------------------


async def test_who_follows_is_sent_home_without_an_answer_and_is_welcome_there(homes: Homes) -> None:
    async with upgraded(homes.port(1)) as peer:
        await peer.say(hello(homes.ben["access_token"], follow=True))
        opcode, payload = await peer.frame()
    assert (opcode, int.from_bytes(payload[:2])) == (CLOSE, 4002)
    assert len(payload) <= 125
    assert json.loads(payload[2:]) == {"code": "moved", "url": homes.url(2)}
    async with session(homes.url(2), homes.ben["access_token"], follow=True) as (wire, _):
        await stays(wire)


async def test_both_nodes_tell_the_same_route_to_whoever_has_a_token(homes: Homes) -> None:
    for person, node in ((homes.ada, 1), (homes.ben, 2)):
        for asked in (1, 2):
            assert route(homes, asked, person["access_token"]) == {
                "node": f"127.0.0.1:{homes.port(node)}",
                "url": homes.url(node),
            }
    for token in ("", "wrong"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            route(homes, 1, token)
        assert refused.value.status == 401
        refused.value.close()


def route(homes: Homes, asked: int, token: str) -> Map:
    url = f"http://127.0.0.1:{homes.port(asked)}/v1/socket/route"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        told: Map = json.load(answer)
    return told


async def test_the_sdk_goes_home_by_itself(homes: Homes) -> None:
    async with (
        asyncio.timeout(10),
        Client(homes.url(1), token=homes.ben["access_token"]) as ben,
        Client(homes.url(2), token=homes.ada["access_token"]) as ada,
    ):
        assert homes.figure(1, "tidings_relays") == homes.figure(2, "tidings_relays") == 0
        events = ada.events()
        while not isinstance(await anext(events), Online):
            continue
        conversation = (await ben.open(ada.user)).id
        await ben.send(conversation, "from the other node")
        while not isinstance(event := await anext(events), Message):
            continue
        assert event.text == "from the other node"


async def test_an_sdk_that_does_not_follow_is_relayed(homes: Homes) -> None:
    async with asyncio.timeout(10), Client(homes.url(1), token=homes.ben["access_token"], follow=False) as ben:
        assert homes.figure(1, "tidings_relays") == 1
        assert (await ben.open(homes.ada["user"])).id


# -- who does not ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("binary", [True, False], ids=["msgpack", "json"])
async def test_who_does_not_follow_is_served_from_its_home_all_the_same(homes: Homes, *, binary: bool) -> None:
    async with (
        session(homes.url(1), homes.ben["access_token"], binary=binary) as (b, welcome),
        session(homes.url(2), homes.ada["access_token"], binary=not binary) as (a, _),
    ):
        assert homes.figure(1, "tidings_relays") == homes.figure(2, "tidings_relays") == 1
        assert welcome["user"] == homes.ben["user"]
        for wire in (a, b):
            # What was delivered to the other one a moment ago may still be told.
            told = [event["ev"] for event in await wire.until_synced()]
            assert [name for name in told if name != "receipt"] == ["snapshot", "synced"]
        conversation = await opened(b, homes.ada["user"])
        c = await say(b, conversation, f"relayed {binary}")
        assert (await a.event("message"))["c"] == (await b.event("message"))["c"] == c


async def test_messages_of_any_size_go_both_ways(homes: Homes) -> None:
    async with session(homes.url(1), homes.ben["access_token"]) as (b, _):
        conversation = await opened(b, homes.ada["user"])
        for number in range(15):
            await say(b, conversation, f"large {number}", EMOJI)
        before = b.received
        history = await b.ok("message.history", conversation=conversation, limit=15)
        assert b.received - before > 200 * 1024
        assert {event["text"] for event in history["events"][-12:]} == {EMOJI}
        assert "ok" in await b.ask("conversation.list", folder="inbox", unknown="x" * 60 * 1024)


async def test_a_message_that_is_too_large_is_too_large_here_too(homes: Homes) -> None:
    async with session(homes.url(1), homes.ben["access_token"]) as (b, _):
        with pytest.raises(ConnectionClosed):
            await b.ask("conversation.list", folder="inbox", unknown="x" * 64 * 1024)
        assert b.socket.close_code == 1009


async def test_what_is_said_in_one_piece_with_hello_is_answered_after_it(homes: Homes) -> None:
    async with upgraded(homes.port(1)) as peer:
        asking = [{"op": "conversation.list", "id": id, "folder": "inbox"} for id in range(2, 40)]
        await peer.say(hello(homes.ben["access_token"]), *asking)
        answered: list[int] = []
        while len(answered) < 39:
            message = await peer.receive()
            answered += [message["re"]] if "re" in message else []
        assert answered[0] == 1
        assert sorted(answered) == list(range(1, 40))


async def test_bytes_that_come_one_at_a_time_make_messages(homes: Homes) -> None:
    async with upgraded(homes.port(1), binary=False) as peer:
        asking = peer.message(hello(homes.ben["access_token"]))
        asking += peer.message({"op": "conversation.list", "id": 2, "folder": "inbox"})
        for octet in asking:
            await peer.send(bytes((octet,)))
        assert "ok" in await peer.reply(1)
        assert "ok" in await peer.reply(2)


async def test_a_message_in_fragments_is_one_message(homes: Homes) -> None:
    async with greeted(homes.port(1), homes.ben["access_token"]) as peer:
        whole = peer.message({"op": "conversation.list", "id": 7, "folder": "inbox"})
        payload = unmasked(whole)
        await peer.send(frame(BINARY, payload[:3], final=False) + frame(0, b"", final=False) + frame(0, payload[3:]))
        assert "ok" in await peer.reply(7)


def unmasked(sent: bytes) -> bytes:
    mask = sent[2:6]
    return bytes(octet ^ mask[place & 3] for place, octet in enumerate(sent[6:]))


async def test_pings_of_the_home_come_through_and_so_do_their_acks(homes: Homes) -> None:
    async with session(homes.url(1), homes.ben["access_token"], device="pinged") as (b, welcome):
        ping = await b.event("ping")
        await b.send({"op": "ack", "epoch": welcome["epoch"], "u": ping["u"]})
        await (await b.socket.ping())
        await stays(b)


# -- the end -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("end", "outcome"), [("cut", "resumed"), ("goodbye", "resync")])
async def test_a_goodbye_is_one_at_home_and_a_cut_connection_is_not(homes: Homes, end: str, outcome: str) -> None:
    person = homes.person(2)
    async with session(homes.url(1), homes.ada["access_token"]) as (a, _):
        conversation = await opened(a, person["user"])
        async with session(homes.url(1), person["access_token"], device="only") as (b, welcome):
            await b.until_synced()
            if end == "cut":
                b.socket.transport.abort()
            else:
                await b.socket.close(1000)
        await until(lambda: homes.figure(2, "tidings_connections") == 0, blocks=True)
        c = await say(a, conversation, end)
        resume = position(welcome)
        async with session(homes.url(1), person["access_token"], device="only", resume=resume) as (b, again):
            assert again["outcome"] == outcome
            if outcome == "resumed":
                assert (await b.event("message"))["c"] == c


async def test_the_close_of_the_home_comes_through_and_nothing_after_it(homes: Homes) -> None:
    token = homes.ben["access_token"]
    async with (
        greeted(homes.port(1), token, device="phone") as old,
        session(homes.url(2), token, device="phone") as (wire, _),
    ):
        assert await last(old) == (4301, {"code": "superseded"})
        old.write(frame(CLOSE, b"\x10\xcd"))
        with pytest.raises(asyncio.IncompleteReadError) as end:
            await old.frame()
        assert end.value.partial == b""
        await stays(wire)
    await until(lambda: homes.figure(1, "tidings_relays") == 0, blocks=True)


async def test_who_reads_slowly_through_a_relay_costs_it_no_memory_and_is_closed_by_its_home(homes: Homes) -> None:
    ben = homes.person(2)
    async with (
        session(homes.url(1), homes.ada["access_token"]) as (a, _),
        greeted(homes.port(1), ben["access_token"], device="slow", receive_buffer=4_096) as slow,
    ):
        conversation = await opened(a, ben["user"])
        for number in range(15):
            await say(a, conversation, f"before {number}", EMOJI)
        before = homes.resident(1)
        asking = {"op": "message.history", "conversation": conversation, "limit": 15}
        slow.write(b"".join(slow.message({**asking, "id": id}) for id in range(2, 122)))
        for number in range(100):
            await say(a, conversation, f"slow {number}", EMOJI)
        await until(lambda: '"status": 4108' in homes.installation.log.read_text(), blocks=True)
        grown = homes.resident(1) - before
        assert await last(slow) == (4108, {"code": "too_slow"})
    # It asked for 27 MB; what the sender costs is a good part of the rest.
    assert grown < 8 << 20, grown


async def last(peer: Raw) -> tuple[int, Map]:
    """The close frame behind all that has been on its way."""
    while (got := await peer.frame())[0] != CLOSE:
        continue
    return int.from_bytes(got[1][:2]), json.loads(got[1][2:])


# -- when homes move ---------------------------------------------------------------------------------------------------


async def test_when_a_node_dies_and_comes_back_its_people_move_and_nobody_else_does(homes: Homes) -> None:
    await homes.settle()
    ada, ben, pid = homes.ada["access_token"], homes.ben["access_token"], homes.installation.node_pid(2)
    async with (
        session(homes.url(1), ada, device="stays") as (stays_here, _),
        session(homes.url(1), ben, device="relayed") as (relayed, before),
        session(homes.url(2), ada, device="lost") as (lost, _),
    ):
        conversation = await opened(stays_here, homes.ben["user"])
        os.kill(pid, signal.SIGKILL)
        code, reason = await relayed.closed()
        assert (code, reason) == (4010, {"code": "continuity_lost"})
        assert (await lost.closed())[0] == 1006
        await until(lambda: route(homes, 1, ben)["url"] == homes.url(1), blocks=True)
        async with session(homes.url(1), ben, device="relayed", resume=position(before), follow=True) as (wire, again):
            assert again["outcome"] == "resync"
            await wire.until_synced()
            c = await say(stays_here, conversation, "while it was away")
            # What was said shortly before the death may be said again.
            while (await wire.event("message"))["c"] != c:
                continue
            moved = asyncio.create_task(closed_at(wire))
            await asyncio.to_thread(homes.installation.await_node, 2, pid)
            ready = time.monotonic()
            at, code, reason = await moved
        assert (code, reason) == (4002, {"code": "moved", "url": homes.url(2)})
        assert at - ready < MOVED_WITHIN_S
        await homes.settle()
        await stays(stays_here)


async def closed_at(wire: Wire) -> tuple[float, int, Map]:
    """When it is closed, and how."""
    code, reason = await wire.closed()
    return time.monotonic(), code, reason


async def test_when_a_node_leaves_kindly_its_people_are_told_and_nobody_else_is(homes: Homes) -> None:
    await homes.settle()
    ada, ben, pid = homes.ada["access_token"], homes.ben["access_token"], homes.installation.node_pid(2)
    async with (
        session(homes.url(1), ada, device="stays") as (stays_here, _),
        session(homes.url(2), ben, device="home") as (at_home, _),
        session(homes.url(1), ben, device="relayed") as (relayed, _),
        session(homes.url(2), ada, device="through") as (through, _),
    ):
        os.kill(pid, signal.SIGTERM)
        for wire in (at_home, through):
            code, reason = await wire.closed()
            assert (code, reason["code"]) == (4001, "draining")
            assert reason["retry_ms"] > 0
        # Its home says so, or this node, whichever learns of it first.
        code, reason = await relayed.closed()
        assert (code, reason["code"]) in ((4001, "draining"), (4002, "moved"))
        if code == 4002:
            assert reason["url"] == homes.url(1)
        await until(lambda: route(homes, 1, ben)["url"] == homes.url(1), blocks=True)
        async with session(homes.url(1), ben, device="home", follow=True) as (wire, _):
            await wire.until_synced()
        await asyncio.to_thread(homes.installation.await_node, 2, pid)
        await homes.settle()
        await stays(stays_here)


async def test_a_relay_whose_home_stands_still_is_ended_when_the_home_has_moved(homes: Homes) -> None:
    await homes.settle()
    pid = homes.installation.node_pid(2)
    async with session(homes.url(1), homes.ben["access_token"], device="held") as (relayed, _):
        os.kill(pid, signal.SIGSTOP)
        try:
            assert await relayed.closed() == (4002, {"code": "moved", "url": homes.url(1)})
            async with session(homes.url(1), homes.ben["access_token"], device="held") as (wire, _):
                await stays(wire)
        finally:
            os.kill(pid, signal.SIGCONT)
    await homes.settle()


async def test_the_sdk_goes_on_through_all_of_it_and_misses_nothing(homes: Homes) -> None:
    await homes.settle()
    pid = homes.installation.node_pid(2)
    async with (
        asyncio.timeout(20),
        Client(homes.url(1), token=homes.ben["access_token"], random=lambda: 0.1) as ben,
        Client(homes.url(1), token=homes.ada["access_token"]) as ada,
    ):
        conversation = (await ada.open(ben.user)).id
        events = ben.events()
        while not isinstance(await anext(events), Online):
            continue
        heard = (event async for event in events if isinstance(event, Message))
        first = (await ada.send(conversation, "0")).c
        assert (await anext(heard)).c == first
        homes.installation.kill_node(2)
        for number in range(1, 20):
            await ada.send(conversation, str(number))
        await asyncio.to_thread(homes.installation.await_node, 2, pid)
        await ada.send(conversation, "20")
        assert [(await anext(heard)).c for _ in range(20)] == list(range(first + 1, first + 21))
