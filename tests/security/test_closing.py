"""How connections end, from either side, and what is left of them (docs/protocol.md §8)."""

import asyncio
import json

import pytest

from actors.effects import user_address
from tests.security.raw import CLOSE, PING, frame, greeted, hello, upgraded
from tests.security.test_pressure import open_conversation, talk
from tests.security.timed import timed
from tests.security.watch import Watched


async def test_a_newer_hello_of_a_device_supersedes_its_older_socket_and_no_other(node: Watched) -> None:
    token = node.person()["access_token"]
    async with (
        node.attacked(),
        greeted(node.port, token, device="phone") as older,
        greeted(node.port, token, device="tablet") as other,
        greeted(node.port, token, device="phone") as newer,
    ):
        assert await older.closed() == (4301, {"code": "superseded"})
        assert "ok" in await newer.ask("conversation.list", 2)
        assert "ok" in await other.ask("conversation.list", 2)


async def test_another_users_hello_with_the_same_device_supersedes_nobody(node: Watched) -> None:
    async with (
        node.attacked(logs=0),
        greeted(node.port, node.person()["access_token"], device="phone") as first,
        greeted(node.port, node.person()["access_token"], device="phone"),
    ):
        assert "ok" in await first.ask("conversation.list", 2)


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_a_close_of_the_client_is_answered_with_the_same_code_and_the_connection_ends(
    node: Watched, code: int
) -> None:
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"]) as peer:
        await peer.send(frame(CLOSE, code.to_bytes(2) + b"secret"))
        assert await peer.frame() == (CLOSE, code.to_bytes(2) + b"secret")
        await peer.gone()


async def test_a_close_without_a_code_is_answered_without_one(node: Watched) -> None:
    async with node.attacked(logs=0), greeted(node.port, node.person()["access_token"]) as peer:
        await peer.send(frame(CLOSE))
        assert await peer.frame() == (CLOSE, b"")
        await peer.gone()


@pytest.mark.parametrize(
    ("farewell", "outcome"),
    [
        (frame(CLOSE, (1000).to_bytes(2)), "resync"),
        (frame(CLOSE, (3000).to_bytes(2)), "resumed"),
        (frame(CLOSE, (1001).to_bytes(2)), "resumed"),
        (frame(CLOSE), "resumed"),
        (frame(3), "resumed"),
        (b"", "resumed"),
    ],
    ids=["1000", "3000", "1001", "no code", "a fault", "nothing"],
)
async def test_1000_alone_is_goodbye_and_gives_up_what_was_missed(farewell: bytes, outcome: str) -> None:
    async with timed() as node:
        _, ada = await node.sign_up("ada")
        ben, token = await node.sign_up("ben")
        async with greeted(node.port, ada) as a:
            async with greeted(node.port, token) as b:
                conversation = await open_conversation(a, ben)
                await talk(a, conversation, 1)
                assert (await b.receive())["u"] == 1
                await b.say({"op": "ack", "epoch": "epoch 1", "u": 1})
                await b.send(farewell)
            await node.until_open(1)
            await talk(a, conversation, 2, 1)
            async with upgraded(node.port) as again:
                await again.say(hello(token, resume={"epoch": "epoch 1", "u": 1}))
                assert (await again.reply(1))["ok"]["outcome"] == outcome


async def test_messages_after_the_clients_close_are_dropped(node: Watched) -> None:
    ada, ben = node.person(), node.person()
    async with node.attacked(logs=0), greeted(node.port, ben["access_token"]) as b:
        async with greeted(node.port, ada["access_token"]) as a:
            conversation = await open_conversation(a, ben["user"])
            send = {"op": "message.send", "id": 2, "conversation": conversation, "cid": "c", "text": "secret"}
            await a.send(frame(CLOSE, (1000).to_bytes(2)) + a.message(send))
            await a.gone()
        assert (await b.ask("message.history", 2, conversation=conversation))["ok"]["events"] == []


async def test_messages_and_pings_after_the_servers_close_are_dropped(node: Watched) -> None:
    ada, ben = node.person(), node.person()
    async with node.attacked(), greeted(node.port, ben["access_token"]) as b:
        async with greeted(node.port, ada["access_token"]) as a:
            conversation = await open_conversation(a, ben["user"])
            send = {"op": "message.send", "id": 2, "conversation": conversation, "cid": "c", "text": "secret"}
            await a.say(hello(ada["access_token"]))
            assert (await a.frame())[0] == CLOSE
            await a.send(a.message(send) + a.message(send | {"text": "x" * 30_000}) + frame(PING))
            await a.send(frame(CLOSE, (4307).to_bytes(2)))
            await a.gone()
        assert (await b.ask("message.history", 2, conversation=conversation))["ok"]["events"] == []


async def test_every_reason_is_json_of_at_most_123_bytes_with_a_code() -> None:
    async with timed() as node:
        tokens = [(await node.sign_up(f"user{number}"))[1] for number in range(20)]
        peers = []
        for token in tokens:
            peer = greeted(node.port, token)
            peers.append((peer, await peer.__aenter__()))
        draining = asyncio.create_task(node.gateway.drain(over_s=0))
        waits = set()
        for peer, raw in peers:
            status, reason = await raw.closed()
            assert (status, reason["code"]) == (4001, "draining")
            assert len(json.dumps(reason)) <= 123
            waits.add(reason["retry_ms"])
            await peer.__aexit__(None, None, None)
        await draining
        assert len(waits) > 1
        await node.until_open(0)


class Bug:
    """A command that the user's actor does not know."""

    request = None


async def test_who_is_here_goes_on_with_a_new_actor_and_who_was_still_catching_up_begins_anew() -> None:
    reading, read_on = asyncio.Event(), asyncio.Event()

    async def slow_snapshots(statement: str, point: str) -> None:
        if statement == "now" and point == "before":
            reading.set()
            await read_on.wait()

    async with timed(slow_snapshots) as node:
        user, token = await node.sign_up("ada")
        async with greeted(node.port, token, device="phone") as here, upgraded(node.port) as late:
            await late.say(hello(token) | {"snapshot": True, "device": {"id": "tablet", "platform": "p", "app": "a"}})
            await reading.wait()
            node.host.tell(user_address(user), Bug())
            continuity = await here.receive()
            assert continuity["ev"] == "continuity"
            assert await late.closed() == (4103, {"code": "overloaded"})
            read_on.set()
            assert "ok" in await here.ask("conversation.list", 2)
