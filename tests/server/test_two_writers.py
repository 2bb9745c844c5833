"""Two nodes that both host a conversation: the one left behind answers nothing by what it remembers."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from actors.conversation_commands import Asking, Choose, MarkDelivered, Read, Send
from actors.effects import Address, Asked, conversation_address
from persistence.conversations.database import Database
from persistence.conversations.memory import MemoryConversations
from protocol.ids import EPOCH, ConversationId, Millis, UserId
from protocol.replies import Done, Result, Sent
from protocol.requests import ChangeSettings, SendMessage
from server.committer import Committer
from server.host import Host
from server.kinds import ConversationKind
from server.observe import Metrics
from server.population import Population
from server.requests import Requests
from tests.simulation.loop import run

ANN, BEN = UserId("1024"), UserId("2048")


class Writer:
    """A node that hosts conversations; nobody is connected to it."""

    def __init__(self, database: Database) -> None:
        loop = asyncio.get_running_loop()
        store = MemoryConversations(database)
        self._committer = Committer([store.commit], Metrics(loop.time))
        self._committing = loop.create_task(self._committer.run())
        self._requests = Requests(self.tell, store, None, self.reply)  # type: ignore[arg-type]
        kinds = [ConversationKind(store)]
        self.host = Host(Population(kinds, database.now), self, self._committer, database.now)
        self._numbers = count(1)
        self._replies: dict[Asked, asyncio.Future[Result]] = {}

    def reply(self, request: Asked, result: Result) -> None:
        self._replies.pop(request).set_result(result)

    def deliver(self, audience: tuple[Address, ...], body: object) -> None:
        """Nobody is here."""

    def tell(self, address: Address, command: object) -> None:
        """Nobody is here."""

    async def ask(self, address: Address, question: object) -> Any:
        return await self._requests.ask(question)

    async def answered(self, id: ConversationId, command: Callable[[Asked], Asking]) -> Result:
        asked = Asked(1, next(self._numbers))
        self._replies[asked] = asyncio.get_running_loop().create_future()
        self.host.tell(conversation_address(id), command(asked))
        return await self._replies[asked]

    async def said(self, id: ConversationId, cid: str, **more: Any) -> Result:
        wire = SendMessage(id=1, conversation=id, cid=cid, text=cid, **more)
        return await self.answered(id, lambda asked: Send(asked, ANN, wire))

    async def pinned(self, id: ConversationId, pinned: bool) -> Result:
        wire = ChangeSettings(id=1, conversation=id, pinned=pinned)
        return await self.answered(id, lambda asked: Choose(asked, ANN, wire))

    async def end(self) -> None:
        self.host.stop()
        self._committing.cancel()
        await asyncio.wait([self._committing])


class Stage:
    """`old` has said c=1 in `id`, pinned it for Ann and read it for Ben; then `new` wrote there what the test says."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.database = Database(lambda: Millis(EPOCH + 10**10 + round(loop.time() * 1_000)))
        self.old, self.new = Writer(self.database), Writer(self.database)
        self.id = ConversationId("")

    async def begin(self) -> None:
        self.id = await MemoryConversations(self.database).open(ANN, BEN)
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
