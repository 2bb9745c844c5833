"""SDK devices: whatever a client decides is decided by `tidings_client.session.Session`, as it is published."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import Any, Protocol

from bench.checker.history import Entry
from bench.devices.outbox import Style
from protocol.errors import Close
from protocol.ids import ConversationId, UserId
from protocol.requests import SendMessage
from tests.simulation.application import Application, Believed
from tests.simulation.network import Client, Connection
from tests.simulation.sdk_process import Process
from tests.simulation.sdk_wire import SPELLINGS, Wire
from tidings_client import MemoryStore, Settings
from tidings_client.session import Phase

GOODBYE = 1000
DETACH = 3000
LONGEST_NAP_S = 7.0


class World(Protocol):
    """What surrounds a device."""

    def connect(self, device: "SdkDevice", url: str | None = None) -> Connection | None: ...

    def log(self, entry: Entry) -> None: ...


class SdkDevice(Client):
    """One client instance: a store and an application, and one process after another that works on them."""

    def __init__(self, name: str, user: UserId, world: World, random: Random, style: Style) -> None:
        self.name = name
        self.user = user
        self.style = style
        self.retired = False
        self._world = world
        self._random = random
        self._spelling = random.choice(SPELLINGS)
        self._settings = Settings(
            {"id": name, "platform": "simulated", "app": "1"},
            follow=random.random() < 0.8,
            pipeline=random.choice((1, 1, 2, 8)),
            queue=random.choice((1_024, 1_024, 16, 3)),
        )
        self._store = MemoryStore()
        self._application = Application(name, world.log, random)
        self._process: Process | None = None

    # -- processes ----------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """The first process begins."""
        if not self.retired:
            self._begin(None)

    def restart(self) -> None:
        """The process is killed, or ends its client, and another one goes on with the same store."""
        if process := self._process:
            if self._random.random() < 0.4:
                process.leave(self._random.choice((GOODBYE, DETACH)))
            process.die()
            self._begin(self._store.load().heads)

    def _begin(self, heads: Mapping[str, int] | None) -> None:
        self._process = process = Process(
            self.name, self._settings, self._store, self._application, self._open, self._world.log, self._random
        )
        self._application.starts(process.taken, heads)
        process.start()

    def _open(self, url: str | None) -> Wire | None:
        connection = self._world.connect(self, url)
        return Wire(connection, self._spelling, self.name, self._world.log) if connection else None

    def retire(self) -> None:
        self.retired = True
        if process := self._process:
            process.leave(GOODBYE)
            process.die()
            self._process = None

    def hang_up(self) -> None:
        """The network is lost, or the process, or the application does not care for a while."""
        match self._random.choice(("cut", "restart", "restart", "nap")):
            case "cut" if self._process:
                self._process.cut(self._random.choice((0.001, 0.1, 1.5)), self._random.choice((0.001, 0.1, 4.0)))
            case "restart":
                self.restart()
            case "nap":
                self._application.nap(self._random.uniform(0.5, LONGEST_NAP_S))

    # -- the network --------------------------------------------------------------------------------------------

    def _owner(self, connection: Connection) -> Process | None:
        """The process that a connection is of, unless it has died or gone on to another one."""
        process = self._process
        return process if process and process.wire and process.wire.connection is connection else None

    def received(self, connection: Connection, message: Any) -> None:
        if process := self._owner(connection):
            process.received(message)

    def closed(self, connection: Connection, close: Close) -> None:
        if process := self._owner(connection):
            process.closed(close)

    # -- the person ---------------------------------------------------------------------------------------------

    def ask(self, request: Any) -> "asyncio.Future[Any] | None":
        """The `ok` or an error, None if the process dies; no future without a process."""
        return self._process.ask(request) if self._process else None

    def say(self, request: Any) -> None:
        """Typing, which has no answer."""
        if self._process:
            self._process.type(request)

    def send(self, message: SendMessage) -> None:
        if self._process:
            self._application.says(message)
            give_up = self._process.send(message)
            if self._random.random() < 0.05:
                asyncio.get_running_loop().call_later(self._random.uniform(0, 1), give_up)

    def repeat(self, message: SendMessage) -> None:
        """Once more: joined with what waits, or beside the order, in which a send that is done has no place."""
        if (message.conversation, message.cid) in self._application.pending:
            self.send(message)
        else:
            self.ask(message)

    def said(self, id: ConversationId) -> tuple[Sequence[SendMessage], Sequence[SendMessage]]:
        """What is in the log, and what has no answer yet."""
        application = self._application
        waiting = [message for (conversation, _), message in application.pending.items() if conversation == id]
        return application.done.get(id, []), waiting

    # -- in the end ---------------------------------------------------------------------------------------------

    @property
    def logs(self) -> Mapping[ConversationId, Believed]:
        return self._application.logs

    @property
    def reads(self) -> Mapping[ConversationId, int]:
        return self._application.reads

    @property
    def drafts(self) -> Mapping[ConversationId, str]:
        return self._application.drafts

    @property
    def copies(self) -> dict[ConversationId, tuple[int, Sequence[Any]]]:
        return {id: (log.base, log.events) for id, log in self.logs.items()}

    @property
    def online(self) -> bool:
        return self._process is not None and self._process.session.phase is Phase.LIVE

    @property
    def unacked(self) -> Collection[str]:
        """What the application waits for, and what the store would send again."""
        return {cid for _, cid in (*self._application.pending, *self._store.load().unsent)}

    @property
    def settled(self) -> bool:
        """It may take half a minute until the SDK tries again to connect; before that nothing can be expected of it."""
        return self.online and not self.unacked
