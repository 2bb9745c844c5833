"""The commands as a stranger uses them, and what they say when something is wrong."""

import asyncio
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bench.subject import free_port
from config.settings import load
from persistence.nodes.contract import RENEW_MS, Life
from persistence.nodes.postgres import PostgresNodes
from persistence.pool import open_pool
from server.embedded import EmbeddedPostgres
from tests.server.running import Installation, working_in
from tests.until import WITHIN_S

KEY = "k1:" + "A" * 43 + "="


def tidings(*arguments: object, environ: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "server.cli", *map(str, arguments)]
    return subprocess.run(command, env=os.environ | (environ or {}), capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "environ", "says"),
    [
        (("serve",), {}, ("postgres.url", "TIDINGS_POSTGRES__URL", "not set")),
        (("serve",), {"TIDINGS_GATEWAY__BURST": "many"}, ("gateway.burst", "TIDINGS_GATEWAY__BURST", "many")),
        (("serve",), {"TIDINGS_GATEWAY__BURTS": "1"}, ("TIDINGS_GATEWAY__BURTS", "no setting")),
        (("serve", "--config", "nowhere.toml"), {}, ("nowhere.toml", "cannot be read")),
        (
            ("serve",),
            {
                "TIDINGS_POSTGRES__URL": "postgresql://nobody@127.0.0.1:1/nothing",
                "TIDINGS_TOKENS__KEYS": KEY,
            },
            ("postgres.url", "TIDINGS_POSTGRES__URL", "start Postgres there"),
        ),
        (
            ("serve",),
            {"TIDINGS_POSTGRES__URL": "postgresql://me:hunter2@db:hunter3/x", "TIDINGS_TOKENS__KEYS": KEY},
            ("postgres.url", "cannot be read"),
        ),
        (("serve", "--embedded"), {"TIDINGS_POSTGRES__URL": "postgresql://db/x"}, ("postgres.url", "--embedded")),
        (("serve", "--embedded"), {"TIDINGS_TOKENS__KEYS": KEY}, ("tokens.keys", "--embedded")),
        (("serve", "--embedded"), {"TIDINGS_NODE__LISTEN": "127.0.0.1:65500"}, ("node.listen", "65500", "1 to 65000")),
        (("serve", "--embedded"), {"TIDINGS_NODE__LISTEN": "127.0.0.1:0"}, ("node.listen", "1 to 65000")),
        (("serve", "--embedded"), {"TIDINGS_NATS__URL": "hunter2"}, ("nats.url", "TIDINGS_NATS__URL", "nats://")),
        (
            ("serve", "--embedded", "--nodes", 2),
            {"TIDINGS_NODE__URL": "wss://n1.example.com/v1/socket"},
            ("node.url", "TIDINGS_NODE__URL", "{port}", "--nodes"),
        ),
        (
            ("serve", "--embedded", "--nodes", 2),
            {"TIDINGS_NODE__ADDRESS": "10.0.0.1:8081"},
            ("node.address", "TIDINGS_NODE__ADDRESS", "{port}", "--nodes"),
        ),
        (
            ("serve", "--embedded", "--nodes", 2),
            {"TIDINGS_NODE__LISTEN": "0.0.0.0:8080"},
            ("node.url", "TIDINGS_NODE__URL", "node.listen", "0.0.0.0:8080"),
        ),
        (
            ("serve", "--embedded"),
            {"TIDINGS_NODE__LISTEN": "0.0.0.0:8080"},
            ("node.url", "TIDINGS_NODE__URL", "node.listen", "0.0.0.0:8080"),
        ),
        (
            ("serve", "--embedded", "--nodes", 2),
            {
                "TIDINGS_NODE__LISTEN": "0.0.0.0:8080",
                "TIDINGS_NODE__URL": "wss://chat.example.com/{port}/v1/socket",
            },
            ("node.address", "TIDINGS_NODE__ADDRESS", "node.listen", "0.0.0.0:8080"),
        ),
        (
            ("serve",),
            {
                "TIDINGS_NODE__LISTEN": "0.0.0.0:8080",
                "TIDINGS_NODE__URL": "wss://n1.example.com/v1/socket",
                "TIDINGS_POSTGRES__URL": "postgresql://db/x",
                "TIDINGS_TOKENS__KEYS": KEY,
            },
            ("node.address", "TIDINGS_NODE__ADDRESS", "node.listen", "0.0.0.0:8080"),
        ),
        (("status", "--data", "nowhere"), {}, ("--data", "nowhere", "tidings serve --embedded")),
        (("admin", "mint", "--users", 1, "--data", "nowhere"), {}, ("--data", "nowhere")),
    ],
)
def test_what_is_wrong_ends_in_one_sentence_that_names_it(
    arguments: tuple[object, ...], environ: dict[str, str], says: tuple[str, ...]
) -> None:
    ended = tidings(*arguments, environ=environ)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr
    assert "hunter" not in ended.stderr
    for word in says:
        assert word in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("chat", "--as", "x", "--password", "a long password", "--url", "nonsense"), ("--url", "nonsense")),
        (("demo", "--url", "http://127.0.0.1:1", "--data", "DATA"), ("--url", "http://127.0.0.1:1")),
        (("demo", "--data", "DATA/file/data"), ("data folder", "DATA/file/data", "choose another")),
        (("serve", "--embedded", "--config", "x.toml"), ("--embedded", "--config")),
        (("serve", "--embedded", "--nodes", "51"), ("--nodes", "51")),
        (("restart", "--data", "DATA"), ("--rolling",)),
        (("restart", "--rolling", "--data", "DATA"), ("--data", "DATA", "tidings serve", "SIGHUP")),
        (("torture", "--data", "DATA/file/data"), ("--data", "DATA/file/data", "name a folder")),
        (("serve", "--embedded", "--data", "DATA/file/data"), ("data folder", "DATA/file/data", "choose another")),
        (("docs", "--out", "DATA/file/docs"), ("--out", "DATA/file/docs")),
        (("status", "--data", "DATA"), ("tidings serve",)),
        (("migrate", "--data", "DATA"), ("postgres.url", "start Postgres")),
        (("admin", "mint", "--users", "1", "--data", "DATA"), ("postgres.url", "start Postgres")),
    ],
)
def test_whatever_goes_wrong_ends_without_a_traceback(
    arguments: tuple[str, ...], says: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    settings = f'[node]\nlisten = "127.0.0.1:{free_port()}"\n[postgres]\nurl = "postgresql:///x?host={tmp_path}"\n'
    (tmp_path / "tidings.toml").write_text(f'{settings}[tokens]\nkeys = ["{KEY}"]\n')
    port = ("--port", str(free_port())) if arguments[0] in ("serve", "demo") else ()
    ended = tidings(*(word.replace("DATA", str(tmp_path)) for word in (*arguments, *port)))
    assert ended.returncode in (1, 2)
    assert "Traceback" not in ended.stderr
    for word in says:
        assert word.replace("DATA", str(tmp_path)) in ended.stderr


@pytest.mark.parametrize("above", [0, 1, 2, 99, 101, 102])
def test_a_port_in_use_is_named_before_anything_is_started(above: int, tmp_path: Path) -> None:
    port = free_port(nodes=2)
    with socket.create_server(("127.0.0.1", port + above)):
        ended = tidings("serve", "--embedded", "--nodes", 2, "--port", port, "--data", tmp_path / "data")
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert f"127.0.0.1:{port + above}" in ended.stderr
    assert "--port" in ended.stderr
    assert not (tmp_path / "data").exists()


def test_a_data_folder_in_use_is_named(installation: Installation) -> None:
    ended = tidings("serve", "--embedded", "--port", free_port(), "--data", installation.data)
    assert ended.returncode == 2
    assert f"Another process uses the data folder {installation.data}" in ended.stderr


async def test_a_database_that_may_lose_data_is_refused_in_one_sentence(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, {"fsync": "off"})
    url = await server.start()
    environ = {"TIDINGS_POSTGRES__URL": url, "TIDINGS_TOKENS__KEYS": KEY}
    environ["TIDINGS_NODE__LISTEN"] = f"127.0.0.1:{free_port()}"
    ended = await asyncio.to_thread(tidings, "serve", environ=environ)
    await server.stop()
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "tidings: Postgres has fsync off and may lose what was acknowledged: turn fsync on."
    ]


