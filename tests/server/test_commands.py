"""The commands as a stranger uses them, and what they say when something is wrong."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.running import Installation, free_port


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
                "TIDINGS_TOKENS__KEYS": "k1:" + "A" * 43 + "=",
            },
            ("postgres.url", "TIDINGS_POSTGRES__URL", "start Postgres there"),
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
    for word in says:
        assert word in ended.stderr


def test_a_port_in_use_is_named(installation: Installation, tmp_path: Path) -> None:
    ended = tidings("serve", "--embedded", "--port", installation.port, "--data", tmp_path / "data")
    assert ended.returncode == 2
    assert str(installation.port) in ended.stderr
    assert "--port" in ended.stderr


def test_status_shows_a_running_node_and_says_when_there_is_none(installation: Installation) -> None:
    shown = tidings("status", "--data", installation.data)
    assert shown.returncode == 0
    assert "connections" in shown.stdout
    missing = tidings("status", "--data", installation.data, "--node", 50)
    assert missing.returncode == 1
    assert "does not answer" in missing.stderr


async def _chat(installation: Installation, name: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", "chat", "--as", name, "--password", "a long password"),
        *("--url", installation.url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
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
    ben.stdin.write(b"and from here\n")
    assert "terminal.ben: and from here" in await _until(ada, "and from here")
    for person in (ada, ben):
        assert person.stdin is not None
        person.stdin.write(b"/quit\n")
        assert await person.wait() == 0


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
    await _until(demo, "tidings chat --as")
    assert "ack p50" in await _until(demo, "online 4")
    demo.terminate()
    assert await demo.wait() == 0
