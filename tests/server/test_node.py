"""A node from its start to its end."""

import asyncio
import gc
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec import structs

from bench.subject import free_port
from config.objects import ColdUrl, Media, Objects, ObjectsUrl, Secret, Uploads
from config.sections import Feed, Log
from config.settings import Settings, load
from config.values import Network, Origin
from persistence.nodes.postgres import PostgresNodes
from persistence.pool import open_pool
from server.composition import Parts
from server.life import Node
from server.node import Process, joining
from server.pools import connected
from server.scrape import scrape
from server.supervisor.installation import settings_file
from tests.security.raw import CLOSE, Raw, plain, upgraded
from tests.until import until
from tidings_client import log_in, sign_up

KEY = "k1:" + "A" * 43 + "="
PASSWORD = "a long password"


@pytest.fixture(autouse=True)
def collected_as_before() -> Iterator[None]:
    """A node freezes what lives when it starts."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


@pytest.fixture
def database(durable_database: str) -> str:
    """One that nodes accept."""
    return durable_database


def settings_of(database: str, port: int) -> Settings:
    environ = {"TIDINGS_POSTGRES__URL": database, "TIDINGS_TOKENS__KEYS": KEY}
    addresses = {"node.listen": f"127.0.0.1:{port}", "node.private": f"127.0.0.1:{port + 101}"}
    return load(None, environ, addresses)


def test_a_node_reads_what_its_supervisor_was_told(database: str, tmp_path: Path) -> None:
    settings = settings_of(database, 8_080)
    told = structs.replace(
        settings,
        node=structs.replace(settings.node, trusted_proxies=(Network("10.0.0.0/8"),)),
        gateway=structs.replace(settings.gateway, origins=(Origin("https://tidings.example"),)),
        objects=Objects(url=ObjectsUrl('a "folder"'), cold_url=ColdUrl("s3://bucket/cold"), secret=Secret("a\\b\nc")),
        uploads=Uploads(file_bytes=1_000),
        media=Media(workers=3),
        feed=Feed(fanout_followers=7),
        log=Log(level="warning"),
    )
    config = tmp_path / "tidings.toml"
    config.write_text(settings_file(told, database, KEY))
    assert load(config, {}) == told


@pytest.mark.parametrize("above", [1, 101])
def test_a_node_whose_address_is_taken_names_it_in_one_sentence(database: str, above: int, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "tidings.toml"
    config.write_text(settings_file(settings_of(database, port), database, KEY))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + above))
        taken.listen()
        command = [sys.executable, "-m", "server.node", "--config", str(config), "--number", "1"]
        ended = subprocess.run(command, stdin=subprocess.PIPE, capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert f"127.0.0.1:{port + above} cannot be listened on (Address already in use)" in ended.stderr


async def test_a_node_that_stops_waits_for_nobody_who_dawdles_and_leaves_no_thread(
    database: str,
) -> None:
    port = free_port()
    settings = settings_of(database, port)
    before = set(threading.enumerate())
    ready = asyncio.Event()
    life = joining(settings, 0)
    async with connected(settings, life.incarnation) as pools:
        node = Node(Parts(settings, pools, life, 0))
        serving = asyncio.create_task(node.serve(ready.set))
        await ready.wait()
        url = f"http://127.0.0.1:{port}"
        await sign_up(url, "ada", PASSWORD)
        await log_in(url, "ada", PASSWORD)
        async with plain(port) as dawdler:
            await dawdler.send(b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            node.stop()
            async with asyncio.timeout(8):
                await serving
            await dawdler.gone()
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("passwords"):
            thread.join(5)
            assert not thread.is_alive()


async def test_a_node_that_drains_says_so_on_its_private_port_until_it_ends(database: str) -> None:
    port = free_port()
    settings = settings_of(database, port)
    ready = asyncio.Event()
    life = joining(settings, 0)
    async with connected(settings, life.incarnation) as pools:
        node = Node(Parts(settings, pools, life, 0))
        serving = asyncio.create_task(node.serve(ready.set))
        async with asyncio.timeout(20):
            await ready.wait()
            private = f"127.0.0.1:{port + 101}"
            assert (await scrape(private)).ready == ""
            async with upgraded(port):
                node.stop()
                said = await scrape(private)
                assert (said.name, said.ready) == (f"127.0.0.1:{port}", "draining")
            await serving


class Losing:
    """A node in a process that is this one, which loses its lease when the test says so."""

    def __init__(self, database: str, nodes: PostgresNodes) -> None:
        self.port = free_port()
        self.process = Process(settings_of(database, self.port), 0)
        self.nodes = nodes

    async def lose(self, peer: Raw) -> None:
        """Returns when the peer, who does not answer, has been told to leave."""
        await self.nodes.remove(f"127.0.0.1:{self.port}")
        while (await peer.frame())[0] != CLOSE:
            continue


@pytest.fixture
async def losing(database: str, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[Losing]:
    async with open_pool(database, 1) as pool:
        losing = Losing(database, PostgresNodes(pool))
        serving = asyncio.create_task(losing.process.run())
        await until(lambda: "ready\n" in capsys.readouterr().out)
        yield losing
        async with asyncio.timeout(8):
            await serving
        assert (await losing.nodes.look()).members == ()


async def test_a_node_that_lost_its_lease_begins_anew_without_those_who_do_not_leave(losing: Losing) -> None:
    """Whoever does not answer the close would else be nobody's, and keep a descriptor for as long as the process."""
    (before,) = (await losing.nodes.look()).members
    async with upgraded(losing.port) as deaf:
        await losing.lose(deaf)
        await deaf.gone()
    while not (members := (await losing.nodes.look()).members):
        continue
    (after,) = members
    assert after.node.name == before.node.name
    assert after.node.incarnation != before.node.incarnation
    losing.process.stop()


async def test_a_node_that_is_told_to_stop_while_it_begins_anew_stops(losing: Losing) -> None:
    async with upgraded(losing.port) as peer:
        await losing.lose(peer)
        losing.process.stop()
