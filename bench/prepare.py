"""Brings clients into the state a workload starts from: pairs that have spoken, with everything acked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from secrets import token_hex
from time import monotonic
from typing import TypeVar

from bench.client import Client, RefusedError
from bench.crowd import ACK_AFTER
from bench.stage import Progress
from bench.wire import decode_opened

AT_ONCE = 128
"""Preparing requests in flight: enough to fill the committer's batches, few enough for its mailboxes."""

STORED_WITHIN = 30.0
TEXT = "x" * 100
Item = TypeVar("Item")


async def for_each(
    items: Sequence[Item],
    do: Callable[[Item], Awaitable[None]],
    progress: Progress,
    doing: str,
    at_once: int = AT_ONCE,
) -> None:
    """Run `do` on every item, `at_once` at a time; the first exception ends all."""
    queue: Iterator[tuple[int, Item]] = iter(enumerate(items, 1))

    async def work() -> None:
        for k, item in queue:
            await do(item)
            if k % 200 == 0:
                progress(doing, k, len(items))

    async with asyncio.TaskGroup() as workers:
        for _ in range(min(at_once, len(items))):
            workers.create_task(work())


async def accept(client: Client, conversation: str) -> None:
    """Move a conversation out of the client's requests, where the server has such a folder already."""
    try:
        await client.ask("conversation.accept", conversation=conversation)
    except RefusedError as refused:
        if refused.code not in ("unknown_op", "conflict_state"):
            raise


async def befriend(
    pairs: Sequence[tuple[Client, Client]], progress: Progress, *, both_ways: bool = True, at_once: int = AT_ONCE
) -> dict[Client, str]:
    """Each pair opens its 1:1 and says one message, or one each way: one or two durable events for both.

    Returns each client's conversation once all is acked.
    """
    conversations: dict[Client, str] = {}

    async def speak(pair: tuple[Client, Client]) -> None:
        one, other = pair
        opened = decode_opened(await one.ask("conversation.open", user=other.user.user))
        conversation = conversations[one] = conversations[other] = opened.conversation.id
        await one.ask("message.send", conversation=conversation, cid=token_hex(16), text=TEXT)
        if both_ways:
            await accept(other, conversation)
            await other.ask("message.send", conversation=conversation, cid=token_hex(16), text=TEXT)

    await for_each(pairs, speak, progress, "the pairs speak", at_once)
    await all_stored([client for pair in pairs for client in pair], conversations, 1 + both_ways)
    await all_acked()
    return conversations


async def all_stored(clients: Sequence[Client], conversations: dict[Client, str], c: int) -> None:
    """Wait until each client stored its conversation up to `c`; what is missing then is a fault."""
    give_up = monotonic() + STORED_WITHIN
    waiting = list(clients)
    while waiting and monotonic() < give_up:
        await asyncio.sleep(0.05)
        waiting = [client for client in waiting if client.head(conversations[client]) < c]
    if waiting:
        waiting[0].crowd.faults.add("event lost in preparation", waiting[0].user.user, len(waiting))


async def all_acked() -> None:
    """Wait until what was stored by now is acked."""
    await asyncio.sleep(ACK_AFTER + 0.2)
