"""Processes on one loop: what a node has begun belongs to it, and stands still while the node is stopped (SIGSTOP)."""

import asyncio
import math
from collections.abc import Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any

RUNNING: ContextVar["Process | None"] = ContextVar("process", default=None)


class Process:
    """`context` marks what runs in it; every callback scheduled from there is marked too."""

    def __init__(self) -> None:
        self.stopped = False
        self.stood_still_until = 0.0
        self.context: Context = copy_context()
        self.context.run(RUNNING.set, self)
        self._held_up: list[tuple[asyncio.Handle, Callable[..., object], tuple[Any, ...]]] = []

    def run(self, handle: asyncio.Handle, callback: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        """The turn of a callback has come: it runs, or waits until the process goes on."""
        if self.stopped:
            self._held_up.append((handle, callback, arguments))
        else:
            callback(*arguments)

    def soon(self, callback: Callable[..., object], *arguments: Any) -> None:
        """Something comes from outside: a socket is readable."""
        asyncio.get_running_loop().call_soon(callback, *arguments, context=self.context)

    def stop(self) -> None:
        """SIGSTOP."""
        self.stopped, self.stood_still_until = True, math.inf

    def go_on(self) -> None:
        """SIGCONT: all that came meanwhile, in its order."""
        self.stopped, self.stood_still_until = False, asyncio.get_running_loop().time()
        held_up, self._held_up = self._held_up, []
        for handle, callback, arguments in held_up:
            context: Context = handle._context  # type: ignore[attr-defined]
            asyncio.get_running_loop().call_soon(_late, handle, callback, arguments, context=context)


def _late(handle: asyncio.Handle, callback: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    """What was held up, unless something before it has cancelled it."""
    if not handle.cancelled():
        callback(*arguments)
