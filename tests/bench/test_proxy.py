"""The proxy of `tidings torture`: what is kept back arrives later, and only what was to be kept back waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.torture.proxy import Ends, Proxy

LIFE, OTHER = b"tidings 1f", b"tidings 2e"


@asynccontextmanager
async def echoing() -> AsyncIterator[tuple[Proxy, int]]:
    """A proxy before a server that says everything back, and the proxy's port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = Proxy(lambda: asyncio.open_connection(*server.sockets[0].getsockname()))
    before = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    async with server, before:
        yield proxy, before.sockets[0].getsockname()[1]
        await proxy.close()


async def named(port: int, name: bytes) -> Ends:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(name)
    assert await reader.readexactly(len(name)) == name
    return reader, writer


async def test_what_one_life_says_is_kept_back_and_arrives_when_the_way_is_free() -> None:
    async with echoing() as (proxy, port):
        reader, writer = await named(port, LIFE)
        other, to = await named(port, OTHER)
        assert proxy.lives == ["1f", "2e"]
        proxy.shut("1f", ("up",))
        writer.write(b"later")
        to.write(b"at once")
        assert await other.readexactly(7) == b"at once"
        late = asyncio.create_task(reader.readexactly(5))
        to.write(b"again")
        assert await other.readexactly(5) == b"again"
        assert not late.done()
        proxy.free()
        assert await late == b"later"
        writer.close()
        to.close()


async def test_the_end_of_a_connection_is_kept_back_too() -> None:
    async with echoing() as (proxy, port):
        reader, writer = await named(port, LIFE)
        proxy.shut("1f", ("down",))
        writer.write_eof()
        ended = asyncio.create_task(reader.read())
        other, to = await named(port, OTHER)
        to.write_eof()
        assert await other.read() == b""
        assert not ended.done()
        proxy.free()
        assert await ended == b""
        writer.close()
        to.close()


async def test_a_connection_that_has_ended_is_no_life_any_more() -> None:
    async with echoing() as (proxy, port):
        reader, writer = await named(port, LIFE)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        other, to = await named(port, OTHER)
        assert proxy.lives == ["2e"]
        to.write_eof()
        assert await other.read() == b""
        to.close()
