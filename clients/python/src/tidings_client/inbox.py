"""From the server's events to the application's: counts the stream, fills gaps, catches up by sync (contract §3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final, assert_never

from .choices import Choices
from .conversations import read_conversation, read_history, read_page, read_snapshot
from .effects import Effect, HandOn, Keep
from .errors import ProtocolFault, Refused, Stopped, TidingsError
from .event_reading import read_event, read_tray
from .events import LOG_EVENTS, Conversation, ConversationGone, ConversationState, Event, LogEvent, SettingsChanged
from .logs import Logs, Need
from .notifications import read_notifications
from .progress import Progress
from .reading import Body, int_of, map_of, maps_of, text_of
from .requests import Request, Requests, Result
from .store import Change, Stored
from .sync import SyncRun

HISTORY_LIMIT: Final = 100
LIST_LIMIT: Final = 50
FRUITLESS_MS: Final = 1_000


class Inbox:
    """Everything a session receives that answers none of its user's requests, put in order and handed on.

    `emit` takes effects in their order; `fail` ends the session when the server refuses what it may not refuse.
    """

    def __init__(
        self, stored: Stored, requests: Requests, emit: Callable[[Effect], None], fail: Callable[[Stopped], None]
    ) -> None:
        self.me = stored.user or ""
        self.progress = Progress(stored)
        self.logs = Logs(stored.heads)
        self.awaits_snapshot = False
        self._requests = requests
        self._emit = emit
        self._fail = fail
        self._choices = Choices()
        self._asked: dict[str, Request] = {}
        self._sync: SyncRun | None = None
        self._sync_asked: Request | None = None
        self._list_before: Any = None
        self._list_asked: Request | None = None
        self._since: int | None = None

    @property
    def wants_snapshot(self) -> bool:
        """Whether the next hello asks for a snapshot: nothing is stored yet, or the one asked for has not come."""
        return self.awaits_snapshot or len(self.logs) == 0

    def hand_on(self, event: Event) -> HandOn:
        """The effect that hands an event on, with the next order."""
        return HandOn(self.progress.hand_on(), event)

    def new_stream(self, epoch: str, u: int, *, snapshot: bool) -> None:
        """The stream starts anew at u. What lies before comes by snapshot, or by sync where something is stored."""
        self.progress.begin(epoch, u)
        self.awaits_snapshot = snapshot
        self._take_back(self._sync_asked)
        self._sync = self._sync_asked = None
        if snapshot:
            self._take_back(self._list_asked)
            self._list_before = self._list_asked = None
            return
        since = self.progress.since or self._since or 0
        if self.progress.heads or since:
            self._sync = SyncRun(self.progress.heads, since)
            self._ask_sync(self._sync)
        else:
            self.progress.caught_up(None)

    def snapshot(self, body: Body) -> None:
        """Conversations without a head start at their `last_c`; a head is never moved. The rest of them are listed."""
        snapshot = read_snapshot(body)
        self._start_at_last(snapshot, snapshot.conversations)
        if "notifications" in body:
            self._emit(self.hand_on(read_notifications(body["notifications"])))
        if "tray" in body:
            self._emit(self.hand_on(read_tray(map_of(body, "tray"))))
        self._list_before = body.get("next")
        self._ask_list()
        self.replayed(snapshot.now)

    def replayed(self, now: int) -> None:
        """The server has sent what it replays: a snapshot that has not come by now does not come."""
        if self.awaits_snapshot:
            self.awaits_snapshot = False
            self._since = now
            self._complete()

    def event(self, body: Body) -> bool:
        """An event of the stream. False if it is not the next one: the connection is no longer to be trusted."""
        u = body.get("u")
        if u is not None and int_of(body, "u") != self.progress.u + 1:
            return False
        event = read_event(body)
        if isinstance(event, LOG_EVENTS):
            self._log_event(event)
            return True
        if isinstance(event, ConversationGone):
            self._gone(event)
        else:
            if isinstance(event, SettingsChanged):
                self._choices.heard(event)
            self._emit(self.hand_on(event))
            if isinstance(event, SettingsChanged) and event.folder == "inbox":
                self.logs.reopened(event.conversation)
                self._ask(event.conversation)
        if u is not None:
            self.progress.counted(u)
        return True

    def adopt(self, conversation: Conversation) -> None:
        """A conversation the user has just made: its log starts with what comes next. Known ones stay as they are."""
        head = max(0, conversation.joined_c - 1)
        if conversation.last_c <= head + 1 and self.logs.starts(conversation.id, head):
            self.progress.start_head(conversation.id, head)

    def reconnected(self) -> None:
        """Takes up questions whose answers could not be read on the connection before."""
        if self._sync is not None and self._sync_asked is None and not self._sync.asked_all:
            self._ask_sync(self._sync)
        self._ask_list()
        for conversation in self.logs.waiting():
            self._ask(conversation)

    def hold(self) -> None:
        """Takes its questions back, for their answers would hand on more; `reconnected` asks them again."""
        self._take_back(*self._asked.values(), self._sync_asked, self._list_asked)
        self._asked.clear()
        self._sync_asked = self._list_asked = None

    def _start_at_last(self, event: Event, conversations: Iterable[Conversation]) -> None:
        effect = self.hand_on(event)
        for conversation in conversations:
            if self.logs.starts(conversation.id, conversation.last_c):
                self.progress.carries(effect.order, conversation.id, conversation.last_c, numbered=False)
            else:
                self.logs.reaches(conversation.id, conversation.last_c)
                self._ask(conversation.id)
        self._emit(effect)

    def _log_event(self, event: LogEvent) -> None:
        if event.u is not None:
            self.progress.counted(event.u, event.conversation, event.c)
        self._hand_on_log(self.logs.arrived(event, self.me))
        self._ask(event.conversation)

    def _hand_on_log(self, events: Iterable[LogEvent]) -> None:
        for event in events:
            effect = self.hand_on(event)
            self.progress.carries(effect.order, event.conversation, event.c, numbered=event.u is not None)
            self._emit(effect)

    def _gone(self, event: ConversationGone) -> None:
        conversation = event.conversation
        self.logs.forget(conversation)
        self.progress.forget(conversation)
        self._take_back(self._asked.pop(conversation, None))
        self._emit(Keep(Change(forgotten=conversation)))
        self._emit(self.hand_on(event))
        self._is_current(conversation)

    def _ask(self, conversation: str, after_ms: int = 0) -> None:
        """Asks for what the conversation needs, one question at a time."""
        if conversation in self._asked:
            return
        fields: dict[str, Any] = {"conversation": conversation}
        then: Callable[[str, Body], None]
        match self.logs.need(conversation):
            case Need.CONVERSATION:
                op, then = "conversation.get", partial(self._conversation, self._dated())
            case Need.HISTORY:
                op, then = "message.history", self._history
                fields |= {"after": self.logs.head(conversation), "limit": HISTORY_LIMIT}
            case None:
                self._is_current(conversation)
                return
            case never:
                assert_never(never)
        answered = partial(self._answered, conversation, then)
        self._asked[conversation] = self._requests.ask(op, fields, answered, after_ms=after_ms)

    def _dated(self) -> int:
        """When a question is asked whose answer shows conversations."""
        alone = not self._asked and self._sync_asked is None and self._list_asked is None
        return self._choices.mark(alone=alone)

    def _answered(self, conversation: str, then: Callable[[str, Body], None], result: Result) -> None:
        del self._asked[conversation]
        if isinstance(result, Refused):
            self._gone(ConversationGone(conversation))
        elif isinstance(result, TidingsError):
            self._ask(conversation, FRUITLESS_MS)
        else:
            then(conversation, result)

    def _conversation(self, asked: int, conversation: str, body: Body) -> None:
        state = self._choices.shown(read_conversation(body), asked)
        moved, events = self.logs.joined(conversation, state.joined_c)
        if moved is not None:
            self.progress.start_head(conversation, moved)
        self._emit(self.hand_on(ConversationState(state)))
        self._hand_on_log(events)
        if state.folder != "declined":
            # Requests are in no snapshot: what was said there before this stream began is not sent by itself.
            self.logs.reaches(conversation, state.last_c)
        self._ask(conversation)

    def _history(self, conversation: str, body: Body) -> None:
        history = read_history(body)
        events = self.logs.page(conversation, history.events, more=history.more)
        self._hand_on_log(events)
        # A page that ends before an event that has been seen was read too early: not asked again at once.
        self._ask(conversation, 0 if events else FRUITLESS_MS)

    def _ask_list(self) -> None:
        if self._list_before is not None and self._list_asked is None:
            fields = {"folder": "inbox", "before": self._list_before, "limit": LIST_LIMIT}
            self._list_asked = self._requests.ask("conversation.list", fields, partial(self._listed, self._dated()))

    def _listed(self, asked: int, result: Result) -> None:
        self._list_asked = None
        if isinstance(result, Refused):
            self._list_before = None
        elif not isinstance(result, TidingsError):
            page = read_page(result)
            for item in page.items:
                conversation = self._choices.shown(item, asked)
                self._start_at_last(ConversationState(conversation), [conversation])
            self._list_before = page.next
        self._ask_list()
        self._complete()

    def _complete(self) -> None:
        if self._sync is None and self._list_before is None:
            self.progress.caught_up(self._since)

    def _ask_sync(self, sync: SyncRun) -> None:
        self._sync_asked = self._requests.ask("sync", sync.fields(), partial(self._synced, sync, self._dated()))

    def _synced(self, sync: SyncRun, asked: int, result: Result) -> None:
        self._sync_asked = None
        if isinstance(result, Refused):
            if not sync.restart():
                self._fail(ProtocolFault(f"the server refused sync: {result}"))
                return
        elif not isinstance(result, TidingsError):
            self._sync_page(sync, asked, result)
        if not sync.asked_all:
            self._ask_sync(sync)
        self._is_current(None)

    def _sync_page(self, sync: SyncRun, asked: int, body: Body) -> None:
        for item in maps_of(body, "conversations"):
            if item.get("gone") is True:
                if text_of(item, "id") in self.logs:
                    self._gone(ConversationGone(item["id"]))
            else:
                self._sync_item(sync, asked, item)
        if "notifications" in body:
            self._emit(self.hand_on(read_notifications(body["notifications"])))
        sync.answered(body)

    def _sync_item(self, sync: SyncRun, asked: int, item: dict[str, Any]) -> None:
        state, history = self._choices.shown(read_conversation(item), asked), read_history(item)
        self._emit(self.hand_on(ConversationState(state)))
        first = max(0, state.joined_c - 1)
        if self.logs.starts(state.id, first):
            self.progress.start_head(state.id, first)
        self._hand_on_log(self.logs.page(state.id, history.events, more=history.more))
        if "events" not in item and state.folder != "declined":
            self.logs.reaches(state.id, state.last_c)
        sync.behind.add(state.id)
        self._ask(state.id)

    def _is_current(self, conversation: str | None) -> None:
        """The conversation waits for nothing; the sync is complete when that holds for all it found behind."""
        if (sync := self._sync) is None:
            return
        if conversation is not None:
            sync.behind.discard(conversation)
        if sync.asked_all and not sync.behind:
            self._sync, self._since = None, sync.now
            self._complete()

    def _take_back(self, *asked: Request | None) -> None:
        for request in asked:
            if request is not None:
                self._requests.withdraw(request)
