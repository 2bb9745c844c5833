"""What a process of its own hears for clients: every message, when it came, and nothing of it is judged meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

import msgspec
import pytest

from bench import hearing
from bench.client import Client
from bench.crowd import Crowd
from bench.faults import Faults
from bench.frames import upgrade
from bench.hearing import Heard, Hearing
from bench.wire import Frame, User
from tests.until import until


class Listening(Client):
    """Notes the posts that it hears of, and when."""

    __slots__ = ("posts",)

    def __init__(self, crowd: Crowd, number: int) -> None:
        super().__init__(crowd, User(str(number), ""), "device")
        self.posts: list[tuple[str, float]] = []

    def happened(self, frame: Frame) -> None:
        self.posts.append((frame.post, self.read_at))
        if frame.post == "answer" and self.transport:
            self.transport.write(b"!")


def posts_of(client: Client) -> list[tuple[str, float]]:
    assert isinstance(client, Listening)
    return client.posts


class Server:
    """Accepts and says nothing by itself."""

    def __init__(self) -> None:
        self.readers: list[asyncio.StreamReader] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def took(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.readers.append(reader)
        self.writers.append(writer)

    def tell(self, *posts: str) -> None:
        for post in posts:
            payload = msgspec.msgpack.encode({"ev": "feed.new", "post": post})
            for writer in self.writers:
                writer.write(bytes((0x82, len(payload))) + payload)


async def heard(clients: int, say: Callable[[Server], None], answers: bytes = b"") -> Heard:
    server = Server()
    loop = asyncio.get_running_loop()
    async with await asyncio.start_server(server.took, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        crowd = Crowd(upgrade("127.0.0.1", port), Faults())
        listeners = [Listening(crowd, number) for number in range(clients)]
        for one in listeners:
            await loop.create_connection(lambda one=one: one, "127.0.0.1", port)  # type: ignore[misc]
            one.is_open = True
        await until(lambda: len(server.writers) == clients)
        process = Hearing(listeners, posts_of)
        say(server)
        for writer in server.writers:
            await writer.drain()
        for reader in server.readers if answers else ():
            await asyncio.wait_for(reader.readuntil(answers), 5)
        told = await asyncio.to_thread(process.end)
        for one in listeners:
            one.abandon()
        for writer in server.writers:
            writer.close()
    return told


async def test_every_client_has_every_message_with_the_moment_when_it_was_read() -> None:
    begun = monotonic()
    told = await heard(20, lambda server: server.tell("1", "2"))
    assert (len(told.kept), told.faults) == (20, [])
    for posts in told.kept:
        assert [post for post, _ in posts] == ["1", "2"]
        assert all(begun < at < monotonic() for _, at in posts)
    assert told.cpu_s > 0


async def test_a_socket_that_ends_is_a_fault() -> None:
    told = await heard(2, lambda server: server.writers[0].write_eof())
    assert told.faults == ["connection ended by the server x 1: connection lost"]


async def test_a_socket_that_ends_with_its_last_message_is_a_fault_too() -> None:
    def say(server: Server) -> None:
        server.tell("1")
        for writer in server.writers:
            writer.write_eof()

    told = await heard(50, say)
    assert [[post for post, _ in posts] for posts in told.kept] == [["1"]] * 50
    assert told.faults == ["connection ended by the server x 50: connection lost"]


async def test_who_never_hears_nothing_is_judged_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pings that are not answered would end the connections."""
    monkeypatch.setattr(hearing, "QUIET_S", 60.0)
    monkeypatch.setattr(hearing, "LATEST_S", 0.0)
    told = await heard(2, lambda server: server.tell("answer"), b"!")
    assert ([[post for post, _ in posts] for posts in told.kept], told.faults) == ([["answer"]] * 2, [])
