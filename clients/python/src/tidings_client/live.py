"""What the server says on a connection in use: replies, pings and the stream (wire contract §3)."""

from __future__ import annotations

from collections.abc import Callable

from .backlog import Backlog
from .effects import Connect, Effect
from .errors import Malformed
from .events import Offline, Online
from .greeting import Welcome
from .heartbeat import Heartbeat
from .inbox import Inbox
from .reading import Body, int_of, text_of
from .reconnect import Reconnect
from .requests import Requests
from .watching import Watching


class Live:
    """Brings each message where it belongs, and tells the application when it is online and when no longer.

    `catching_up`: the connection was closed only because the application was behind, which is none of its business
    unless coming back fails.
    """

    def __init__(
        self,
        requests: Requests,
        inbox: Inbox,
        heartbeat: Heartbeat,
        reconnect: Reconnect,
        backlog: Backlog,
        watching: Watching,
        emit: Callable[[Effect], None],
    ) -> None:
        self.catching_up = False
        self._requests = requests
        self._inbox = inbox
        self._heartbeat = heartbeat
        self._reconnect = reconnect
        self._backlog = backlog
        self._watching = watching
        self._emit = emit
        self._told_online = False

    def received(self, welcome: Welcome, message: Body) -> None:
        """One message. Raises Malformed if it makes no sense, or shows that something the server sent is missing."""
        if "re" in message:
            self._requests.reply(message)
            return
        skipping = self._backlog.skipping
        match message.get("ev"):
            case "ping":
                if not skipping:
                    self._agree(message)
                self._reconnect.pinged()
                self._heartbeat.pinged(self._requests.now)
            case _ if skipping:
                return
            case "synced":
                self._agree(message)
                self._synced(welcome)
            case "snapshot":
                self._inbox.snapshot(message)
            case "continuity":
                epoch, u = text_of(message, "epoch"), int_of(message, "u")
                self._inbox.new_stream(epoch, u, snapshot=self._inbox.awaits_snapshot)
                self._watching.again()
            case _ if self._backlog.crowded and "u" not in message:
                return
            case _:
                if not self._inbox.event(message):
                    raise Malformed("u does not follow the last one")

    def lost(self, code: int | None, plan: Connect) -> None:
        """The connection ended with this code, or could not be had, and the next one is planned."""
        if self._told_online and not self.catching_up:
            self._told_online = False
            self._emit(self._inbox.hand_on(Offline(code, plan.after_ms)))
        self.catching_up = False

    def _synced(self, welcome: Welcome) -> None:
        self._reconnect.replayed()
        self._inbox.replayed(welcome.now)
        if not self._told_online or welcome.outcome != "resumed":
            self._told_online = True
            self._emit(self._inbox.hand_on(Online(welcome.outcome)))

    def _agree(self, message: Body) -> None:
        """The server has sent what was received, no more and no less."""
        if int_of(message, "u") != self._inbox.progress.u:
            raise Malformed("u is not that of the last event")
