"""Several nodes of one installation under their supervisor, seen from outside."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from bench.subject import free_port
from config.settings import load
from persistence.nodes.contract import RENEW_MS, View
from persistence.nodes.postgres import PostgresNodes
from persistence.pool import open_pool
from server.embedded import EmbeddedNats
from server.supervisor.children import Child
from tests.server.running import Installation, working_in
from tests.server.test_embedded_nats import ended


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    running = Installation(tmp_path_factory.mktemp("pair"), nodes=2).start()
    yield running
    running.stop()


def restarted(data: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "server.cli", "restart", "--rolling", "--data", str(data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@asynccontextmanager
async def leases(installation: Installation) -> AsyncIterator[PostgresNodes]:
    settings = load(installation.data / "tidings.toml", {})
    async with open_pool(str(settings.postgres.url), 1) as pool:
        yield PostgresNodes(pool)


async def version(store: PostgresNodes) -> int:
    """The version that all nodes act by, once they do."""
    async with asyncio.timeout(10):
        while not (view := await store.look()).agreed:
            continue
    return view.version


def names(view: View) -> set[str]:
    return {member.node.name for member in view.members}


@contextmanager
def knocking(port: int) -> Iterator[list[OSError]]:
    """Connect to the port all the time; what went wrong is listed."""
    faults: list[OSError] = []
    over = threading.Event()

    def knock() -> None:
        while not over.is_set():
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            except ConnectionRefusedError as fault:
                faults.append(fault)
            over.wait(0.005)

    knocker = threading.Thread(target=knock)
    knocker.start()
    try:
        yield faults
    finally:
        over.set()
        knocker.join()


def test_two_nodes_answer_on_the_shared_port_and_each_on_its_own(pair: Installation) -> None:
    assert set(pair.node_pids()) == {1, 2}
    for above in (0, 1, 2, 99, 101, 102):
        socket.create_connection(("127.0.0.1", pair.port + above), timeout=5).close()


async def test_a_killed_node_comes_back_and_nobody_waits_for_its_lease(pair: Installation) -> None:
    first, second = pair.node_pid(1), pair.node_pid(2)
    async with leases(pair) as store:
        before = await version(store)
        os.kill(second, signal.SIGKILL)
        assert await asyncio.to_thread(pair.await_node, 2, second) != second
        # One for the lease that the supervisor ended, one for the next life of the node.
        assert await version(store) == before + 2
        assert names(await store.look()) == {f"127.0.0.1:{pair.port + number}" for number in (1, 2)}
    assert pair.node_pid(1) == first


async def test_a_node_that_its_supervisor_hastens_renews_its_lease_at_once(pair: Installation, tmp_path: Path) -> None:
    """By itself it would do so once a second."""

    async def renewed() -> object:
        return await pool.fetchval("select renewed_at from node where name = $1", name)

    config = tmp_path / "tidings.toml"
    config.write_text((pair.data / "tidings.toml").read_text().replace(f":{pair.port}", f":{free_port()}"))
    settings = load(config, {})
    name = str(settings.node.address_of(1))
    async with open_pool(str(settings.postgres.url), 1) as pool:
        child = Child(1, name, ["--config", str(config)], PostgresNodes(pool), lambda: None)
        await child.start()
        try:
            await child.ready()
            async with asyncio.timeout(5 * RENEW_MS / 1_000):
                for _ in range(10):
                    last = await renewed()
                    child.hasten()
                    while await renewed() == last:
                        pass
        finally:
            await child.stop()


async def test_a_port_given_beside_a_settings_file_is_the_nodes_port_on_the_host_of_the_file(
    pair: Installation, tmp_path: Path
) -> None:
    config, port = tmp_path / "tidings.toml", free_port()
    config.write_text((pair.data / "tidings.toml").read_text().replace('listen = "127.0.0.1:', 'listen = "127.0.0.2:'))
    command = [sys.executable, "-m", "server.cli", "serve", "--config", str(config), "--port", str(port)]
    private = {"TIDINGS_NODE__PRIVATE": f"127.0.0.1:{port + 100}"}
    serving = await asyncio.create_subprocess_exec(*command, stdout=PIPE, env=os.environ | private)
    try:
        assert serving.stdout is not None
        assert await serving.stdout.readline() == f"tidings is ready at ws://127.0.0.2:{port}/v1/socket\n".encode()
        for served in (("127.0.0.2", port), ("127.0.0.2", port + 1), ("127.0.0.1", port + 101)):
            socket.create_connection(served, timeout=5).close()
        async with leases(pair) as store:
            assert f"127.0.0.2:{port + 1}" in names(await store.look())
    finally:
        serving.terminate()
        await serving.wait()


def test_a_rolling_restart_renews_every_node_while_the_port_stays_open(pair: Installation) -> None:
    before = pair.node_pids()
    with knocking(pair.port) as refused:
        done = restarted(pair.data)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.rpartition(" in ")[0] for line in done.stdout.splitlines()[:2]] == [
        "node 1 restarted",
        "node 2 restarted",
    ]
    after = pair.node_pids()
    assert set(before.values()).isdisjoint(after.values())
    assert set(after) == {1, 2}
    assert refused == []


def test_a_rolling_restart_stops_at_the_first_node_that_does_not_come_back(pair: Installation) -> None:
    settings = pair.data / "tidings.toml"
    right, before = settings.read_text(), pair.node_pids()
    settings.write_text(right + '[log]\nlevel = "loud"\n')
    done = restarted(pair.data)
    settings.write_text(right)
    assert done.returncode == 1
    assert done.stderr == "Error: The rolling restart stopped: node 1 did not come back, its log says why.\n"
    assert "log.level" in pair.log.read_text()
    assert pair.await_node(1, before[1]) != before[1]
    assert pair.node_pid(2) == before[2]


async def test_a_killed_nats_comes_back(pair: Installation) -> None:
    before = pair.nats_pid()
    os.kill(before, signal.SIGKILL)
    await asyncio.to_thread(pair.await_nats, before)
    socket.create_connection(("127.0.0.1", pair.port + 99), timeout=5).close()


def test_a_pid_file_that_outlived_its_supervisor_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "supervisor.pid").write_text(str(os.getpid()))
    done = restarted(tmp_path)
    assert done.returncode == 1
    assert "no `tidings serve --embedded` runs in" in done.stderr


def test_a_kill_of_the_supervisor_leaves_nothing_and_hinders_no_next_start(tmp_path: Path) -> None:
    installation = Installation(tmp_path, nodes=2).start()
    left = working_in(installation.data)
    assert len(left) >= 4
    installation.crash()
    assert all(ended(pid) for pid in left)
    assert working_in(installation.data) == []
    installation.start()
    assert set(installation.node_pids()) == {1, 2}
    installation.stop()
    assert working_in(installation.data) == []
    assert not (installation.data / "supervisor.pid").exists()


async def test_a_nats_of_ones_own_is_used_in_place_of_the_embedded_one(tmp_path: Path) -> None:
    nats = EmbeddedNats(tmp_path, free_port())
    url = await nats.start()
    installation = Installation(tmp_path, {"NATS__URL": url})
    await asyncio.to_thread(installation.start)
    assert load(installation.data / "tidings.toml", {}).nats.url == url
    assert not (installation.data / "nats.conf").exists()
    installation.stop()
    await nats.stop()
