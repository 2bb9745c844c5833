"""Questions to the store, of clients and of our own: each waits its turn, and is answered or refused in time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import structlog

from persistence.faults import UnavailableError
from protocol.errors import FAILED, UNAVAILABLE

MOST = 2_000
WORKERS = 8
WAIT_S = 1.0
ANSWER_S = 2.0
"""How long a question may wait for its turn, and then take: together what a request may."""
WITHIN_S = WAIT_S + ANSWER_S

log = structlog.get_logger()


class _Question(NamedTuple):
    """`reply` is None when nobody waits; `since` is when it came, by the loop's clock."""

    reply: Callable[[Any], None] | None
    answer: Callable[[], Awaitable[Any]]
    since: float


class Questions:
    """At most `MOST` wait for the store; then: `unavailable`."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[_Question] = asyncio.Queue(MOST)

    def put(self, reply: Callable[[Any], None] | None, answer: Callable[[], Awaitable[Any]]) -> None:
        """Have it answered; whoever waits gets exactly one `reply`, which may be a refusal."""
        try:
            self._waiting.put_nowait(_Question(reply, answer, asyncio.get_running_loop().time()))
        except asyncio.QueueFull:
            if reply is not None:
                reply(UNAVAILABLE)

    async def in_turn(self, answer: Callable[[], Awaitable[Any]]) -> Any:
        """The answer to a question of our own, which waits its turn like those of clients."""
        told = asyncio.get_running_loop().create_future()

        def reply(result: Any) -> None:
            if not told.done():
                told.set_result(result)

        self.put(reply, answer)
        return await told

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(self._serve())

    async def _serve(self) -> None:
        while True:
            question = await self._waiting.get()
            result = await self._answered(question)
            try:
                if question.reply is not None:
                    question.reply(result)
            except Exception:
                log.exception("reply failed")

    async def _answered(self, question: _Question) -> Any:
        """The answer, or that there is none for now.

        What has waited for long is refused at once, so that what is begun has the time it needs: with more questions
        than the store can answer, all of them would else be given up half answered.
        """
        if question.reply and asyncio.get_running_loop().time() - question.since > WAIT_S:
            return UNAVAILABLE
        try:
            async with asyncio.timeout(ANSWER_S):
                return await question.answer()
        except (TimeoutError, UnavailableError) as fault:
            log.warning("question failed", fault=repr(fault))
            return UNAVAILABLE
        except Exception:
            log.exception("question failed")
            return FAILED