@pytest.mark.parametrize("said", ["starting Postgres", "tidings is ready"], ids=["while it starts", "when it is ready"])
async def test_ctrl_c_ends_everything_that_was_started(said: str, tmp_path: Path) -> None:
    serve = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", "serve", "--embedded"),
        *("--port", str(free_port()), "--data", str(tmp_path / "data")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    await _until(serve, said)
    # The terminal sends it to the whole group of processes.
    os.killpg(serve.pid, signal.SIGINT)
    rest, _ = await serve.communicate()
    assert (serve.returncode, rest) == (0, b"")
    assert working_in(tmp_path) == []


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    running = Installation(tmp_path_factory.mktemp("pair"), nodes=2).start()
    yield running
    running.stop()


def rows(shown: "subprocess.CompletedProcess[str]") -> dict[str, list[str]]:
    """The cells of a table, without the first of each row, by that one."""
    assert shown.returncode == 0, shown.stderr
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.stdout.splitlines() if "│" in line]
    return {first: rest for first, *rest in cells}


def test_status_shows_one_node_in_detail_and_says_when_there_is_none(installation: Installation) -> None:
    shown = rows(tidings("status", "--data", installation.data, "--node", 1))
    assert shown["ready"] == ["yes"]
    assert {"connections", "requests", "messages per commit"} <= shown.keys()
    missing = tidings("status", "--data", installation.data, "--node", 50)
    assert missing.returncode == 1
    assert "does not answer" in missing.stderr


