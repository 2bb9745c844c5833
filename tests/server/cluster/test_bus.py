"""The bus over a real NATS: news and frames pass, its absence is noticed, and its end is the node's to decide."""

import asyncio
import socket

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


async def test_frames_reach_the_node_they_are_for_in_order_and_news_reaches_everybody() -> None:
    with ExternalNats() as nats:
        a, b = Listener(), Listener()
        here, there = NatsBus(nats.url, "a", a), NatsBus(nats.url, "b", b)
        tasks = [asyncio.create_task(bus.run()) for bus in (here, there)]
        async with asyncio.timeout(10):
            await a.news.wait()
            await b.news.wait()
            a.news.clear()
            for number in range(100):
                here.publish("b", b"%d" % number)
            there.announce()
            assert [await b.frames.get() for _ in range(100)] == [b"%d" % number for number in range(100)]
            await a.news.wait()
        assert a.frames.empty()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_bus_that_is_lost_is_told_and_found_again_and_what_was_said_meanwhile_is_not_kept() -> None:
    with ExternalNats() as nats:
        listener = Listener()
        bus = NatsBus(nats.url, "a", listener)
        task = asyncio.create_task(bus.run())
        async with asyncio.timeout(20):
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
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


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
