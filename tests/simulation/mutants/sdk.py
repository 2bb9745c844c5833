"""Bugs in the Python SDK: what a client decides, its store and the application above it are judged as the server is."""

from collections.abc import Iterable
from typing import Any

import pytest

from tidings_client.events import LogEvent
from tidings_client.inbox import Inbox
from tidings_client.logs import Logs, Need
from tidings_client.progress import Progress
from tidings_client.requests import Requests
from tidings_client.sends import SendQueues
from tidings_client.store import MemoryStore, Unsent


def hands_on_without_filling_a_hole(patch: pytest.MonkeyPatch) -> None:
    """What comes too early is not kept aside: the head jumps there."""
    arrived = Logs.arrived

    def mutated(self: Logs, event: LogEvent, me: str) -> list[LogEvent]:
        log = self._logs.get(event.conversation)
        if log is not None and log.head is not None and event.c > log.head + 1:
            log.head = event.c - 1
        return arrived(self, event, me)

    patch.setattr(Logs, "arrived", mutated)


def hands_on_twice(patch: pytest.MonkeyPatch) -> None:
    """A page of history is taken as it is, whatever of it has come by the stream meanwhile."""

    def mutated(self: Logs, conversation: str, events: Iterable[LogEvent], *, more: bool) -> list[LogEvent]:
        log, ready = self._logs[conversation], list(events)
        log.behind = more
        if ready:
            log.head = ready[-1].c
        return ready

    patch.setattr(Logs, "page", mutated)


def stored_before_the_application_has_taken_it(patch: pytest.MonkeyPatch) -> None:
    """What was handed on counts as stored: a process that dies then has lost what waited for its application."""
    carries = Progress.carries

    def mutated(self: Progress, order: int, conversation: str, c: int, *, numbered: bool) -> None:
        carries(self, order, conversation, c, numbered=numbered)
        self.taken(order)

    patch.setattr(Progress, "carries", mutated)


def known_places_not_counted(patch: pytest.MonkeyPatch) -> None:
    """An event that is dropped, because history brought it before, is not counted on the stream either."""
    log_event = Inbox._log_event

    def mutated(self: Inbox, event: LogEvent) -> None:
        head = self.logs.head(event.conversation)
        if head is None or event.c > head:
            log_event(self, event)

    patch.setattr(Inbox, "_log_event", mutated)


def unsent_dropped_on_reconnect(patch: pytest.MonkeyPatch) -> None:
    """What flew when the connection broke is not sent again."""

    def mutated(self: Requests) -> None:
        self._flying.clear()
        self._due.clear()

    patch.setattr(Requests, "lost", mutated)


def unsent_not_remembered(patch: pytest.MonkeyPatch) -> None:
    keep = MemoryStore.keep

    def mutated(self: MemoryStore, change: Any) -> None:
        if change.queued is None:
            keep(self, change)

    patch.setattr(MemoryStore, "keep", mutated)


def sent_again_with_a_new_cid(patch: pytest.MonkeyPatch) -> None:
    lost = Requests.lost

    def mutated(self: Requests) -> None:
        for request in self._flying.values():
            if request.op == "message.send":
                request.fields["cid"] += "'"
        lost(self)

    patch.setattr(Requests, "lost", mutated)


def restored_in_any_order(patch: pytest.MonkeyPatch) -> None:
    """What an earlier process had queued waits behind what is said now."""
    restore, send = SendQueues.restore, SendQueues.send

    def later(self: SendQueues, unsent: Unsent) -> None:
        self.__dict__.setdefault("_put_off", []).append(unsent)

    def mutated(self: SendQueues, ticket: int, unsent: Unsent) -> None:
        send(self, ticket, unsent)
        for put_off in self.__dict__.pop("_put_off", ()):
            restore(self, put_off)

    patch.setattr(SendQueues, "restore", later)
    patch.setattr(SendQueues, "send", mutated)


def pipelined_without_after(patch: pytest.MonkeyPatch) -> None:
    """Several sends are under way and none of them names the one before it."""
    ask = Requests.ask

    def mutated(self: Requests, op: str, fields: dict[str, Any], *rest: Any, **more: Any) -> Any:
        if op == "message.send":
            fields.pop("after", None)
        return ask(self, op, fields, *rest, **more)

    patch.setattr(Requests, "ask", mutated)


def nothing_asked_of_an_unknown_conversation(patch: pytest.MonkeyPatch) -> None:
    """A conversation that appears is not asked for: its events wait aside for ever."""
    need = Logs.need

    def mutated(self: Logs, conversation: str) -> Need | None:
        found = need(self, conversation)
        return None if found is Need.CONVERSATION else found

    patch.setattr(Logs, "need", mutated)