async def test_status_shows_all_nodes_and_that_they_act_by_one_placement(pair: Installation) -> None:
    async with open_pool(str(load(pair.data / "tidings.toml", {}).postgres.url), 1) as pool, asyncio.timeout(WITHIN_S):
        # Who has just joined or left, in a test before this one, is learned of with the next renewal.
        while not (await PostgresNodes(pool).look()).agreed:
            continue
    shown = await asyncio.to_thread(tidings, "status", "--data", pair.data)
    table = rows(shown)
    one, two, both = (table[name] for name in (f"127.0.0.1:{pair.port + 1}", f"127.0.0.1:{pair.port + 2}", "all"))
    assert one[0] == two[0] == "yes"
    assert one[1] == two[1]
    assert int(one[2]) + int(two[2]) == int(both[2]) == 8_192
    assert f"placement version {one[1]}: all nodes act by it" in shown.stdout


async def test_status_shows_what_the_lease_of_a_node_says_that_does_not_answer(pair: Installation) -> None:
    settings = load(pair.data / "tidings.toml", {})
    nowhere = f"127.0.0.1:{free_port()}"
    async with open_pool(str(settings.postgres.url), 1) as pool:
        leases = PostgresNodes(pool)
        await leases.join(Life("mute", "mute", "ws://mute/v1/socket", nowhere, nowhere))
        showing = asyncio.create_task(asyncio.to_thread(tidings, "status", "--data", pair.data))
        while not (await asyncio.wait([showing], timeout=RENEW_MS / 1000))[0]:
            await leases.renew("mute", 0)
        await leases.leave("mute")
    shown = showing.result()
    assert rows(shown).keys() >= {"mute", f"127.0.0.1:{pair.port + 1}", f"127.0.0.1:{pair.port + 2}"}
    unfolded = " ".join(shown.stdout.replace("│", " ").split())
    assert "does not answer" in unfolded
    assert "it holds a lease and acts by version 0" in unfolded
    assert "mute" in shown.stdout.partition("not yet acted by: ")[2]


async def test_status_takes_no_node_for_another_one_that_names_the_same_private_address(pair: Installation) -> None:
    settings = load(pair.data / "tidings.toml", {})
    private = f"127.0.0.1:{pair.port + 101}"
    async with open_pool(str(settings.postgres.url), 1) as pool:
        leases = PostgresNodes(pool)
        await leases.join(Life("far", "far", "ws://far/v1/socket", "far:1", private))
        showing = asyncio.create_task(asyncio.to_thread(tidings, "status", "--data", pair.data))
        while not (await asyncio.wait([showing], timeout=RENEW_MS / 1000))[0]:
            await leases.renew("far", 0)
        await leases.leave("far")
    unfolded = " ".join(showing.result().stdout.replace("│", " ").split())
    assert f"127.0.0.1:{pair.port + 1} answers at http://{private}: give each machine a node.private" in unfolded


