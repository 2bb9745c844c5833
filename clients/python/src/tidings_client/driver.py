"""Carries out a session's effects on asyncio: connects, writes, remembers, answers, wakes."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, assert_never

from .addresses import safe_redirect
from .codec import Codec
from .effects import Answer, Close, Connect, Effect, HandOn, Keep, Stop, Welcomed, Write
from .errors import Malformed, Stopped, TidingsError
from .event_queue import EventQueue
from .greeting import MESSAGE_BYTES
from .link import Ended, Link, Unreachable, open_link
from .session import Phase, Session, Settings
from .store import Store, Unsent

TokenSource: TypeAlias = Callable[[str | None], Awaitable[str]]


class Driver:
    """One session, its connections one after another, and those who wait for its answers.

    `token_source` gives an access token; it is told the one the server no longer accepts, or None. From it, OSError and
    TimeoutError mean a failed attempt, Stopped ends the session. `queue` bounds the events kept for the application;
    0 keeps none: they count as done with at once.
    """

    def __init__(
        self,
        url: str,
        codec: Codec,
        token_source: TokenSource,
        settings: Settings,
        store: Store,
        random: Callable[[], float],
        queue: int,
    ) -> None:
        self.user = ""
        self.outcome = ""
        self.session = Session(settings, store.load(), random)
        self.queue = EventQueue(queue, self._taken)
        self._listens = queue > 0
        self._url = url
        self._codec = codec
        self._token_source = token_source
        self._token: str | None = None
        self._presented: str | None = None
        self._store = store
        self._largest = MESSAGE_BYTES
        self._link: Link | None = None
        self._plan: Connect | None = None
        self._tickets = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._online = asyncio.Event()
        self._end: Stopped | None = None
        self._paused = False
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._runner: asyncio.Task[None] | None = None

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
            raise self._end

    async def leave(self, code: int) -> None:
        """Ends the session with this close code; raises what made it fail, if it did."""
        self._perform(self.session.leave(code, self._now()))
        self.queue.stir()
        if self._runner is None:
            return
        if self._link is None:
            self._runner.cancel()
        await asyncio.wait([self._runner])
        if not self._runner.cancelled():
            self._runner.result()

    async def ask(self, op: str, fields: dict[str, Any]) -> dict[str, Any]:
        """One request; raises Refused, OutcomeUnknown, QueueFull, Stopped."""
        return await self._answer(lambda ticket: self.session.ask(ticket, op, fields, self._now()))

    async def send(self, unsent: Unsent) -> dict[str, Any]:
        """One send, in the order of its conversation; raises as `ask`."""
        return await self._answer(lambda ticket: self.session.send(ticket, unsent, self._now()))

    async def background(self, on: bool) -> None:
        """Tells the server, now and at every later hello."""
        await self._answer(lambda ticket: self.session.background(ticket, on, self._now()))

    def typing(self, conversation: str, kind: str) -> None:
        """Says so if there is a connection."""
        self._perform(self.session.typing(conversation, kind, self._now()))

    def cut(self) -> None:
        """Drops the connection as a lost network would; the session comes back by itself."""
        self._online.clear()
        if self._link is not None:
            self._link.cut()

    async def _answer(self, ask: Callable[[int], list[Effect]]) -> dict[str, Any]:
        ticket = next(self._tickets)
        answer: asyncio.Future[dict[str, Any]] = self._loop.create_future()
        self._waiting[ticket] = answer
        try:
            self._perform(ask(ticket))
            self.queue.stir()
            return await answer
        except asyncio.CancelledError:
            self.session.abandon(ticket)
            raise
        finally:
            del self._waiting[ticket]

    async def _run(self) -> None:
        try:
            self._perform(self.session.start(self._now()))
            while (plan := self._plan) is not None:
                self._plan = None
                await asyncio.sleep(plan.after_ms / 1_000)
                code, reason = await self._attempt(plan)
                if self._end is None:
                    self._online.clear()
                self._perform(self.session.lost(code, reason, self._now()))
        except Exception as error:
            self._perform(self.session.give_up(Stopped(f"the client failed: {error!r}")))
            raise
        finally:
            if self._timer is not None:
                self._timer.cancel()

    async def _attempt(self, plan: Connect) -> Ended:
        try:
            token = await self._fetch_token(fresh=plan.fresh_token)
            link = await open_link(safe_redirect(self._url, plan.url) or self._url, self._codec)
        except Stopped as error:
            self._perform(self.session.give_up(error))
            return None, ""
        except Unreachable as error:
            return None, error.reason
        except (OSError, TimeoutError):
            return None, ""
        self._link, self._presented = link, token
        try:
            self._perform(self.session.opened(token, self._now()))
            return await link.run(self._received)
        finally:
            self._link = None

    async def _fetch_token(self, *, fresh: bool) -> str:
        if self._token is None or (fresh and self._token == self._presented):
            self._token = await self._token_source(self._token)
        return self._token

    async def _received(self, frame: bytes | str) -> None:
        try:
            message = self._codec.decode(frame)
        except Malformed:
            self._perform(self.session.garbled(self._now()))
            return
        self._perform(self.session.received(message, self._now()))
        while self._must_pause():
            self._paused = True
            await self.queue.room()
        if self._paused:
            self._paused = False
            self.session.unpaused(self._now())

    def _must_pause(self) -> bool:
        live = self._listens and self.session.phase is Phase.LIVE
        return live and self.queue.full(awaits_replies=self.session.awaits_replies)

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
                    self._store.keep(effect.change)
                case Close():
                    if self._link is not None:
                        self._link.close(effect.code)
                case Connect():
                    self._plan = effect
                case Welcomed():
                    self.user, self.outcome, self._largest = effect.user, effect.outcome, effect.message_bytes
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

    def _write(self, message: dict[str, Any]) -> None:
        if self._link is not None and (size := self._link.write(message, self._largest)):
            self._perform(self.session.too_large(message["id"], size, self._now()))

    def _answered(self, answer: Answer) -> None:
        future = self._waiting.get(answer.ticket)
        if future is None or future.done():
            return
        if isinstance(answer.result, TidingsError):
            future.set_exception(answer.result)
        else:
            future.set_result(answer.result)

    def _stopped(self, error: Stopped) -> None:
        self._end = error
        self.queue.end(error)
        self._online.set()

    def _taken(self, order: int) -> None:
        self.session.taken(order, self._now())
        self._arm()

    def _arm(self) -> None:
        at = self.session.wake_at
        if self.session.phase is Phase.STOPPED or at is None:
            return
        if self._timer is None or self._timer.cancelled() or self._timer.when() > at / 1_000:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(at / 1_000, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._paused:
            self.session.unpaused(self._now())
        self._perform(self.session.tick(self._now()))

    def _now(self) -> int:
        return int(self._loop.time() * 1_000)
