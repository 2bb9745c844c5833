"""Carries out a session's effects on asyncio: connects, writes, remembers, answers, wakes."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from typing import Any, Final, assert_never

from .addresses import safe_redirect
from .codec import Codec, check
from .credential import Credential, TokenSource
from .effects import Answer, Close, Connect, Effect, HandOn, Keep, Stop, Welcomed, Write
from .errors import AuthenticationFailed, Malformed, Refused, Stopped, TidingsError
from .event_queue import EventQueue
from .greeting import MESSAGE_BYTES
from .link import Ended, Link, Unreachable, open_link
from .requests import Result
from .session import Phase, Session
from .settings import Settings
from .store import Change, Store, Unsent

log: Final = logging.getLogger("tidings_client")


class Driver:
    """One session, its connections one after another, and those who wait for its answers.

    `token_source` gives an access token; it is told the one the server no longer accepts, or None. From it, Stopped and
    Refused end the session; OSError, TimeoutError and Malformed mean a failed attempt. With `settings.queue` 0 no
    events are kept for the application: they count as done with at once.
    """

    def __init__(
        self,
        url: str,
        codec: Codec,
        token_source: TokenSource,
        settings: Settings,
        store: Store,
        random: Callable[[], float],
    ) -> None:
        self.user = ""
        self.outcome = ""
        self.session = Session(settings, store.load(), random)
        self.queue = EventQueue(self._taken)
        self._listens = settings.queue > 0
        self._url = url
        self._codec = codec
        self._credential = Credential(token_source)
        self._store = store
        self._largest = MESSAGE_BYTES
        self._link: Link | None = None
        self._plan: Connect | None = None
        self._tickets = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Result]] = {}
        self._online = asyncio.Event()
        self._end: Stopped | None = None
        self._failure: Exception | None = None
        self._trouble = ""
        self._stirred = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._runner: asyncio.Task[None] | None = None

    @property
    def ended(self) -> bool:
        """The session is over; a new one needs a new driver."""
        return self._end is not None

    async def start(self) -> None:
        """Runs until `leave`. Returns once hello was accepted; raises what stopped the session before that."""
        self._runner = asyncio.create_task(self._run())
        try:
            await self.online()
        except BaseException:
            self._runner.cancel()
            await asyncio.wait([self._runner])
            raise

    async def online(self) -> None:
        """Waits until hello was accepted on a connection; raises the error that stopped the session."""
        await self._online.wait()
        if self._end is not None:
            raise self._end.with_traceback(None)

    async def leave(self, code: int) -> None:
        """Ends the session with this close code; raises what made it fail, if it did."""
        self._perform(self.session.leave(code, self._now()))
        if self._runner is None:
            return
        if self._link is None:
            self._runner.cancel()
        await asyncio.wait([self._runner])
        if self._failure is not None:
            raise self._failure

    async def ask(self, op: str, fields: dict[str, Any]) -> dict[str, Any]:
        """One request; raises Refused, OutcomeUnknown, QueueFull, Stopped; ValueError for what cannot be sent."""
        check(fields)
        return await self._answer(lambda ticket: self.session.ask(ticket, op, fields, self._now()))

    async def send(self, unsent: Unsent) -> dict[str, Any]:
        """One send, in the order of its conversation; raises as `ask`."""
        check({**unsent.content}, "after")
        return await self._answer(lambda ticket: self.session.send(ticket, unsent, self._now()), unsent)

    async def background(self, on: bool) -> None:
        """Tells the server, now and at every later hello."""
        await self._answer(lambda ticket: self.session.background(ticket, on, self._now()))

    def typing(self, conversation: str, kind: str) -> None:
        """Says so if there is a connection."""
        self._perform(self.session.typing(conversation, kind, self._now()))

    def cut(self) -> None:
        """Drops the connection as a lost network would; the session comes back by itself."""
        if self._end is None:
            self._online.clear()
        self._stirred.set()
        if self._link is not None:
            self._link.cut()

    async def _answer(self, ask: Callable[[int], list[Effect]], unsent: Unsent | None = None) -> dict[str, Any]:
        ticket = next(self._tickets)
        answer: asyncio.Future[Result] = self._loop.create_future()
        self._waiting[ticket] = answer
        try:
            self._perform(ask(ticket))
            result = await answer
        except asyncio.CancelledError:
            self.session.abandon(ticket)
            if unsent is not None and answer.done() and not answer.cancelled():
                self._perform(self.session.unheard(unsent, answer.result(), self._now()))
            raise
        finally:
            del self._waiting[ticket]
        if isinstance(result, TidingsError):
            raise result.with_traceback(None)
        return result

    async def _run(self) -> None:
        try:
            self._perform(self.session.start(self._now()))
            while (plan := self._plan) is not None:
                self._plan = None
                await asyncio.sleep(plan.after_ms / 1_000)
                code, reason = await self._attempt(plan)
                was_online = self._online.is_set()
                if self._end is None:
                    self._online.clear()
                self._perform(self.session.lost(code, reason, self._now()))
                if code is not None and not was_online:
                    self._explain(f"closed with {code} {reason}")
        except Exception as error:
            self._fail(error)
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _fail(self, error: Exception) -> None:
        """What was not foreseen ends the session. `leave` raises it."""
        self._failure = error
        stopped = Stopped(f"the client failed: {error!r}")
        stopped.__cause__ = error
        self._perform(self.session.give_up(stopped))

    async def _attempt(self, plan: Connect) -> Ended:
        try:
            token = await self._credential.token(fresh=plan.fresh_token)
            link = await open_link(safe_redirect(self._url, plan.url) or self._url, self._codec)
        except Stopped as error:
            self._perform(self.session.give_up(error))
            return None, ""
        except Unreachable as error:
            self._warn(str(error))
            return None, error.reason
        except Refused as refusal:
            self._perform(self.session.give_up(AuthenticationFailed(f"there is no token to be had: {refusal}")))
            return None, ""
        except (OSError, TimeoutError, Malformed) as error:
            self._warn(f"no token: {error!r}")
            return None, ""
        self._credential.presented()
        self._link = link
        try:
            self._perform(self.session.opened(token, self._now()))
            return await link.run(self._received, self._room)
        finally:
            self._link = None

    def _explain(self, trouble: str) -> None:
        """A server that closed before hello was accepted, and neither names another nor wants a fresh token."""
        if self._plan is not None and self._plan.url is None and not self._plan.fresh_token:
            self._warn(trouble)

    def _warn(self, trouble: str) -> None:
        """Once for each kind of trouble in a row, and loud before the first hello: a wrong address would be waited for
        without a word, while later the application hears Offline."""
        if trouble != self._trouble:
            self._trouble = trouble
            level = logging.INFO if self.user else logging.WARNING
            log.log(level, "%s cannot be used and is tried again: %s", self._url.rpartition("@")[2], trouble)

    def _received(self, frame: bytes | str) -> None:
        try:
            message = self._codec.decode(frame)
        except Malformed:
            self._perform(self.session.garbled(self._now()))
            return
        self._perform(self.session.received(message, self._now()))

    async def _room(self) -> None:
        """Waits until the session wants to hear more, or the connection was cut."""
        if not self.session.paused:
            return
        while self.session.paused and self._online.is_set():
            self._stirred.clear()
            await self._stirred.wait()
        self.session.unpaused(self._now())
        self._arm()

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case HandOn():
                    self._hand_on(effect)
                case Write():
                    self._write(effect.message)
                case Answer():
                    self._answered(effect)
                case Keep():
                    self._keep(effect.change)
                case Close():
                    if self._link is not None:
                        self._link.close(effect.code)
                case Connect():
                    self._plan = effect
                case Welcomed():
                    self.user, self.outcome, self._largest = effect.user, effect.outcome, effect.message_bytes
                    self._trouble = ""
                    self._online.set()
                case Stop():
                    self._stopped(effect.error)
                case never:
                    assert_never(never)
        self._arm()

    def _hand_on(self, handed: HandOn) -> None:
        if self._listens:
            self.queue.put(handed)
        else:
            self._taken(handed.order)

    def _keep(self, change: Change) -> None:
        try:
            if self._failure is None:
                self._store.keep(change)
        except Exception as error:
            self._fail(error)

    def _write(self, message: dict[str, Any]) -> None:
        # Nothing may leave that relies on what a failed store does not remember.
        if self._link is not None and self._failure is None and (size := self._link.write(message, self._largest)):
            self._perform(self.session.too_large(message.get("id", 0), size, self._now()))

    def _answered(self, answer: Answer) -> None:
        future = self._waiting.get(answer.ticket)
        if future is not None and not future.done():
            future.set_result(answer.result)

    def _stopped(self, error: Stopped) -> None:
        self._end = error
        self.queue.end(error)
        self._online.set()

    def _taken(self, order: int) -> None:
        self._perform(self.session.taken(order, self._now()))

    def _arm(self) -> None:
        self._stirred.set()
        at = self.session.wake_at
        if self.session.phase is Phase.STOPPED or at is None:
            return
        if self._timer is None or self._timer.cancelled() or self._timer.when() > at / 1_000:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(at / 1_000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._perform(self.session.tick(self._now()))

    def _now(self) -> int:
        return int(self._loop.time() * 1_000)
