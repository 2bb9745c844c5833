"""A proxy between the nodes and what they rest on, which can keep back what one node says or hears."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal, TypeAlias

Ends: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Way = Literal["up", "down"]
WAYS: tuple[Way, Way] = ("up", "down")
SAID = re.compile(rb"tidings ([A-Za-z0-9_-]+)")
"""How a node names its life in the first thing that it says, to Postgres (`application_name`) as to NATS (`name`)."""

READ = 65_536


class Proxy:
    """Carries every connection that `accept` is called with to what `upstream` opens.

    What is kept back is not lost: it arrives, and so does the end of the connection, once the way is free again.
    """

    def __init__(self, upstream: Callable[[], Awaitable[Ends]]) -> None:
        self._upstream = upstream
        self._lives: dict[str, int] = {}
        self._shut: dict[tuple[str, Way], asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def lives(self) -> list[str]:
        """The nodes' lives that are connected now."""
        return sorted(self._lives)

    def shut(self, life: str, ways: tuple[Way, ...]) -> None:
        """From now on nothing of that life's passes in these directions."""
        for way in ways:
            self._shut.setdefault((life, way), asyncio.Event())

    def free(self) -> None:
        """All passes again."""
        shut, self._shut = self._shut, {}
        for event in shut.values():
            event.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until both sides have ended it."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._carry(reader, writer)
        except OSError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def close(self) -> None:
        """Break all that is left."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await self._upstream()
        # NATS speaks first, Postgres does not.
        names = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, to, "up", names))
                group.create_task(self._pump(there, writer, "down", names))
        except* OSError:
            pass
        finally:
            if names.done():
                self._leave(names.result())
            writer.transport.abort()
            to.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way, name: asyncio.Future[str]
    ) -> None:
        while True:
            data = await reader.read(READ)
            if way == "up" and not name.done() and (said := SAID.search(data)):
                name.set_result(said[1].decode())
                self._lives[name.result()] = self._lives.get(name.result(), 0) + 1
            while name.done() and (shut := self._shut.get((name.result(), way))):
                await shut.wait()
            if not data:
                with suppress(OSError, RuntimeError):
                    writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    def _leave(self, life: str) -> None:
        self._lives[life] -= 1
        if not self._lives[life]:
            del self._lives[life]
