"""Clients that read slowly or not at all: a place in the ring waits for them, not for ever (docs/protocol.md §7)."""

from contextlib import AsyncExitStack
from typing import Any

from structlog.testing import capture_logs

from persistence.conversations.database import Point
from tests.security.raw import Raw, frame, greeted
from tests.security.test_pressure import open_conversation, talk
from tests.security.timed import Timed, timed
from tests.security.watch import Watched

RECEIVE_BUFFER = 4_096
TOO_SLOW = {"code": "too_slow"}


class Two:
    """Ada, and Ben who reads on one device and does not on another, in one conversation."""

    def __init__(self, node: Timed) -> None:
        self.node = node

    async def meet(self, stack: AsyncExitStack) -> "Two":
        _, ada = await self.node.sign_up("ada")
        ben, self.token = await self.node.sign_up("ben")
        self.ada = await stack.enter_async_context(greeted(self.node.port, ada))
        self.reads = await stack.enter_async_context(greeted(self.node.port, self.token, device="reads"))
        self.slow = await stack.enter_async_context(
            greeted(self.node.port, self.token, device="slow", receive_buffer=RECEIVE_BUFFER)
        )
        self.conversation = await open_conversation(self.ada, ben)
        return self


async def events(peer: Raw, count: int, ev: str = "message") -> list[Any]:
    """The next events of a kind; others are dropped."""
    found: list[Any] = []
    while len(found) < count:
        message = await peer.receive()
        if message.get("ev") == ev:
            found.append(message)
    return found


async def test_who_does_not_read_is_closed_after_ten_seconds_past_the_budget_and_resumes_without_a_loss() -> None:
    async with timed() as node, AsyncExitStack() as stack:
        two = await Two(node).meet(stack)
        with capture_logs() as lines:
            await talk(two.ada, two.conversation, 60)
            assert [event["c"] for event in await events(two.reads, 60)] == list(range(1, 61))
            await node.clock.pass_(8)
            assert node.metrics.closed == {}
            await node.clock.pass_(4)
            assert node.metrics.closed == {4108: 1}
        assert [(line["event"], line["status"]) for line in lines] == [("connection closed", 4108)]
        assert "ok" in await two.reads.ask("conversation.list", 2)
        seen = 0
        while (got := await two.slow.frame())[0] != 8:
            seen += 1
        assert got[1][2:] == b'{"code":"too_slow"}'
        assert 0 < seen < 60
        resume = {"epoch": "epoch 1", "u": seen}
        async with greeted(node.port, two.token, device="slow", resume=resume) as again:
            await talk(two.ada, two.conversation, 1, 60)
            assert (await events(again, 1))[0]["u"] == 61


async def test_who_resumes_far_behind_gets_everything_in_order_as_it_reads() -> None:
    async with timed() as node, AsyncExitStack() as stack:
        two = await Two(node).meet(stack)
        await two.slow.end()
        await talk(two.ada, two.conversation, 100)
        resume = {"epoch": "epoch 1", "u": 0}
        fresh = greeted(node.port, two.token, device="slow", receive_buffer=RECEIVE_BUFFER, until="", resume=resume)
        again = await stack.enter_async_context(fresh)
        assert [event["u"] for event in await events(again, 100)] == list(range(1, 101))
        assert (await again.receive())["ev"] == "synced"


async def test_who_reads_slowly_but_reads_is_not_closed_and_misses_nothing() -> None:
    async with timed() as node, AsyncExitStack() as stack:
        two = await Two(node).meet(stack)
        await talk(two.ada, two.conversation, 120)
        seen = []
        for _ in range(50):
            seen += await events(two.slow, 2)
            await two.reads.say({"op": "ack", "epoch": "epoch 1", "u": 0})
            await two.ada.say({"op": "ack", "epoch": "epoch 0", "u": 0})
            await node.clock.pass_(1)
        seen += await events(two.slow, 20)
        assert [event["u"] for event in seen] == list(range(1, 121))
        assert node.metrics.closed == {}


async def test_live_events_that_wait_are_replaced_by_newer_ones_of_their_kind() -> None:
    async with timed() as node, AsyncExitStack() as stack:
        two = await Two(node).meet(stack)
        await talk(two.ada, two.conversation, 30)
        typing = {"op": "typing", "conversation": two.conversation}
        await two.ada.say(
            *({**typing, "kind": kind} for kind in ["text", "voice", "media"] * 20), {**typing, "kind": "stop"}
        )
        await talk(two.ada, two.conversation, 1, 30)
        assert len(await events(two.reads, 61, "typing")) == 61
        got: list[Any] = []
        while len([event for event in got if event["ev"] == "message"]) < 31 or got[-1]["ev"] != "typing":
            got.append(await two.slow.receive())
        assert [event["kind"] for event in got if event["ev"] == "typing"] == ["stop"]


