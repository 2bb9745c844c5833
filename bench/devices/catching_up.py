"""How a device comes to have everything: a snapshot and its further pages, `sync` when its stream was broken,
`message.history` where there is a hole."""

import asyncio
from collections.abc import Coroutine, Sequence
from random import Random
from typing import Any, Protocol

from msgspec import UNSET

from bench.devices.copies import Logs
from protocol.conversations import Conversation
from protocol.errors import Refusal
from protocol.ids import ConversationId
from protocol.replies import Conversations, History, SyncPage
from protocol.requests import GetConversation, GetHistory, ListConversations, Sync
from protocol.session import Snapshot

AGAIN_S = 0.3


class Session(Protocol):
    """The device, as far as it takes to catch up. `life` changes with every connection and every epoch.

    `heard` counts the settings that it was told of: what was shown to a question from before is not newer than they.
    """

    @property
    def life(self) -> object: ...

    def ask(self, request: Any) -> "asyncio.Future[Any] | None": ...

    @property
    def heard(self) -> int: ...

    def have_read(self, id: ConversationId, c: int) -> None: ...

    def have_draft(self, shown: Conversation, heard: int) -> None: ...


class CatchingUp:
    """`whole` says that the copies lack nothing before the place in the stream that the device has reached."""

    def __init__(self, session: Session, logs: Logs, random: Random) -> None:
        self.whole = False
        self.since = 0
        self._session = session
        self._logs = logs
        self._random = random
        self._filling: set[ConversationId] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def begin(self, snapshot: Snapshot) -> None:
        """Without any copy: from the newest places on, of the conversations that it names and of the others."""
        self._start(snapshot.conversations, self._session.heard)
        if snapshot.next is UNSET:
            self.whole, self.since = True, snapshot.now
        else:
            self._spawn(self._list(snapshot.next, snapshot.now))

    async def _list(self, before: str, now: int) -> None:
        session, life = self._session, self._session.life
        while life == session.life:
            heard = session.heard
            future = session.ask(ListConversations(id=1, before=before))
            page = await future if future else None
            if not isinstance(page, Conversations):
                await asyncio.sleep(AGAIN_S)
                continue
            self._start(page.items, heard)
            if page.next is UNSET:
                self.whole, self.since = life == session.life, now
                return
            before = page.next

    def _start(self, conversations: Sequence[Conversation], heard: int) -> None:
        for shown in conversations:
            self._logs[shown.id].start(shown.last_c)
            self._session.have_read(shown.id, shown.read_c)
            self._session.have_draft(shown, heard)

    def sync(self) -> None:
        """Until it is whole, or this life is over: the next one starts its own."""
        self.whole = False
        self._spawn(self._sync())

    async def _sync(self) -> None:
        session, life = self._session, self._session.life
        cursor: Any = UNSET
        heads = self._logs.heads()
        while life == session.life:
            heard = session.heard
            future = session.ask(Sync(id=1, heads=heads, since=self.since, cursor=cursor))
            page = await future if future else None
            if not isinstance(page, SyncPage):
                cursor = UNSET
                await asyncio.sleep(AGAIN_S)
                continue
            for item in page.conversations:
                if isinstance(item, Conversation):
                    self.take(item)
                    session.have_draft(item, heard)
            if page.cursor is UNSET:
                self.since, self.whole = page.now, life == session.life
                return
            cursor = page.cursor

    def take(self, item: Conversation) -> None:
        """A conversation as the server shows it, with or without events."""
        log = self._logs[item.id]
        self._session.have_read(item.id, item.read_c)
        if item.events is UNSET:
            log.start(max(item.joined_c - 1, 0))
        for event in item.events or ():
            log.apply(event)
        log.more = log.more or bool(item.more) or (item.last_c > log.head and item.folder != "declined")
        self.fill(item.id)

    def fill(self, id: ConversationId) -> None:
        """Close the hole in this copy, if there is one."""
        if self._logs[id].behind and id not in self._filling:
            self._filling.add(id)
            self._spawn(self._fill(id))

    async def _fill(self, id: ConversationId) -> None:
        log = self._logs[id]
        while log.behind and (future := self._session.ask(self._question(id))):
            heard = self._session.heard
            answer = await future
            match answer:
                case Conversation():
                    log.start(max(answer.joined_c - 1, 0))
                    log.more = answer.last_c > log.head
                    self._session.have_read(id, answer.read_c)
                    self._session.have_draft(answer, heard)
                case History():
                    log.more = answer.more
                    for event in answer.events:
                        log.apply(event)
                case Refusal():
                    await asyncio.sleep(AGAIN_S)
        self._filling.discard(id)

    def _question(self, id: ConversationId) -> GetConversation | GetHistory:
        log = self._logs[id]
        if not log.known:
            return GetConversation(id=1, conversation=id)
        return GetHistory(id=1, conversation=id, after=log.head, limit=self._random.randint(2, 20))
