"""The client against a node, its sockets and its database, where an application makes it hard for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.server.running import Installation
from tidings_client import Client, Conversation, ConversationState, Message, Offline, Online, Presence, Snapshot

LIMITS = {"GATEWAY__REQUESTS_PER_S": 5_000, "GATEWAY__BURST": 10_000}
SAID = 300
LONG = "x" * 3_000


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    running = Installation(tmp_path_factory.mktemp("node"), LIMITS).start()
    yield running
    running.stop()


async def test_a_loop_that_sends_has_its_replies_however_much_the_server_sent_before(node: Installation) -> None:
    ada, ben = node.mint(2, "loop")
    behind = asyncio.Event()
    async with (
        Client(node.url, token=ada["access_token"], queue=0) as talking,
        Client(node.url, token=ben["access_token"], queue=2, random=lambda: 0.1) as slow,
    ):
        conversation = (await talking.open(ben["user"])).id

        async def talk() -> None:
            for number in range(SAID):
                await talking.send(conversation, f"{number} {LONG}")
            behind.set()

        async def listen() -> list[Message]:
            heard: list[Message] = []
            async for event in slow.events():
                assert not isinstance(event, Offline)
                if isinstance(event, Message):
                    heard.append(event)
                    if event.sender != slow.user:
                        await behind.wait()
                    if len(heard) % 75 == 1:
                        await slow.send(conversation, f"re {event.c}")
                    if len(heard) == SAID + 5:
                        break
            return heard

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(talk())
            listening = tasks.create_task(listen())
        assert [event.c for event in listening.result()] == list(range(1, SAID + 6))


async def test_a_user_with_more_conversations_than_a_snapshot_holds_gets_to_know_them_all(node: Installation) -> None:
    me, *others = node.mint(46, "many")
    async with Client(node.url, token=me["access_token"], queue=0) as client:
        made = [(await client.open(other["user"])).id for other in others]
        for conversation in made:
            await client.send(conversation, "hello")
    known: dict[str, Conversation] = {}
    async with asyncio.timeout(20), Client(node.url, token=me["access_token"]) as client:
        async for event in client.events():
            match event:
                case Snapshot():
                    known |= {conversation.id: conversation for conversation in event.conversations}
                    assert len(known) < len(made)
                case ConversationState():
                    known[event.conversation.id] = event.conversation
                case Online():
                    pass
            if known.keys() == set(made):
                break
        assert client.heads == dict.fromkeys(made, 1)


async def test_whom_one_talks_to_is_seen_to_come_and_to_go_and_to_look_at_the_chat(node: Installation) -> None:
    ada, ben = node.mint(2, "seen")
    async with asyncio.timeout(20), Client(node.url, token=ada["access_token"]) as mine:
        states: list[tuple[str, str | None]] = []
        async with Client(node.url, token=ben["access_token"], queue=0) as his:
            talk = (await mine.open(ben["user"])).id
            await mine.send(talk, "hello")
            await his.send(talk, "hello you")
            await his.watch([ada["user"]], conversation=talk)
            while (await mine.watch([ben["user"]]))[0] != Presence(ben["user"], "online", None, talk):  # noqa: ASYNC110 - the server has to come to know it
                await asyncio.sleep(0.05)
            mine.cut()
            await his.set_visible(False)
            await _seen(mine, states, "offline")
            await his.set_visible(True)
            await _seen(mine, states, "online")
        await _seen(mine, states, "offline")
        assert states[-1] == ("offline", None)


async def _seen(client: Client, states: list[tuple[str, str | None]], state: str) -> None:
    """Take events until somebody is told to be like this."""
    async for event in client.events():
        if isinstance(event, Presence):
            states.append((event.state, event.conversation))
            if event.state == state:
                return
