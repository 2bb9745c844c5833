"""Pictures as bytes, and what is raised in their place."""

import pytest

from tests.clients.once import saying
from tidings_client import Refused, picture

SHORT = b'{"code":"not_found"}'


async def served(answer: bytes) -> bytes:
    """The picture that is got from a server that says this."""
    async with saying(answer) as url:
        return await picture(url, "/v1/media/1/640")


async def test_a_picture_is_the_bytes_of_its_answer() -> None:
    assert await served(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\njpg") == b"jpg"


async def test_a_refusal_is_raised() -> None:
    with pytest.raises(Refused, match="not_found"):
        await served(b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n%s" % (len(SHORT), SHORT))


@pytest.mark.parametrize("status", [b"200 OK", b"404 Not Found"])
async def test_an_answer_that_breaks_off_is_no_answer(status: bytes) -> None:
    with pytest.raises(OSError, match="broke off"):
        await served(b"HTTP/1.1 %s\r\nContent-Length: 500\r\n\r\n<" % status)
