"""Two nodes that both host a conversation: the one left behind answers nothing by what it remembers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from actors.conversation_commands import MarkDelivered, Read
from actors.effects import conversation_address
from persistence.conversations.database import Database
from persistence.conversations.memory import MemoryConversations
from protocol.facts import Choice
from protocol.ids import EPOCH, ConversationId, Millis, UserId
from protocol.replies import Done, Sent
from tests.contracts.grounds import opened
from tests.server.writer import ANN, BEN, Writer
from tests.simulation.loop import run


class Stage:
    """`old` has said c=1 in `id`, pinned it for Ann and read it for Ben; then `new` wrote there what the test says."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.database = Database(lambda: Millis(EPOCH + 10**10 + round(loop.time() * 1_000)))
        self.old, self.new = Writer(self.database), Writer(self.database)
        self.id = ConversationId("")

    async def begin(self) -> None:
        self.id = await opened(MemoryConversations(self.database), ANN, BEN)
        await self.old.said(self.id, "first")
        await self.old.pinned(self.id, pinned=True)
        await self.old.answered(self.id, lambda asked: Read(asked, BEN, 1))

    def member(self, user: UserId) -> Any:
        return self.database.tables.members[self.id][user]


def with_stage(test: Callable[[Stage], Awaitable[None]]) -> None:
    async def main() -> None:
        stage = Stage()
        await stage.begin()
        await test(stage)
        await stage.old.end()
        await stage.new.end()

    run(main())


def test_an_answer_to_what_another_node_has_stored_is_sent() -> None:
    async def test(stage: Stage) -> None:
        await stage.new.said(stage.id, "second")
        answer = await stage.old.said(stage.id, "third", reply_to=2)
        assert isinstance(answer, Sent)
        assert answer.c == 3

    with_stage(test)


def test_a_setting_that_another_node_has_changed_is_changed_back() -> None:
    async def test(stage: Stage) -> None:
        await stage.new.pinned(stage.id, pinned=False)
        assert await stage.old.pinned(stage.id, pinned=True) == Done()
        assert stage.member(ANN).settings["pinned"] is True

    with_stage(test)


def test_the_node_left_behind_tells_what_another_one_has_set_as_the_choice_that_it_was() -> None:
    async def test(stage: Stage) -> None:
        await stage.new.pinned(stage.id, pinned=False)
        await stage.old.pinned(stage.id, pinned=True)
        told = [body for body in stage.old.told if isinstance(body, Choice)]
        assert told == [Choice(stage.id, pinned=pinned, v=v) for v, pinned in ((1, True), (2, False), (3, True))]

    with_stage(test)


def test_what_another_node_has_stored_can_be_read() -> None:
    async def test(stage: Stage) -> None:
        await stage.new.said(stage.id, "second")
        assert await stage.old.answered(stage.id, lambda asked: Read(asked, BEN, 2)) == Done()
        assert stage.member(BEN).read_c == 2

    with_stage(test)


def test_what_another_node_has_stored_can_be_marked_as_delivered() -> None:
    async def test(stage: Stage) -> None:
        await stage.new.said(stage.id, "second")
        stage.old.host.tell(conversation_address(stage.id), MarkDelivered(BEN, 2))
        await asyncio.sleep(2)
        assert stage.member(BEN).delivered_c == 2

    with_stage(test)


def test_who_changes_nothing_moves_nothing() -> None:
    async def test(stage: Stage) -> None:
        before = stage.database.tables.heads[stage.id]
        assert await stage.old.pinned(stage.id, pinned=True) == Done()
        assert stage.database.tables.heads[stage.id] == before

    with_stage(test)
