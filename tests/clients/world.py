"""A session, its store and its application in front of the model server, under a clock that only tests move."""

from __future__ import annotations

from collections import deque
from typing import Any, assert_never

from tests.clients.model_server import ME, ModelServer, Wire
from tidings_client import Event, MemoryStore, Message, SendEnded, Session, Settings, Snapshot, TidingsError, Unsent
from tidings_client.effects import Answer, Close, Connect, Effect, HandOn, Keep, Stop, Welcomed, Write
from tidings_client.session import Phase


class World:
    """Carries out effects. `handed` is what the application got in this life, `taken` how much of it it is done with.

    `lives` holds both for the lives before. With `answering`, the application answers every message of others before it
    takes the next event, and replies stand on the wire behind the events the server wrote before.
    """

    def __init__(self, pipeline: int = 1, queue: int = 1_024, *, answering: bool = False) -> None:
        self.server = ModelServer()
        self.store = MemoryStore()
        self.now = 0
        self.lives: list[tuple[list[Event], int]] = []
        self.answers: dict[int, dict[str, Any] | TidingsError] = {}
        self.asked: list[tuple[int, Unsent]] = []
        self.stopped: list[TidingsError] = []
        self.closes: list[int] = []
        self._settings = Settings({"id": "d", "platform": "test", "app": "test"}, pipeline=pipeline, queue=queue)
        self._answering = answering
        self._born()

    def _born(self) -> None:
        self.handed: list[Event] = []
        self.taken = 0
        self.untaken: deque[int] = deque()
        self.wire: Wire | None = None
        self.connect_at: int | None = None
        self._paused = False
        self._awaited: int | None = None
        self.session = Session(self._settings, self.store.load(), lambda: 0.5)
        self.perform(self.session.start(self.now))

    def perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Connect():
                    self.connect_at = self.now + effect.after_ms
                case Write():
                    if self.wire is not None:
                        self.wire.to_server.append(effect.message)
                case Close():
                    self.closes.append(effect.code)
                case Keep():
                    self.store.keep(effect.change)
                case HandOn():
                    self.handed.append(effect.event)
                    self.untaken.append(effect.order)
                case Answer():
                    assert effect.ticket not in self.answers
                    self.answers[effect.ticket] = effect.result
                case Stop():
                    self.stopped.append(effect.error)
                case Welcomed():
                    pass
                case never:
                    assert_never(never)

    def connect(self) -> None:
        """Opens the connection that is asked for, at its time."""
        if self.connect_at is not None:
            self.now = max(self.now, self.connect_at)
            self.connect_at, self.wire = None, Wire()
            if self._answering:
                self.wire.events = self.wire.replies
            self.perform(self.session.opened("token", self.now))

    def cut(self, code: int | None = None) -> None:
        if self.wire is not None:
            self.wire = None
            self.perform(self.session.lost(code, "", self.now))

    def die(self) -> None:
        """The process is killed and starts again with what the store kept."""
        self.lives.append((self.handed, self.taken))
        self._born()

    def send(self, conversation: str, text: str) -> int:
        ticket = len(self.asked) + 1
        unsent = Unsent(conversation, f"cid{ticket}", {"text": text})
        self.asked.append((ticket, unsent))
        self.perform(self.session.send(ticket, unsent, self.now))
        return ticket

    def serve(self, fate: str = "answered") -> bool:
        """The server handles one message."""
        if self.wire is None or not self.wire.to_server:
            return False
        self.server.answer(self.wire.to_server.popleft(), self.wire, fate)
        return True

    def deliver(self, *, replies: bool) -> bool:
        """One message reaches the client."""
        if self.wire is None or not (queue := self.wire.replies if replies else self.wire.events):
            return False
        if not replies and self.session.phase is Phase.GREETING and not self._answering:
            return False
        was_paused, self._paused = self._paused, self.session.paused
        if self._paused:
            return False
        if was_paused:
            self.session.unpaused(self.now)
        self.perform(self.session.received(queue.popleft(), self.now))
        self._close()
        return True

    def take(self) -> bool:
        """The application does something about the event in its hands, or is done with it."""
        if not self.untaken:
            return False
        event = self.handed[self.taken]
        if self._answering and self._awaited is None and isinstance(event, Message) and event.sender != ME:
            self._awaited = self.send(event.conversation, f"re {event.c}")
            return True
        if self._awaited is not None and self._awaited not in self.answers:
            return False
        self._awaited = None
        self.taken += 1
        self.perform(self.session.taken(self.untaken.popleft(), self.now))
        self._close()
        return True

    def pass_time(self, ms: int) -> None:
        self.now += ms
        self.server.now += ms
        self.perform(self.session.tick(self.now))
        self._close()

    def _close(self) -> None:
        if self.session.phase is Phase.CLOSING:
            self.cut(3000)

    def work(self) -> bool:
        """One step of whatever there is to do, without a fault."""
        return self.serve() or self.deliver(replies=True) or self.deliver(replies=False) or self.take()

    def settle(self) -> None:
        """Everything works from now on, until nothing is left to do."""
        for _ in range(100_000):
            self.connect()
            worked = self.work()
            if not worked and not self._waits():
                return
            if not worked and self.session.wake_at is not None:
                self.pass_time(max(0, self.session.wake_at - self.now))
        raise AssertionError("does not come to rest")

    def _waits(self) -> bool:
        busy = len(self.session._questions) > 0 or self.session.phase is not Phase.LIVE
        return busy or (self.session.wake_at or 0) < self.now + 10_000

    def places(self, events: list[Event]) -> dict[str, list[int]]:
        """Per conversation, the places handed on; a snapshot's `last_c` stands for what it replaces."""
        places: dict[str, list[int]] = {}
        for event in events:
            if isinstance(event, Message):
                places.setdefault(event.conversation, []).append(event.c)
            elif isinstance(event, Snapshot):
                for item in event.conversations:
                    places.setdefault(item.id, [item.last_c])
        return places

    def results(self) -> dict[int, Any]:
        """What became of each send: its answer, or the event that took the answer's place."""
        events = [event for life, _ in [*self.lives, (self.handed, 0)] for event in life]
        ended = {(event.conversation, event.cid): event for event in events if isinstance(event, SendEnded)}
        told = {ticket: ended.get((unsent.conversation, unsent.cid)) for ticket, unsent in self.asked}
        return told | self.answers
