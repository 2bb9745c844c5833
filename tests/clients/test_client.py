"""The asyncio client against a server on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response

from tests.clients.socket_server import Close, SocketServer, busy, socket_server
from tidings_client import (
    AuthenticationFailed,
    Change,
    Client,
    Closed,
    FileStore,
    Malformed,
    MemoryStore,
    Message,
    Offline,
    Online,
    Refused,
    SendEnded,
    Snapshot,
    Stopped,
    Superseded,
)


@pytest.fixture
async def server() -> AsyncIterator[SocketServer]:
    async with socket_server() as server:
        server.model.open("a")
        yield server


def client(server: SocketServer, **options: Any) -> Client:
    defaults: dict[str, Any] = {"token": "t", "random": lambda: 0.0}
    return Client(server.url, **(defaults | options))


async def messages(client: Client, count: int) -> list[Message]:
    found: list[Message] = []
    async with asyncio.timeout(20):
        async for event in client.events():
            if isinstance(event, Message):
                found.append(event)
                if len(found) == count:
                    return found
    raise AssertionError("the events ended")


@pytest.mark.parametrize("codec", ["msgpack", "json"])
async def test_a_message_is_sent_and_comes_back_as_an_event(server: SocketServer, codec: str) -> None:
    async with client(server, codec=codec) as me:
        sent = await me.send("a", "hello")
        assert (sent.conversation, sent.c, sent.dup) == ("a", 1, False)
        (event,) = await messages(me, 1)
        assert (event.cid, event.text, event.sender, event.u) == (sent.cid, "hello", me.user, 1)
        assert me.outcome == "fresh"
        assert me.heads == {"a": 1}
    assert server.ends == [1000]


async def test_a_thousand_messages_each_way_survive_a_cut_after_every_fifty(server: SocketServer) -> None:
    async with client(server) as me:

        async def send_all() -> list[int]:
            places = []
            for number in range(1_000):
                if number % 50 == 49:
                    me.cut()
                places.append((await me.send("a", f"{number}")).c)
            return places

        async def others() -> None:
            for number in range(1_000):
                server.model.write("a", "you", f"you{number}", None)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(send_all())
            tasks.create_task(others())
            reading = tasks.create_task(messages(me, 2_000))
        places = sending.result()
        assert all(later > earlier for earlier, later in pairwise(places))
        assert [event.c for event in reading.result()] == list(range(1, 2_001))
        mine = [event.text for event in reading.result() if event.sender == me.user]
        assert mine == [f"{number}" for number in range(1_000)]
        assert len(server.model.hellos) > 15


async def test_pipelined_sends_arrive_in_the_order_of_the_calls(server: SocketServer) -> None:
    async with client(server, pipeline=16) as me:
        sent = await asyncio.gather(*(me.send("a", f"{number}") for number in range(300)))
        assert [one.c for one in sent] == list(range(1, 301))
        assert any("after" in message for message in server.heard)


async def test_a_cut_connection_resumes_and_says_so(server: SocketServer) -> None:
    async with client(server) as me:
        me.cut()
        await me.online()
        assert me.outcome == "resumed"
        kinds = []
        async for event in me.events():
            kinds.append(type(event))
            if event == Online("resumed"):
                break
        assert kinds == [Snapshot, Online, Offline, Online]


async def test_every_operation_has_its_words(server: SocketServer) -> None:
    server.model.answers = {
        "conversation.open": {"conversation": server.model.conversation("a")},
        "conversation.create": {"conversation": server.model.conversation("a") | {"kind": "group", "title": "t"}},
        "conversation.list": {"items": [server.model.conversation("a")], "next": "n"},
        "conversation.receipts": {"members": [{"user": "you", "delivered_c": 2, "read_c": 1}]},
        "conversation.settings": {},
        "message.read": {},
        "background": {},
        "presence.set": {},
    }
    async with client(server) as me:
        assert (await me.open("you")).id == "a"
        assert (await me.create(["you"], "t")).title == "t"
        page = await me.conversations("archive", before="b", limit=7)
        assert (page.items[0].id, page.next) == ("a", "n")
        assert (await me.receipts("a"))[0].delivered_c == 2
        assert (await me.get("a")).unread == 0
        await me.read("a", 3)
        await me.settings("a", pinned=True)
        await me.background(True)
        await me.typing("a", "voice")
        await me.request("presence.set", visible=False)
        await server.hears("conversation.open", user="you")
        assert len((await server.hears("conversation.create", members=["you"], title="t"))["cid"]) == 32
        await server.hears("conversation.list", folder="archive", before="b", limit=7)
        await server.hears("conversation.settings", conversation="a", pinned=True)
        await server.hears("message.read", conversation="a", c=3)
        await server.hears("background", on=True)
        assert "id" not in await server.hears("typing", conversation="a", kind="voice")


async def test_a_refusal_reaches_the_caller(server: SocketServer) -> None:
    async with client(server) as me:
        with pytest.raises(Refused) as refusal:
            await me.send("a", "never")
        assert refusal.value.code == "forbidden"


async def test_history_reads_a_part_of_the_log(server: SocketServer) -> None:
    for number in range(5):
        server.model.write("a", "you", f"{number}", None)
    async with client(server) as me:
        part = await me.history("a", after=1)
        assert ([event.c for event in part.events], part.more) == ([2, 3, 4], True)


async def test_a_message_above_the_limit_never_leaves(server: SocketServer) -> None:
    async with client(server) as me:
        with pytest.raises(Refused, match="too_large"):
            await me.send("a", "x" * 70_000)
        assert (await me.send("a", "small")).c == 1
        assert len([message for message in server.heard if message["op"] == "message.send"]) == 1


async def test_a_token_that_expires_is_replaced(server: SocketServer) -> None:
    asked: list[str | None] = []

    async def source(stale: str | None) -> str:
        asked.append(stale)
        return f"token{len(asked)}"

    server.refuse = lambda message: (4205, {}) if message.get("token") == "token1" else None
    async with client(server, token=None, token_source=source) as me:
        assert (await me.send("a", "x")).c == 1
    assert asked == [None, "token1"]


async def test_a_lone_token_that_expires_ends_the_client(server: SocketServer) -> None:
    server.refuse = lambda message: (4205, {})
    with pytest.raises(AuthenticationFailed):
        async with client(server):
            pass


async def test_a_token_source_that_cannot_be_reached_is_tried_again(server: SocketServer) -> None:
    asked = 0

    async def source(stale: str | None) -> str:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise ConnectionRefusedError
        return "t"

    async with client(server, token=None, token_source=source):
        assert asked == 3


async def test_a_token_source_that_fails_ends_the_client_with_its_error(server: SocketServer) -> None:
    async def source(stale: str | None) -> str:
        raise LookupError("no such login")

    with pytest.raises(Stopped, match="no such login"):
        async with client(server, token=None, token_source=source):
            pass


@pytest.mark.parametrize("error", [Malformed("<html>"), TimeoutError(), ConnectionResetError()])
async def test_a_token_source_without_an_answer_is_tried_again(server: SocketServer, error: Exception) -> None:
    answers: list[Exception] = [error, error]

    async def source(stale: str | None) -> str:
        if answers:
            raise answers.pop()
        return "t"

    async with client(server, token=None, token_source=source) as me:
        assert me.outcome == "fresh"


async def test_a_token_source_that_is_refused_ends_the_client(server: SocketServer) -> None:
    async def source(stale: str | None) -> str:
        raise Refused("unauthenticated")

    with pytest.raises(AuthenticationFailed, match="unauthenticated"):
        async with client(server, token=None, token_source=source):
            pass


async def test_the_client_follows_its_home_to_another_node(server: SocketServer) -> None:
    async with socket_server() as home:
        home.model.open("a")
        server.refuse = lambda message: (4002, {"code": "moved", "url": home.url})
        async with client(server) as me:
            await me.send("a", "x")
        assert len(home.model.hellos) == 1
        assert home.model.hellos[0]["follow"] is True


async def test_after_three_moves_the_client_asks_to_be_relayed(server: SocketServer) -> None:
    server.refuse = lambda message: (4002, {"url": server.url}) if message.get("follow") else None
    async with client(server):
        assert [("follow" in message) for message in server.heard] == [True, True, True, False]


async def test_a_newer_connection_of_the_device_ends_the_client(server: SocketServer) -> None:
    server.refuse = lambda message: (4301, {"code": "superseded"}) if message["op"] == "message.send" else None
    async with client(server) as me:
        with pytest.raises(Superseded):
            await me.send("a", "x")
        with pytest.raises(Superseded):
            await messages(me, 1)
        with pytest.raises(Superseded):
            await me.online()


async def test_a_node_over_its_budget_is_tried_again(server: SocketServer) -> None:
    answers = [busy(), busy()]
    server.turn_away = lambda: answers.pop() if answers else None
    async with client(server) as me:
        assert me.outcome == "fresh"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (HTTPStatus.UNAUTHORIZED, {}),
        (HTTPStatus.TOO_MANY_REQUESTS, {"Retry-After": "0"}),
        (HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        (HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "²"}),
        (HTTPStatus.MOVED_PERMANENTLY, {"Location": "https://chat.example/v1/socket"}),
        (HTTPStatus.NOT_FOUND, {}),
    ],
)
async def test_a_server_that_turns_away_is_tried_again_and_the_log_says_why(
    server: SocketServer, caplog: pytest.LogCaptureFixture, status: HTTPStatus, headers: dict[str, str]
) -> None:
    answers = [Response(status.value, status.phrase, Headers(headers), b"") for _ in range(2)]
    server.turn_away = lambda: answers.pop() if answers else None
    async with client(server) as me:
        assert me.outcome == "fresh"
        (warning,) = [record for record in caplog.records if record.name == "tidings_client"]
        assert "is tried again" in warning.getMessage()
        answers.append(busy())
        me.cut()
        await me.online()
    assert [record.levelname for record in caplog.records if record.name == "tidings_client"] == ["WARNING"]


async def test_a_server_that_closes_instead_of_answering_hello_is_tried_again_and_the_log_says_why(
    server: SocketServer, caplog: pytest.LogCaptureFixture
) -> None:
    closes: list[Close] = [
        (4103, {"code": "overloaded", "retry_ms": 0}),
        (1013, {}),
        (4205, {}),
        (4002, {"url": server.url}),
    ]
    server.refuse = lambda message: closes.pop() if closes else None
    async with client(server, token=None, token_source=_token):
        pass
    said = [record.getMessage() for record in caplog.records if record.name == "tidings_client"]
    assert [message.partition("closed with ")[2][:4] for message in said] == ["1013", "4103"]


async def _token(stale: str | None) -> str:
    return "t"


async def test_a_slow_application_stops_the_reading_and_loses_nothing(server: SocketServer) -> None:
    async with client(server, queue=8) as me:
        await server.write("a", 500)
        assert [event.c for event in await messages(me, 500)] == list(range(1, 501))


async def test_an_application_may_send_from_inside_its_own_loop_when_the_queue_is_full(server: SocketServer) -> None:
    async with client(server, queue=8) as me:
        await server.write("a", 60)
        answered = 0
        async for event in me.events():
            if isinstance(event, Message) and event.sender == "you":
                await me.send("a", f"re {event.c}")
                answered += 1
                if answered == 60:
                    break


async def test_a_reply_is_read_however_many_events_stand_in_front_of_it(server: SocketServer) -> None:
    async with client(server, queue=2) as me:
        told: list[int] = []
        async for event in me.events():
            if isinstance(event, Online) and not told:
                await server.write("a", 300)
            elif isinstance(event, Message) and event.sender == "you":
                told.append(event.c)
                if len(told) % 100 == 1:
                    await me.send("a", f"re {event.c}")
                if len(told) == 300:
                    break
        assert told == [*range(1, 301)]
        assert [one["text"] for one in server.model.logs["a"][300:]] == ["re 1", "re 101", "re 201"]


async def test_a_cut_is_noticed_while_the_application_is_behind(server: SocketServer) -> None:
    async with client(server, queue=1) as me:
        await server.write("a", 50)
        async for event in me.events():
            if isinstance(event, Message):
                me.cut()
                await me.online()
                break
        assert [one.c for one in await messages(me, 49)] == [*range(2, 51)]


async def test_a_client_that_keeps_no_events_acks_them_all_the_same(server: SocketServer) -> None:
    async with client(server, queue=0) as me:
        await server.write("a", 50)
        await server.hears("ack", u=50)
        with pytest.raises(ValueError, match="keeps no events"):
            me.events()


async def test_only_what_the_application_is_done_with_is_acked(server: SocketServer) -> None:
    async with client(server) as me:
        await server.write("a", 3)
        await messages(me, 2)
        await server.hears("ack", u=1)
        assert max(ack["u"] for ack in server.model.acks) == 1


async def test_leaving_in_peace_counts_the_last_event_as_done(server: SocketServer) -> None:
    store = MemoryStore()
    async with client(server, store=store) as me:
        await server.write("a", 3)
        await messages(me, 3)
    assert store.load().heads == {"a": 3}
    assert server.model.acks[-1]["u"] == 3


async def test_a_detached_client_is_resumed_by_the_next_with_its_store(server: SocketServer) -> None:
    store = MemoryStore()
    first = await client(server, store=store, device="phone").__aenter__()
    await server.write("a", 2)
    await messages(first, 2)
    await first.detach()
    assert server.ends == [3000]
    server.model.write("a", "you", "meanwhile", None)
    async with client(server, store=store, device="phone") as second:
        assert second.outcome == "resumed"
        assert [event.c for event in await messages(second, 2)] == [2, 3]


async def test_unsent_messages_leave_with_the_next_process(server: SocketServer, tmp_path: Path) -> None:
    server.refuse = lambda message: (4001, {"retry_ms": 60_000}) if message["op"] == "message.send" else None
    store = FileStore(tmp_path / "client")
    async with client(server, store=store) as me:
        sending = asyncio.create_task(me.send("a", "kept", cid="k" * 32))
        await server.ended(1)
    with pytest.raises(Closed):
        await sending
    store.close()
    server.refuse = lambda message: None
    store = FileStore(tmp_path / "client")
    async with client(server, store=store) as me:
        async for event in me.events():
            if isinstance(event, SendEnded):
                break
    assert event == SendEnded("a", "k" * 32, 1, None)
    store.close()


async def test_a_cancelled_send_goes_on(server: SocketServer) -> None:
    async with client(server) as me:
        sending = asyncio.create_task(me.send("a", "x", cid="c" * 32))
        await asyncio.sleep(0)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        (event,) = await messages(me, 1)
        assert event.cid == "c" * 32


async def test_a_send_that_is_cancelled_when_its_answer_comes_is_told_as_an_event(server: SocketServer) -> None:
    class Cancelling(MemoryStore):
        def keep(self, change: Change) -> None:
            super().keep(change)
            if change.settled is not None:
                asyncio.get_running_loop().call_soon(sending.cancel)

    async with client(server, store=Cancelling()) as me:
        sending = asyncio.create_task(me.send("a", "x", cid="c" * 32))
        with pytest.raises(asyncio.CancelledError):
            await sending
        async for event in me.events():
            if isinstance(event, SendEnded):
                break
        assert event == SendEnded("a", "c" * 32, 1, None)


async def test_a_store_that_fails_ends_the_client_and_nothing_leaves_that_relies_on_it(server: SocketServer) -> None:
    class Full(MemoryStore):
        def keep(self, change: Change) -> None:
            if change.queued is not None:
                raise OSError("no space left")

    me = await client(server, store=Full()).__aenter__()
    with pytest.raises(Stopped, match="no space left") as stopped:
        await me.send("a", "x")
    assert isinstance(stopped.value.__cause__, OSError)
    with pytest.raises(Stopped, match="no space left"):
        await me.online()
    with pytest.raises(OSError, match="no space left"):
        await me.close()
    assert "message.send" not in [message["op"] for message in server.heard]


@pytest.mark.parametrize(
    "content",
    [
        {"text": "\ud800"},
        {"mentions": [object()]},
        {"reply_to": float("nan")},
        {"reply_to": 2**70},
        {"id": 3},
        {"op": "x"},
        {"after": "x"},
    ],
)
async def test_what_no_message_can_carry_is_refused_at_the_call(server: SocketServer, content: dict[str, Any]) -> None:
    async with client(server) as me:
        with pytest.raises(ValueError, match=r"carry|set by"):
            await me.send("a", **content)
        assert (await me.send("a", "fine")).c == 1


async def test_a_client_is_entered_once_at_a_time(server: SocketServer) -> None:
    me = client(server)
    async with me:
        with pytest.raises(RuntimeError, match="open already"):
            await me.__aenter__()
    async with me:
        assert (await me.send("a", "again")).c == 1


async def test_a_client_that_has_ended_does_not_make_anybody_wait(server: SocketServer) -> None:
    async with client(server) as me:
        pass
    me.cut()
    with pytest.raises(Closed):
        await asyncio.wait_for(me.online(), 20)
    await me.close()


async def test_entering_gives_up_when_its_caller_does(server: SocketServer) -> None:
    server.turn_away = busy
    entering = asyncio.create_task(client(server, random=lambda: 0.9).__aenter__())
    await asyncio.sleep(0)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    assert asyncio.all_tasks() - {asyncio.current_task()} <= _server_tasks()


def _server_tasks() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if "websockets" in repr(task.get_coro())}


async def test_closing_ends_the_events_and_the_requests(server: SocketServer) -> None:
    async with client(server) as me:
        pass
    assert [type(event) for event in [event async for event in me.events()]] == [Snapshot, Online]
    with pytest.raises(Closed):
        await me.send("a", "x")


async def test_a_server_that_speaks_nonsense_is_left_and_tried_again(server: SocketServer) -> None:
    async with client(server) as me:
        assert server._live is not None
        await server._live[0].send(b"\xc1")
        await server.ended(1)
        await me.online()
        assert server.ends == [3000]


def test_a_client_needs_one_source_of_tokens() -> None:
    with pytest.raises(ValueError, match="token"):
        Client("ws://x")


@pytest.mark.parametrize("options", [{"pipeline": 0}, {"queue": -1}])
def test_a_client_that_could_never_do_anything_is_not_made(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="pipeline"):
        Client("ws://x", token="t", **options)


async def test_a_client_that_is_not_open_says_so() -> None:
    with pytest.raises(RuntimeError, match="not open"):
        await Client("ws://x", token="t").send("a", "x")


async def test_a_port_nobody_listens_on_is_tried_until_the_caller_gives_up() -> None:
    chances: list[float] = []

    def chance() -> float:
        chances.append(0.0)
        if len(chances) == 5:
            tried.set()
        return 0.0

    tried = asyncio.Event()
    entering = asyncio.create_task(Client("ws://127.0.0.1:9", token="t", random=chance).__aenter__())
    await asyncio.wait_for(tried.wait(), 20)
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering


async def test_a_server_of_another_protocol_is_not_spoken_to() -> None:
    ends: list[int | None] = []
    left = asyncio.Event()

    async def handle(socket: ServerConnection) -> None:
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        ends.append(socket.close_code)
        left.set()

    async with serve(handle, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        entering = asyncio.create_task(Client(f"ws://127.0.0.1:{port}", token="t").__aenter__())
        await asyncio.wait_for(left.wait(), 20)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
    assert ends[0] == 1002
