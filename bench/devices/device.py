"""Devices: sessions by the client rules of docs/protocol.md §3, which log all that they ask and are told. What carries
their connections, and whose clock the loop has, is their world's affair."""

import asyncio
from collections.abc import Collection, Sequence
from random import Random
from typing import Any, Protocol

import msgspec
from msgspec import UNSET

from bench.checker.history import Answered, Asked, Closed, Entry, Kept, Told, Unanswered, Welcomed
from bench.devices.catching_up import CatchingUp
from bench.devices.copies import Logs
from bench.devices.outbox import Outbox, Style
from protocol.conversations import Conversation
from protocol.errors import Close
from protocol.events import LogEvent, ReadMoved, SettingsChanged
from protocol.ids import ConversationId, UserId
from protocol.replies import Opened, Welcome
from protocol.requests import Ack, Hello, Resume, SendMessage
from protocol.requests import Device as Named
from protocol.session import Continuity, Ping, Snapshot, Synced

REPLY_WITHIN_S = 10.0


class Up(Protocol):
    """The way to the server."""

    def write(self, message: Any) -> None: ...


class Connection(Protocol):
    """One socket of a device; `number` is unique in the history. It calls `replied`, `told` and `closed`."""

    number: int

    @property
    def up(self) -> Up: ...

    def answers(self, *, since: float) -> bool:
        """Whether what was asked then should have been answered by now."""

    def hang_up(self, status: int) -> None: ...


class World(Protocol):
    """What surrounds a device."""

    def connect(self, device: Any, url: str | None = None) -> Connection | None: ...

    def log(self, entry: Entry) -> None: ...


