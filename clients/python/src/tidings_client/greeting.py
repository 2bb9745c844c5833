"""hello and its reply (wire contract §3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from .effects import Effect, Keep, Welcomed, Write
from .errors import ProtocolFault, Stopped, WrongUser
from .heartbeat import Heartbeat
from .inbox import Inbox
from .pace import Pace
from .reading import Body, int_of, int_or_none, map_of, text_of
from .reconnect import Reconnect
from .requests import FINAL, REPLY_MS, Requests
from .store import Change

HELLO_ID: Final = 1
MESSAGE_BYTES: Final = 65_536
PLATFORM: Final = "python"
APP: Final = "tidings-client"


@dataclass(frozen=True, slots=True)
class Welcome:
    """What hello is answered with; the limits as the paces that keep them."""

    user: str
    epoch: str
    u: int
    outcome: str
    ping_ms: int
    now: int
    message_bytes: int
    requests: Pace
    typing: Pace


def described(device: str, platform: str, app: str) -> dict[str, str]:
    """A device as hello and a login name it."""
    return {"id": device, "platform": platform, "app": app}


class Greeting:
    """Says hello on each new connection and takes up the reply. `due`: when the reply is given up, in ms.

    `close` closes the connection, `fail` ends the session.
    """

    def __init__(
        self,
        device: Mapping[str, str],
        inbox: Inbox,
        heartbeat: Heartbeat,
        reconnect: Reconnect,
        requests: Requests,
        emit: Callable[[Effect], None],
        close: Callable[[], None],
        fail: Callable[[Stopped], None],
    ) -> None:
        self.due = 0
        self._device = device
        self._inbox = inbox
        self._heartbeat = heartbeat
        self._reconnect = reconnect
        self._requests = requests
        self._emit = emit
        self._close = close
        self._fail = fail

    def hello(self, token: str) -> None:
        """The first request of a connection: where the stream is continued, and what is wanted of it."""
        self.due = self._requests.now + REPLY_MS
        self._reconnect.stale_token = False
        inbox, progress = self._inbox, self._inbox.progress
        message: dict[str, Any] = {"op": "hello", "id": HELLO_ID, "token": token, "device": dict(self._device)}
        if progress.epoch is not None and not inbox.awaits_snapshot:
            message["resume"] = {"epoch": progress.epoch, "u": progress.u}
        if self._reconnect.follow:
            message["follow"] = True
        if not inbox.wants_snapshot:
            message["snapshot"] = False
        if self._heartbeat.background:
            message["background"] = True
        self._emit(Write(message))

    def answered(self, reply: Body) -> Welcome | None:
        """What hello was answered with; None where that ends the connection or the session. Raises Malformed."""
        if "ok" in reply:
            return self._welcomed(_read_welcome(map_of(reply, "ok")))
        error = map_of(reply, "err")
        code = text_of(error, "code")
        if code == "unauthenticated":
            # The close code that follows tells an expired token from a bad one; a cut instead of it means: try afresh.
            self._reconnect.stale_token = True
        elif code in FINAL:
            self._fail(ProtocolFault(f"the server refused hello: {code}"))
        else:
            self._reconnect.retry_ms = int_or_none(error, "retry_ms")
            self._close()
        return None

    def _welcomed(self, welcome: Welcome) -> Welcome | None:
        inbox, wants_snapshot = self._inbox, self._inbox.wants_snapshot
        if inbox.me and inbox.me != welcome.user:
            self._fail(WrongUser("the store belongs to another user"))
            return None
        if not inbox.me:
            self._emit(Keep(Change(user=welcome.user)))
        inbox.me = welcome.user
        self._reconnect.welcomed()
        self._requests.connected(welcome.requests)
        self._heartbeat.welcomed(welcome.ping_ms, self._requests.now)
        self._emit(Welcomed(welcome.user, welcome.outcome, welcome.message_bytes))
        if welcome.outcome != "resumed":
            inbox.new_stream(welcome.epoch, welcome.u, snapshot=wants_snapshot)
        inbox.reconnected()
        return welcome


def _read_welcome(ok: Body) -> Welcome:
    """The `ok` of hello's reply."""
    limits = map_of(ok, "limits")
    return Welcome(
        user=text_of(ok, "user"),
        epoch=text_of(ok, "epoch"),
        u=int_of(ok, "u"),
        outcome=text_of(ok, "outcome"),
        ping_ms=int_of(ok, "ping_ms"),
        now=int_of(ok, "now"),
        message_bytes=int_or_none(limits, "message_bytes") or MESSAGE_BYTES,
        requests=Pace(_rate(limits, "requests_per_s"), _rate(limits, "burst")),
        typing=Pace(_rate(limits, "typing_per_s")),
    )


def _rate(limits: Body, key: str) -> float:
    """A limit; one that is missing, or no number, is none."""
    value = limits.get(key)
    return float(value) if isinstance(value, int | float) else 0.0
