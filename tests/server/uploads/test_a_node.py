"""What only a node's process can show: it may be killed at any time, takes little memory, and answers at once."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from persistence.objects.local import LocalObjects
from server.uploads.assembling import chained
from tests.server.running import Installation
from tests.server.uploads.rig import BODY, Uploader, id_of, picture
from tidings_client import Login, Tokens, Uploads

pytestmark = pytest.mark.verify

GIGABYTE = 1 << 30
MOST = 64 << 20
ANSWER_S = 0.1
SETTINGS = {"UPLOADS__FILE_BYTES": 2 * GIGABYTE, "UPLOADS__DAY_BYTES": 8 * GIGABYTE}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation of two nodes that may be broken."""
    running = Installation(tmp_path_factory.mktemp("alone"), SETTINGS, nodes=2).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def minted(alone: Installation) -> list[dict[str, Any]]:
    return alone.mint(3, "uploader")


async def test_an_upload_survives_the_kill_of_any_node_in_the_middle(
    alone: Installation, minted: list[dict[str, Any]]
) -> None:
    person = minted.pop()
    tokens = Tokens(person["user"], person["access_token"], person["refresh_token"], 900)
    uploads = Uploads(Login(alone.url, tokens), chunk=1 << 20)
    content = picture(64) + os.urandom(24 << 20)
    last = len(content) // (1 << 20) * (1 << 20)
    begun: list[str] = []
    killed: dict[int, int] = {}

    def kill(offset: int, length: int) -> None:
        for number, after in ((1, 5 << 20), (2, 14 << 20)):
            if offset >= after and number not in killed:
                killed[number] = alone.node_pid(number)
                alone.kill_node(number)
        if offset == last:
            # What the pipeline has not taken yet is compared.
            raise KeyError

    with pytest.raises(KeyError):
        await uploads.upload(content, progress=kill, started=begun.append)
    assert len(killed) == 2
    objects = LocalObjects(alone.data / "objects")
    pieces = chained(await objects.listed(f"upload/{begun[0]}"))
    stored = [part for piece in pieces for part in [p async for p in objects.read(piece.key)]]
    assert b"".join(stored) == content[:last]
    for number, pid in killed.items():
        alone.await_node(number, pid)
    assert await uploads.resume(begun[0], content) == begun[0]


async def test_a_gigabyte_takes_little_memory(alone: Installation, minted: list[dict[str, Any]]) -> None:
    part = os.urandom(1 << 20)

    async def gigabyte() -> AsyncIterator[bytes]:
        yield picture(len(part))
        for _ in range(1_023):
            yield part

    # A node's own port: so it is known whose memory to look at.
    async with aiohttp.ClientSession(f"http://127.0.0.1:{alone.port + 1}") as session:
        ada = Uploader(session, minted.pop()["access_token"])
        # One byte more is announced, so that nobody assembles it.
        path = await ada.create(GIGABYTE + 1)
        pid = alone.node_pid(1)
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        before, begun = _status(pid, "VmRSS"), time.monotonic()
        await ada.patch(path, 0, gigabyte())
        took = time.monotonic() - begun
        more = _status(pid, "VmHWM") - before
        print(f"1 GiB in {took:.1f} s; {more / (1 << 20):.1f} MiB more at the most")
        await ada.ask("DELETE", path, 204)
    assert not list((alone.data / "objects" / "upload" / id_of(path)).glob("*"))
    assert more < MOST


async def test_an_answer_follows_the_last_byte_at_once(alone: Installation, minted: list[dict[str, Any]]) -> None:
    content = picture(3_500_000)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{alone.port + 1}") as session:
        ada = Uploader(session, minted.pop()["access_token"])
        times = [await _answered_in(alone.port + 1, ada, content) for _ in range(9)]
    print(f"answered {min(times) * 1_000:.0f} to {max(times) * 1_000:.0f} ms after the last byte")
    assert sorted(times)[4] <= ANSWER_S


async def _answered_in(port: int, ada: Uploader, content: bytes) -> float:
    """Seconds from the last byte to the answer of a creation with upload."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = {**ada.headers, "Content-Type": BODY, "Upload-Length": len(content), "Content-Length": len(content)}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"POST /v1/uploads HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + content[:-1])
    await writer.drain()
    writer.transport.set_write_buffer_limits(0)
    await writer.drain()
    begun = time.perf_counter()
    writer.write(content[-1:])
    line = await reader.readline()
    took = time.perf_counter() - begun
    writer.close()
    await writer.wait_closed()
    assert line.startswith(b"HTTP/1.1 201 ")
    return took


def _status(pid: int, name: str) -> int:
    """Bytes, by /proc."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1_024 for line in lines if line.startswith(f"{name}:"))