async def test_past_three_quarters_of_the_budget_live_events_are_dropped_and_durable_ones_are_not() -> None:
    async with timed() as node, AsyncExitStack() as stack:
        two = await Two(node).meet(stack)
        await talk(two.ada, two.conversation, 40)
        typing = {"op": "typing", "conversation": two.conversation, "kind": "text"}
        await two.ada.say(typing)
        await talk(two.ada, two.conversation, 1, 40)
        assert len(await events(two.reads, 1, "typing")) == 1
        got = [await two.slow.receive() for _ in range(41)]
        assert [event["ev"] for event in got] == ["message"] * 41


async def test_in_the_background_there_are_no_live_events() -> None:
    async with timed() as node, AsyncExitStack() as stack:
        two = await Two(node).meet(stack)
        assert "ok" in await two.slow.ask("background", 2, on=True)
        await two.ada.say({"op": "typing", "conversation": two.conversation, "kind": "text"})
        await talk(two.ada, two.conversation, 1)
        assert (await two.slow.receive())["ev"] == "message"


async def test_whoever_asks_without_reading_is_not_heard_until_it_reads_and_then_gets_every_answer() -> None:
    async with timed() as node, AsyncExitStack() as stack:
        two = await Two(node).meet(stack)
        await talk(two.ada, two.conversation, 20)
        before = node.metrics.requests
        asking = {"op": "message.history", "conversation": two.conversation, "limit": 20}
        octets = b"".join(two.slow.message({**asking, "id": id}) for id in range(2, 4_002))
        two.slow.write(octets)
        await node.clock.pass_(3)
        heard = node.metrics.requests - before
        assert heard < 4_000
        await node.clock.pass_(3)
        assert node.metrics.requests - before == heard
        answered = {(await two.slow.receive()).get("re") for _ in range(heard // 2)}
        assert len(answered) > 1


async def test_whoever_asks_without_reading_is_closed_when_nothing_drains_after_a_ping() -> None:
    async with timed(ping_ms=5_000) as node, AsyncExitStack() as stack:
        two = await Two(node).meet(stack)
        await talk(two.ada, two.conversation, 20)
        asking = {"op": "message.history", "conversation": two.conversation, "limit": 20}
        ack = {"op": "ack", "epoch": "epoch 1", "u": 0}
        for id in range(2, 32):
            two.slow.write(two.slow.message({**asking, "id": id}) + two.slow.message(ack))
            await two.reads.say(ack)
            await two.ada.say(ack)
            await node.clock.pass_(1)
        assert node.metrics.closed == {4112: 1}
        await node.clock.pass_(6)
        assert len(node.gateway) == 2


async def test_many_large_answers_are_made_one_after_the_other_as_they_are_read() -> None:
    made: list[str] = []

    async def count(statement: str, point: Point) -> None:
        if (statement, point) == ("history", "before"):
            made.append(statement)

    async with timed(count) as node, AsyncExitStack() as stack:
        two = await Two(node).meet(stack)
        await talk(two.ada, two.conversation, 50)
        await events(two.slow, 50)
        asking = {"op": "message.history", "conversation": two.conversation, "limit": 50}
        await two.slow.say(*({**asking, "id": id} for id in range(2, 102)))
        await node.clock.pass_(3)
        assert 4 <= len(made) <= 8
        for id in range(2, 102):
            assert len((await two.slow.reply(id))["ok"]["events"]) == 50
        assert len(made) == 100


async def test_a_close_frame_goes_out_behind_what_a_slow_reader_has_not_read() -> None:
    async with timed() as node, AsyncExitStack() as stack:
        two = await Two(node).meet(stack)
        await talk(two.ada, two.conversation, 30)
        [slow] = [connection for connection in node.gateway if connection.device == "slow"]
        assert slow.full
        two.slow.write(frame(3))
        first = await events(two.slow, 30)
        assert [event["c"] for event in first] == list(range(1, 31))
        assert (await two.slow.closed())[0] == 1002


async def test_a_reader_of_nothing_costs_others_nothing(node: Watched) -> None:
    ada, ben = node.person(), node.person()
    before = node.resident()
    async with (
        node.attacked(logs=0),
        greeted(node.port, ada["access_token"]) as a,
        greeted(node.port, ben["access_token"], receive_buffer=RECEIVE_BUFFER) as b,
    ):
        conversation = await open_conversation(a, ben["user"])
        await talk(a, conversation, 30)
        asking = {"op": "message.history", "conversation": conversation, "limit": 30}
        b.write(b"".join(b.message({**asking, "id": id}) for id in range(2, 100)))
        for number in range(30, 60):
            await talk(a, conversation, 1, number)
        assert node.resident() < before + 30_000_000
        messages = [await b.receive() for _ in range(60 + 98)]
        assert sorted(message["re"] for message in messages if "re" in message) == list(range(2, 100))
        assert [message["c"] for message in messages if message.get("ev") == "message"] == list(range(1, 61))
