"""A node as far as it hosts conversations, for tests of what it answers and when."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

from actors.conversation_commands import Asking, Choose, Send
from actors.effects import Address, Asked, conversation_address
from persistence.conversations.database import Database, Fault, no_fault
from persistence.conversations.memory import MemoryConversations
from protocol.ids import ConversationId, UserId
from protocol.replies import Result
from protocol.requests import ChangeSettings, SendMessage
from server.committer import Committer
from server.host import Host
from server.kinds import ConversationKind
from server.observe import Metrics
from server.population import Population
from server.requests import Requests

ANN, BEN = UserId("1024"), UserId("2048")


class Writer:
    """Nobody is connected to it; `fault` strikes its store. `told` is what it told anybody."""

    def __init__(self, database: Database, fault: Fault = no_fault) -> None:
        loop = asyncio.get_running_loop()
        store = MemoryConversations(database, fault)
        self._committer = Committer([store.commit], Metrics(loop.time))
        self._committing = loop.create_task(self._committer.run())
        self._requests = Requests(self.tell, store, None, self.reply)  # type: ignore[arg-type]
        kinds = [ConversationKind(store)]
        self.host = Host(Population(kinds, database.now), self, self._committer, database.now)
        self.told: list[object] = []
        self._numbers = count(1)
        self._replies: dict[Asked, asyncio.Future[Result]] = {}

    def reply(self, request: Asked, result: Result) -> None:
        self._replies.pop(request).set_result(result)

    def deliver(self, audience: tuple[Address, ...], body: object) -> None:
        self.told.append(body)

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
