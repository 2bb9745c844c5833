"""Listening sockets: several per port, since libuv accepts one connection per listener and turn of its loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager

from config.settings import SettingError

LISTENERS = 4
BACKLOG = 2_048
UNSENT = 32 * 1024
"""Bytes that the kernel takes from us ahead of a slow peer: megabytes of its own choice would hide that it reads."""


@contextmanager
def reserved(host: str, port: int, setting: str) -> Iterator[list[socket.socket]]:
    """Sockets on `host:port` at which clients may already wait in a queue; closed in the end.

    Raises SettingError, naming `setting`, when they cannot be had.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(_bind(host, port, setting)) for _ in range(LISTENERS)]
        for listening in sockets:
            listening.listen(BACKLOG)
        yield sockets


@asynccontextmanager
async def accepting(factory: Callable[[], asyncio.Protocol], sockets: Iterable[socket.socket]) -> AsyncIterator[None]:
    """Take in whoever comes to these sockets, until the context ends."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        for listening in sockets:
            listener = await loop.create_server(factory, sock=listening, backlog=BACKLOG)
            stack.push_async_callback(_close, listener)
        yield


@asynccontextmanager
async def listen(factory: Callable[[], asyncio.Protocol], host: str, port: int, setting: str) -> AsyncIterator[None]:
    """Accept on `host:port` until the context ends. Raises SettingError, naming `setting`, when that cannot be had."""
    with reserved(host, port, setting) as sockets:
        async with accepting(factory, sockets):
            yield


def _bind(host: str, port: int, setting: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        listening.bind((host, port))
    except OSError as fault:
        listening.close()
        reason = fault.strerror or str(fault)
        raise SettingError(
            f"{setting}: {host}:{port} cannot be listened on ({reason}): choose another address."
        ) from fault
    listening.setblocking(False)
    return listening


async def _close(listener: asyncio.Server) -> None:
    listener.close()