class Device:
    """One client instance. What it stores outlives its connections; Its connections call `replied`, `told` and
    `closed`."""

    def __init__(self, name: str, user: UserId, world: World, random: Random, style: Style) -> None:
        self.name = name
        self.user = user
        self.style = style
        self.connection: Connection | None = None
        self.logs = Logs(lambda event: world.log(Kept(self._now(), name, event)))
        self.reads: dict[ConversationId, int] = {}
        self.drafts: dict[ConversationId, str] = {}
        self.heard = 0
        self.outboxes: dict[ConversationId, Outbox] = {}
        self.online = False
        self.retired = False
        self._world = world
        self._random = random
        self._epoch = ""
        self._u = 0
        self._acking = False
        self._drafts_heard: dict[ConversationId, int] = {}
        self._asked: dict[int, tuple[asyncio.Future[Any], Any, float]] = {}
        self._number = 0
        self._failures = 0
        self._follows = random.random() < 0.7
        self._url: str | None = None
        self._catching_up = CatchingUp(self, self.logs, random)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def life(self) -> object:
        return self._epoch, self.connection

    # -- connections --------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Try; on failure try again later, for as long as this instance lives."""
        if self.retired:
            return
        url, self._url = self._url, None
        self.connection = connection = self._world.connect(self, url)
        if connection is None:
            self._reconnect()
            return
        # Only who has everything up to a place may resume from it: half a sync is none.
        resume = Resume(self._epoch, self._u) if self._epoch and self._catching_up.whole else UNSET
        named = Named(self.name, "simulated", "1")
        self._ask(Hello(id=1, token="", device=named, resume=resume, follow=self._follows, snapshot=not self.logs))

    def _reconnect(self) -> None:
        self._failures += 1
        most = min(0.2 * 2**self._failures, 2.0)
        asyncio.get_running_loop().call_later(self._random.uniform(0.01, most), self.connect)

    def hang_up(self) -> None:
        if self.connection:
            self.connection.hang_up(self._random.choice((3000, 3000, 1000)))

    def retire(self) -> None:
        """This instance is wiped: its state is gone, its un-acked sends stay unknown."""
        self.retired = True
        if self.connection:
            self.connection.hang_up(1000)

    def closed(self, connection: Connection, close: Close) -> None:
        if connection is not self.connection:
            return
        self._world.log(Closed(self._now(), self.name, connection.number, close.status))
        self.connection = None
        self.online = False
        asked, self._asked = self._asked, {}
        for future, _, _ in asked.values():
            if not future.done():
                future.set_result(None)
        self._url = close.url or None if self._follows else None
        self._reconnect()

    # -- requests -----------------------------------------------------------------------------------------------

    def say(self, request: Any) -> None:
        """Send what has no answer."""
        if self.connection and self.online:
            self._world.log(Asked(self._now(), self.name, self.connection.number, request))
            self.connection.up.write(request)

    def ask(self, request: Any) -> "asyncio.Future[Any] | None":
        """The result, in time, or None in the future when it stays unknown; no future without a session."""
        return self._ask(request) if self.online else None

    def _ask(self, request: Any) -> "asyncio.Future[Any]":
        connection = self.connection
        assert connection is not None
        self._number += 1
        id = self._number
        request = msgspec.structs.replace(request, id=id)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._asked[id] = future, request, self._now()
        timer = loop.call_later(REPLY_WITHIN_S, self._miss, connection, id)
        future.add_done_callback(lambda _: timer.cancel())
        self._world.log(Asked(self._now(), self.name, connection.number, request))
        connection.up.write(request)
        return future

    def _miss(self, connection: Connection, id: int) -> None:
        future, request, asked_at = self._asked.pop(id)
        if connection.answers(since=asked_at):
            self._world.log(Unanswered(self._now(), self.name, connection.number, request))
        future.set_result(None)
        if isinstance(request, Hello):
            connection.hang_up(3000)

    def send(self, message: SendMessage) -> None:
        """In the order of its conversation."""
        self._outbox(message.conversation).send(message)

    def repeat(self, message: SendMessage) -> None:
        """Once more, beside the order."""
        self.ask(message)

    def said(self, id: ConversationId) -> tuple[Sequence[SendMessage], Sequence[SendMessage]]:
        """What is in the log, and what has no answer yet."""
        outbox = self._outbox(id)
        return outbox.done, outbox.waiting

    def _outbox(self, id: ConversationId) -> Outbox:
        return self.outboxes.setdefault(id, Outbox(self.style, self.ask))

    @property
    def copies(self) -> dict[ConversationId, tuple[int, Sequence[Any]]]:
        return {id: (log.base, log.events) for id, log in self.logs.items() if log.known}

    @property
    def unacked(self) -> Collection[str]:
        """Cids that it still waits for."""
        return {message.cid for box in self.outboxes.values() for message in box.waiting}

    @property
    def settled(self) -> bool:
        """It waits for nothing."""
        return not self.unacked

    # -- what arrives -------------------------------------------------------------------------------------------

    def replied(self, connection: Connection, id: int, result: Any) -> None:
        """The `ok` or the refusal of request `id`."""
        if connection is not self.connection or id not in self._asked:
            return
        future, request, asked_at = self._asked.pop(id)
        match result:
            case Welcome():
                self._welcomed(connection, request, result)
            case Opened():
                self._catching_up.take(result.conversation)
        self._world.log(Answered(self._now(), self.name, connection.number, asked_at, request, result))
        if not future.done():
            future.set_result(result)

    def _welcomed(self, connection: Connection, hello: Hello, welcome: Welcome) -> None:
        resume = hello.resume or None
        self._world.log(Welcomed(self._now(), self.name, connection.number, resume.u if resume else None, welcome))
        self.online = True
        self._failures = 0
        if welcome.outcome != "resumed":
            self._epoch, self._u = welcome.epoch, welcome.u
            self._catching_up.whole = False
            if not hello.snapshot:
                self._catching_up.sync()
        for id in list(self.logs):
            self._catching_up.fill(id)
        for outbox in self.outboxes.values():
            outbox.pump()

    def told(self, connection: Connection, u: int | None, event: Any) -> None:
        """An event; `u` is None for what is not numbered."""
        if connection is not self.connection:
            return
        self._world.log(Told(self._now(), self.name, connection.number, u, event))
        if u is not None:
            self._u = u
            self._ack_soon()
        match event:
            case LogEvent():
                self.logs[event.conversation].apply(event)  # type: ignore[arg-type]
                self._catching_up.fill(event.conversation)
            case ReadMoved():
                self.have_read(event.conversation, event.read_c)
            case SettingsChanged():
                self._set(event)
            case Snapshot():
                self._catching_up.begin(event)
            case Ping() if event.u == self._u:
                self._ack()
            case Ping():
                connection.hang_up(3000)
            case Continuity():
                self._epoch, self._u = event.epoch, event.u
                self._catching_up.sync()
            case Synced():
                self._ack_soon()

    def _set(self, event: SettingsChanged) -> None:
        """What came of a request while it was declined was not sent."""
        if isinstance(event.draft, str):
            self.heard += 1
            self._drafts_heard[event.conversation] = self.heard
            self.drafts[event.conversation] = event.draft
        if event.folder == "inbox":
            self.logs[event.conversation].more = True
            self._catching_up.fill(event.conversation)

    def have_read(self, id: ConversationId, c: int) -> None:
        self.reads[id] = max(self.reads.get(id, 0), c)

    def have_draft(self, shown: Conversation, heard: int) -> None:
        """My draft as the server showed it, unless a newer one was told of since that was asked for."""
        if shown.settings.draft is not UNSET and self._drafts_heard.get(shown.id, 0) <= heard:
            self.drafts[shown.id] = shown.settings.draft

    def _ack_soon(self) -> None:
        """Within a second of storing."""
        if not self._acking:
            self._acking = True
            asyncio.get_running_loop().call_later(self._random.uniform(0.05, 0.9), self._ack)

    def _ack(self) -> None:
        self._acking = False
        heads = self.logs.heads() if self._random.random() < 0.2 else UNSET
        self.say(Ack(epoch=self._epoch, u=self._u, heads=heads))
