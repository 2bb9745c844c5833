"""A connection to NATS that can be cancelled and ended at any time, with whatever its library makes of that."""

import asyncio
from collections.abc import Awaitable, Callable

import nats
import structlog
from nats.aio.client import Client

CONNECT_S = 2
WITHIN_S = 5.0
"""How long it may take in all until there is a connection that has begun."""
LEAVE_S = 1.0

log = structlog.get_logger()


async def connect(url: str, name: str, begin: Callable[[Client], Awaitable[None]]) -> tuple[Client, asyncio.Event]:
    """A connection that `begin` has made ready, and what is set when it has ended. Whoever called it calls `close`.

    In a task of its own: the library waits by `asyncio.wait_for`, in which Python 3.11 may lose a cancellation,
    and with it the end of this node. Raises TimeoutError after `WITHIN_S`.
    """
    connecting = asyncio.get_running_loop().create_task(_begun(url, name, begin))
    try:
        await asyncio.wait((connecting,), timeout=WITHIN_S)
        if connecting.done():
            return connecting.result()
        raise TimeoutError
    finally:
        if not connecting.done():
            connecting.cancel()
            await asyncio.wait((connecting,), timeout=LEAVE_S)


async def _begun(url: str, name: str, begin: Callable[[Client], Awaitable[None]]) -> tuple[Client, asyncio.Event]:
    """The library is not to connect anew by itself: it stays with a NATS that stands still for as long as it has
    something to write to it, and ends for good at most errors that NATS names. It is not to wait for room, either
    (`pending_size`): that cannot be cancelled.
    """
    gone = asyncio.Event()

    async def ended() -> None:
        gone.set()

    client = await nats.connect(
        url,
        name=name,
        connect_timeout=CONNECT_S,
        allow_reconnect=False,
        pending_size=-1,
        closed_cb=ended,
        error_cb=_fault,
    )
    try:
        await begin(client)
    except BaseException:
        await close(client)
        raise
    return client, gone


async def close(client: Client) -> None:
    """Kindly, if that is possible, and for certain: where the library cannot write it does not close, and where the
    connection breaks while it closes by itself it leaves its tasks, and what they raise, to nobody."""
    closing = asyncio.get_running_loop().create_task(client.close())
    try:
        await asyncio.wait((closing,), timeout=LEAVE_S)
    finally:
        listening = [subscription._wait_for_msgs_task for subscription in client._subs.values()]
        own = [client._flusher_task, client._reading_task, client._ping_interval_task]
        for task in (closing, *listening, *own):
            if task:
                task.add_done_callback(_ended)
                task.cancel()
        # What is closed already minds nothing.
        client._transport._io_writer.transport.abort()  # type: ignore[union-attr]


async def _fault(fault: Exception) -> None:
    log.warning("NATS failed", fault=repr(fault))


def _ended(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (fault := task.exception()):
        log.info("NATS was not left kindly", fault=repr(fault))
