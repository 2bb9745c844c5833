"""Starting the demo: a server of its own or one that runs, people who sign up or in, and their first pictures."""

import asyncio
import random
import secrets
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.progress import track

from server.chat.program import enter
from server.demo.figures import Figures, show
from server.demo.people import NAMES
from server.demo.person import FAULTS, SHOWS_S, Person
from server.embedded import EmbeddedError
from server.embedded.private_file import write_private
from server.observe import start_logging
from server.supervisor.starting import load_for
from server.supervisor.supervisor import Supervisor
from tidings_client import Login, Refused

FRIENDS = 6
INTRODUCED = 8
"""How many of them a newcomer is suggested."""
PAST_POSTS, PAST_STORIES = 10, 4
"""What people have shown when the demo is started for the first time, so that nobody looks at an empty page."""


async def run_demo(url: str | None, port: int, people: int, data: Path, console: Console, nodes: int) -> None:
    """The demo against `url`, or against a server that is started for it and stopped with it."""
    if url is None:
        await _with_server(port, people, data, console, nodes)
        return
    loop = asyncio.get_running_loop()
    talking = asyncio.create_task(demo(url, people, password_of(data), console))
    for stopping in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(stopping, talking.cancel)
    with suppress(asyncio.CancelledError):
        await talking


async def _with_server(port: int, people: int, data: Path, console: Console, nodes: int) -> None:
    said: dict[str, object] = {
        "node.listen": f"127.0.0.1:{port}",
        "log.level": "warning",
        "feed.introduce": NAMES[:people][:INTRODUCED],
    }
    settings = load_for(data, None, said, nodes)
    start_logging(settings.log.level)
    supervisor = Supervisor(settings, data, None, console.print, nodes)
    supervisor.heed_signals()
    ready = asyncio.Event()
    serving = asyncio.create_task(supervisor.run(ready.set))
    starting = asyncio.create_task(ready.wait())
    await asyncio.wait((serving, starting), return_when=asyncio.FIRST_COMPLETED)
    starting.cancel()
    if ready.is_set():
        talking = asyncio.create_task(demo(f"http://127.0.0.1:{port}", people, password_of(data), console))
        await asyncio.wait((serving, talking), return_when=asyncio.FIRST_COMPLETED)
        supervisor.stop()
        talking.cancel()
        await asyncio.wait((serving, talking))
        if not talking.cancelled():
            talking.result()
    await serving


def password_of(data: Path) -> str:
    """What the simulated people of this installation sign in with; nobody else knows it."""
    file = data / "demo.password"
    try:
        if not file.exists():
            data.mkdir(parents=True, exist_ok=True)
            write_private(file, secrets.token_urlsafe(24))
        return file.read_text()
    except OSError as fault:
        raise EmbeddedError(f"The data folder {data} cannot be used ({fault}): choose another one.") from fault


async def demo(url: str, people: int, password: str, console: Console) -> None:
    """Sign `people` up, or in, and let them live, until cancelled."""
    wanted = [NAMES[number % len(NAMES)] + ("" if number < len(NAMES) else str(number)) for number in range(people)]
    async with asyncio.TaskGroup() as group:
        entering = [group.create_task(_enter(url, name, password)) for name in wanted]
        for entered in track(asyncio.as_completed(entering), "people are coming", people, console=console):
            await entered
    joined = [entered.result() for entered in entering]
    figures, first = Figures(), joined[0]
    page = f"{url}/#/@{first[0]}"
    _invite(url, page, people, first[0], console)
    crowd = _crowd(url, joined, figures)
    async with asyncio.TaskGroup() as group:
        for person in crowd:
            group.create_task(person.live(SHOWS_S * people))
        group.create_task(_begin(crowd, first[1]))
        await show(console, figures, page)


def _invite(url: str, page: str, people: int, name: str, console: Console) -> None:
    # As this program was started: it may be a module of a folder that has no command of its own.
    started = [sys.argv[0]] if Path(sys.argv[0]).name == "tidings" else [sys.executable, "-m", "server.cli"]
    join = shlex.join([*started, "chat", "--as", "YOURNAME", "--url", url])
    console.print(f"\n{people} people talk and post. Open this in a browser, sign up, and follow {name}:\n")
    console.print(f"    {page}\n", highlight=False, soft_wrap=True)
    console.print(f"or join them from another terminal, and say /open {name}:\n")
    console.print(f"    {join}\n", highlight=False, soft_wrap=True)


def _crowd(url: str, entered: Sequence[tuple[str, Login]], figures: Figures) -> list[Person]:
    users = [login.tokens.user for _, login in entered]
    crowd = []
    for place, (name, login) in enumerate(entered):
        others = [user for user in users if user != users[place]]
        friends = random.Random(place).sample(others, min(FRIENDS, len(others)))
        crowd.append(Person(url, name, login, friends, users, figures))
    return crowd


async def _begin(crowd: Sequence[Person], first: Login) -> None:
    """Everybody follows their friends, one after the other; on the first start somebody has posted already."""
    for person in crowd:
        await person.befriend()
    with suppress(*FAULTS):
        profile = await first.call("GET", f"/v1/users/{first.tokens.user}")
        if profile.get("posts", 0):
            return
    for person in crowd[:PAST_POSTS]:
        await person.post()
    for person in crowd[:PAST_STORIES]:
        await person.tell()


async def _enter(url: str, name: str, password: str) -> tuple[str, Login]:
    """Under which name. Somebody else may have taken it: then take another."""
    while True:
        try:
            return name, await enter(url, name, password)
        except Refused as refusal:
            if refusal.code != "unauthenticated":
                raise
            name = f"{name}.{secrets.token_hex(2)}"
