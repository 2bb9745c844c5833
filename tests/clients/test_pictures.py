"""Pictures as bytes, and what is raised in their place."""

import asyncio

import pytest

from tidings_client import Refused, picture

SHORT = b'{"code":"not_found"}'


async def served(answer: bytes) -> bytes:
    """The picture that is got from a server that says this."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(once, "127.0.0.1", 0) as server:
        return await picture(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "/v1/media/1/640")


async def test_a_picture_is_the_bytes_of_its_answer() -> None:
    assert await served(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\njpg") == b"jpg"


async def test_a_refusal_is_raised() -> None:
    with pytest.raises(Refused, match="not_found"):
        await served(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(SHORT), SHORT))


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found"])
async def test_an_answer_that_breaks_off_is_no_answer(status: bytes) -> None:
    with pytest.raises(OSError, match="broke off"):
        await served(b"HTTP/1.1 %s\r\nContent-Length: 500\r\n\r\n<" % status)
