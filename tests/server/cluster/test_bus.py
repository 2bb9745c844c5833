"""The bus over a real NATS: news and frames pass, its absence is noticed, and its end is the node's to decide."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop

from server.cluster.bus import NatsBus
from tests.cluster.external_nats import ExternalNats
from tests.until import until


class Listener:
    """Notes what comes over the bus."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()
        self.news = asyncio.Event()
        self.lost = asyncio.Event()

    def received(self, data: bytes) -> None:
        self.frames.put_nowait(data)

    def hasten(self) -> None:
        self.news.set()

    def bus_lost(self) -> None:
        self.lost.set()


@asynccontextmanager
async def joining(url: str, name: str = "a") -> AsyncIterator[tuple[NatsBus, Listener]]:
    """A node's way to the bus, and what it hears there."""
    listener = Listener()
    bus = NatsBus(url, name, listener)
    task = asyncio.create_task(bus.run())
    try:
        async with asyncio.timeout(30):
            yield bus, listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_frames_reach_the_node_they_are_for_in_order_and_news_reaches_everybody() -> None:
    with ExternalNats() as nats:
        async with joining(nats.url) as (here, a), joining(nats.url, "b") as (there, b):
            await a.news.wait()
            await b.news.wait()
            a.news.clear()
            for number in range(100):
                here.publish("b", b"%d" % number)
            there.announce()
            assert [await b.frames.get() for _ in range(100)] == [b"%d" % number for number in range(100)]
            await a.news.wait()
            assert a.frames.empty()


async def test_a_bus_that_is_lost_is_told_and_found_again_and_what_was_said_meanwhile_is_not_kept() -> None:
    with ExternalNats() as nats:
        async with joining(nats.url) as (bus, listener):
            await listener.news.wait()
            nats.stop()
            await listener.lost.wait()
            assert not bus.connected
            bus.publish("a", b"lost")
            nats.start()
            listener.news.clear()
            await until(lambda: bus.connected)
            bus.publish("a", b"kept")
            assert await listener.frames.get() == b"kept"


async def test_a_nats_that_stands_still_under_load_is_lost_and_found_again_when_it_goes_on() -> None:
    with ExternalNats() as nats:
        async with joining(nats.url) as (bus, listener):
            await listener.news.wait()
            nats.stand_still()
            while not listener.lost.is_set():
                bus.publish("b", bytes(100_000))
                await asyncio.sleep(0.01)
            assert not bus.connected
            nats.go_on()
            await until(lambda: bus.connected)
            bus.publish("a", b"kept")
            while await listener.frames.get() != b"kept":
                continue


def test_a_nats_that_dies_while_much_waits_for_it_leaves_nothing_of_the_connection_behind() -> None:
    """On the loop that nodes run on: only there it breaks while the library closes it."""

    async def test() -> None:
        unheard: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unheard.append(str(context)))
        with ExternalNats() as nats:
            async with joining(nats.url) as (bus, listener):
                await listener.news.wait()
                nats.stand_still()
                for _ in range(60):
                    bus.publish("b", bytes(100_000))
                    await asyncio.sleep(0)
                nats.stop()
                await listener.lost.wait()
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        del bus, listener
        gc.collect()
        await asyncio.sleep(0)
        assert unheard == []

    uvloop.run(test())


async def test_a_nats_that_sends_us_away_is_asked_again() -> None:
    """For most reasons that it may give the library ends for good."""
    visitors: set[asyncio.Task[None] | None] = set()

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visitors.add(asyncio.current_task())
        first = len(visitors) == 1
        subscriptions, words = {}, 0
        writer.write(b'INFO {"server_id":"x","version":"2.10.0","proto":1,"max_payload":1048576,"headers":true}\r\n')
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
            elif line.startswith(b"SUB"):
                _, subject, number = line.split()
                subscriptions[subject] = number
            elif line.startswith(b"PUB"):
                words += 1
                subject = line.split()[1]
                writer.write(b"MSG %b %b 0\r\n\r\n" % (subject, subscriptions[subject]))
                if first and words > 1:
                    writer.write(b"-ERR 'User Authentication Expired'\r\n")
        writer.close()

    async with await asyncio.start_server(visited, "127.0.0.1", 0) as server:
        async with joining(f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}") as (bus, listener):
            await listener.lost.wait()
            await until(lambda: bus.connected)
        await asyncio.gather(*filter(None, visitors), return_exceptions=True)
    assert len(visitors) == 2


async def test_it_ends_while_there_is_no_nats() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        task = asyncio.create_task(NatsBus(f"nats://127.0.0.1:{closed.getsockname()[1]}", "a", Listener()).run())
        await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(5):
            await asyncio.wait((task,))
        assert task.cancelled()


async def test_without_an_address_there_is_none() -> None:
    bus = NatsBus("", "a", Listener())
    await bus.run()
    bus.publish("b", b"said to nobody")
    assert not bus.connected
