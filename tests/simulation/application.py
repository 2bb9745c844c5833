"""The application on top of an SDK: it takes events in its own time, and believes what it is handed."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from random import Random

import msgspec

from bench.checker.history import Decided, Entry, HandedOn, Kept, Restarted, Said
from protocol.events import AnyLogEvent, LogEvent
from protocol.ids import ConversationId
from protocol.requests import SendMessage
from tidings_client import events
from tidings_client.effects import HandOn
from tidings_client.events import LOG_EVENTS, ConversationState, Event, Read, SendEnded, SettingsChanged, Snapshot

MANY = 40
"""So many events an application takes at once, if they are there."""


class Believed:
    """One conversation from `base` (exclusive) on, as it was handed on: a hole would stay one."""

    def __init__(self, base: int) -> None:
        self.base = self.head = base
        self.events: list[AnyLogEvent] = []

    def forget_after(self, c: int) -> None:
        self.head = min(self.head, c)
        self.events = [event for event in self.events if event.c <= c]


class Application:
    """What it has taken is stored. `pending` are the sends whose end it was not told of yet, in the order said.

    `taken` hears of the order of the last event that it is done with.
    """

    def __init__(self, device: str, log: Callable[[Entry], None], random: Random) -> None:
        self.logs: dict[ConversationId, Believed] = {}
        self.reads: dict[ConversationId, int] = {}
        self.drafts: dict[ConversationId, str] = {}
        self.pending: dict[tuple[ConversationId, str], SendMessage] = {}
        self.done: dict[ConversationId, list[SendMessage]] = {}
        self._device = device
        self._log = log
        self._random = random
        self._loop = asyncio.get_running_loop()
        self._slowness = random.choice((0.005, 0.05, 0.2))
        self._untaken: deque[tuple[int, Event | AnyLogEvent, bool]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._taken: Callable[[int], None]

    # -- its process --------------------------------------------------------------------------------------------

    def starts(self, taken: Callable[[int], None], heads: Mapping[str, int] | None = None) -> None:
        """A process begins; of an earlier one there is left what the store knows of, which is up to its `heads`."""
        self._taken = taken
        self._untaken.clear()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if heads is None:
            return
        stored = {ConversationId(id): c for id, c in heads.items()}
        self._log(Restarted(self._loop.time(), self._device, stored))
        self.logs = {id: self.logs.get(id) or Believed(c) for id, c in stored.items()}
        for id, log in self.logs.items():
            log.forget_after(stored[id])

    def nap(self, seconds: float) -> None:
        """It takes nothing for a while."""
        self._rest(seconds)

    def _rest(self, seconds: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._take_some)

    # -- what it sends ------------------------------------------------------------------------------------------

    def says(self, message: SendMessage) -> None:
        key = message.conversation, message.cid
        if key not in self.pending and message not in self.done.get(message.conversation, ()):
            self.pending[key] = message
            self._log(Said(self._loop.time(), self._device, *key))

    def hears(self, conversation: ConversationId, cid: str, c: int | None) -> None:
        """What became of a send."""
        self._log(Decided(self._loop.time(), self._device, conversation, cid, c))
        message = self.pending.pop((conversation, cid), None)
        if message is not None and c is not None:
            self.done.setdefault(conversation, []).append(message)

    # -- what it takes ------------------------------------------------------------------------------------------

    def hand_on(self, handed: HandOn, listed: bool) -> None:
        """`listed`: a conversation's state that comes by listing on where a snapshot ended."""
        event: Event | AnyLogEvent = handed.event
        if isinstance(event, LOG_EVENTS):
            event = logged = msgspec.convert(event.body, AnyLogEvent)
            self._log(HandedOn(self._loop.time(), self._device, logged))
        elif isinstance(event, SendEnded):
            self.hears(ConversationId(event.conversation), event.cid, event.c)
        self._put(handed.order, event, listed=listed)

    def opened(self, conversation: events.Conversation) -> None:
        """One that it has made itself: its copy starts with what comes next, as the SDK's does."""
        if conversation.last_c <= max(conversation.joined_c, 1):
            self._put(0, ConversationState(conversation), listed=False)

    def _put(self, order: int, event: Event | AnyLogEvent, *, listed: bool) -> None:
        self._untaken.append((order, event, listed))
        if self._timer is None:
            self._rest(self._random.expovariate(1 / self._slowness))

    def _take_some(self) -> None:
        self._timer = None
        done = 0
        for _ in range(min(len(self._untaken), self._random.choice((1, 3, MANY)))):
            order, event, listed = self._untaken.popleft()
            done = order or done
            self._take(event, listed)
        if self._untaken:
            self._rest(self._random.expovariate(1 / self._slowness))
        if done:
            self._taken(done)

    def _take(self, event: Event | AnyLogEvent, listed: bool) -> None:
        match event:
            case LogEvent():
                self._keep(event)
            case Read():
                self._have_read(event.conversation, event.read_c)
            case SettingsChanged(body={"draft": str(draft)}):
                self.drafts[ConversationId(event.conversation)] = draft
            case Snapshot():
                for conversation in event.conversations:
                    self._show(conversation, conversation.last_c)
            case ConversationState(conversation=conversation):
                self._show(conversation, conversation.last_c if listed else max(conversation.joined_c - 1, 0))
            case _:
                pass

    def _keep(self, event: AnyLogEvent) -> None:
        log = self.logs.setdefault(event.conversation, Believed(event.c - 1))
        log.head = event.c
        log.events.append(event)
        self._log(Kept(self._loop.time(), self._device, event))

    def _show(self, shown: events.Conversation, base: int) -> None:
        id = ConversationId(shown.id)
        self.logs.setdefault(id, Believed(base))
        self._have_read(id, shown.read_c)
        if isinstance(draft := shown.settings.get("draft"), str):
            self.drafts[id] = draft

    def _have_read(self, id: str, c: int) -> None:
        self.reads[ConversationId(id)] = max(self.reads.get(ConversationId(id), 0), c)