def test_status_shows_the_nodes_of_this_machine_while_postgres_is_away(pair: Installation, tmp_path: Path) -> None:
    told = (pair.data / "tidings.toml").read_text()
    apart = tmp_path / "apart.toml"
    url = str(load(pair.data / "tidings.toml", {}).postgres.url)
    apart.write_text(told.replace(url, f"postgresql:///x?host={tmp_path}"))
    shown = tidings("status", "--config", apart)
    # Of another installation, which tests that run meanwhile may have started nearby, there may be nodes too.
    assert rows(shown).keys() >= {f"127.0.0.1:{pair.port + 1}", f"127.0.0.1:{pair.port + 2}", "all"}
    assert "start Postgres there" in shown.stdout


async def _chat(installation: Installation, name: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", "chat", "--as", name, "--password", "a long password"),
        *("--url", installation.url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        # A shell that runs the tests in the background has them ignore it.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler),
    )


async def _until(process: asyncio.subprocess.Process, wanted: str) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while True:
            line = (await process.stdout.readline()).decode()
            assert line, f"ended before {wanted!r}"
            if wanted in line:
                return line


async def test_two_people_sign_up_in_their_terminals_and_talk(installation: Installation) -> None:
    ada, ben = await _chat(installation, "terminal.ada"), await _chat(installation, "terminal.ben")
    assert ada.stdin is not None
    assert ben.stdin is not None
    await _until(ben, "you are terminal.ben")
    await _until(ada, "you are terminal.ada")
    ada.stdin.write(b"/open nobody.at.all\n/open terminal.ben\nhello from here\n")
    await _until(ada, "there is no 'nobody.at.all' here")
    assert "terminal.ada: hello from here" in await _until(ben, "hello from here")
    ben.stdin.write(b"/requests\n/accept\n/decline\nand from here\n")
    await _until(ben, "/1  terminal.ada")
    await _until(ben, "accepted")
    await _until(ben, "conflict_state")
    assert "terminal.ben: and from here" in await _until(ada, "and from here")
    for person in (ada, ben):
        assert person.stdin is not None
        person.stdin.write(b"/quit\n")
        assert await person.wait() == 0


async def test_ctrl_c_ends_a_chat_that_waits_for_a_line(installation: Installation) -> None:
    ada = await _chat(installation, "terminal.cyd")
    await _until(ada, "you are terminal.cyd")
    ada.send_signal(signal.SIGINT)
    assert ada.stdout is not None
    async with asyncio.timeout(10):
        assert b"Traceback" not in await ada.stdout.read()
        assert await ada.wait() == 1


async def test_a_chat_that_another_of_the_same_name_replaces_says_so(installation: Installation) -> None:
    first = await _chat(installation, "terminal.dee")
    await _until(first, "(online)")
    second = await _chat(installation, "terminal.dee")
    assert "took over" in await _until(first, "Error")
    assert await first.wait() == 1
    assert second.stdin is not None
    second.stdin.write(b"/quit\n")
    assert await second.wait() == 0


async def test_a_chat_reads_its_lines_from_a_file_too(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("/list\nno newline here: said to nobody")
    with open(tmp_path / "lines") as lines:
        command = [sys.executable, "-m", "server.cli", "chat", "--as", "terminal.eva", "--password", "a long password"]
        command += ["--url", installation.url]
        ended = subprocess.run(command, stdin=lines, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 0
    assert "nothing yet: /open NAME" in ended.stdout
    assert "you are in no conversation" in ended.stdout


def test_chat_names_a_server_that_cannot_be_reached_and_a_wrong_password(installation: Installation) -> None:
    away = tidings("chat", "--as", "x", "--password", "a long password", "--url", f"http://127.0.0.1:{free_port()}")
    assert away.returncode == 1
    assert "--url" in away.stderr
    talk = [sys.executable, "-m", "server.cli", "chat", "--as", "eve", "--password", "a long password"]
    talk += ["--url", installation.url]
    subprocess.run(talk, input="/quit\n", check=True, capture_output=True, text=True)
    wrong = tidings("chat", "--as", "eve", "--password", "another password", "--url", installation.url)
    assert wrong.returncode == 1
    assert "not the password" in wrong.stderr


async def test_the_demo_lets_people_talk_on_a_running_server_and_shows_figures(installation: Installation) -> None:
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", "demo", "--people", "4", "--url", installation.url),
        *("--data", str(installation.data)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
    )
    await _until(demo, "/#/@alice")
    invited = shlex.split(await _until(demo, "chat --as"))
    assert subprocess.run([*invited, "--help"], capture_output=True, check=False).returncode == 0
    assert "ack p50" in await _until(demo, "online 4")
    demo.terminate()
    assert await demo.wait() == 0
