"""`tidings demo`: simulated people on the SDK, over real sockets, with a live table of what the system does."""

import asyncio
import random
import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.progress import track
from rich.table import Table

from server.chat import enter
from server.embedded import EmbeddedError
from server.embedded.private_file import write_private
from server.observe import start_logging
from server.supervisor.starting import load_for
from server.supervisor.supervisor import Supervisor
from tidings_client import Client, Login, Message, Offline, Refused, TidingsError

NAMES = (
    "alice", "amir", "anna", "ben", "bianca", "carla", "chen", "dario", "dina", "emil", "esra", "farid",
    "fiona", "gita", "hugo", "ida", "ines", "ivan", "jana", "kofi", "lena", "lucas", "maya", "mina", "nils",
    "noor", "olga", "omar", "paula", "quinn", "rosa", "samir", "sofia", "tara", "theo", "uma", "vera", "wei",
    "yara", "zoe",
)  # fmt: skip
LINES = (
    "did you see the light this morning?",
    "on my way",
    "that picture is lovely",
    "haha, yes",
    "who is coming tonight?",
    "I'll bring the film rolls",
    "one more and then home",
    "the harbour was all fog",
    "send me the one with the dog",
    "agreed",
    "tomorrow then?",
    "can't stop looking at it",
)
WINDOW_S = 10.0
THINKS_S = 2.5


class Figures:
    """What the last ten seconds were like, seen from the clients."""

    def __init__(self) -> None:
        self.online = 0
        self.sent = self.arrived = self.reconnects = 0
        self._acks: deque[tuple[float, float]] = deque()

    def acked(self, took: float) -> None:
        now = time.monotonic()
        self.sent += 1
        self._acks.append((now, took))
        while self._acks and self._acks[0][0] < now - WINDOW_S:
            self._acks.popleft()

    def row(self) -> tuple[str, ...]:
        took = sorted(took for at, took in self._acks if at > time.monotonic() - WINDOW_S)
        p50, p99 = (_percentile(took, share) for share in (0.5, 0.99))
        rate = f"{len(took) / WINDOW_S:.1f}"
        return str(self.online), rate, p50, p99, str(self.sent), str(self.arrived), str(self.reconnects)


def _percentile(values: Sequence[float], share: float) -> str:
    return f"{values[min(int(len(values) * share), len(values) - 1)] * 1000:.1f} ms" if values else "–"


class Person:
    """Somebody who says something now and then, and answers who speaks to them."""

    def __init__(self, url: str, name: str, login: Login, figures: Figures) -> None:
        self._client = Client(url, token_source=login, device=f"demo-{name}", app="tidings demo")
        self._figures = figures

    async def live(self, friends: Sequence[str]) -> None:
        """Until cancelled."""
        async with self._client as client, asyncio.TaskGroup() as group:
            self._figures.online += 1
            try:
                group.create_task(self._listen(client))
                while True:
                    await asyncio.sleep(random.expovariate(1 / THINKS_S))
                    conversation = await client.open(random.choice(friends))
                    await self._say(client, conversation.id)
            finally:
                self._figures.online -= 1

    async def _listen(self, client: Client) -> None:
        async for event in client.events():
            match event:
                case Message() if event.sender != client.user:
                    self._figures.arrived += 1
                    await client.read(event.conversation, event.c)
                    if random.random() < 0.3:
                        await self._say(client, event.conversation)
                case Offline():
                    self._figures.reconnects += 1

    async def _say(self, client: Client, conversation: str) -> None:
        await client.typing(conversation)
        began = time.monotonic()
        with suppress(TidingsError):
            await client.send(conversation, random.choice(LINES))
            self._figures.acked(time.monotonic() - began)


async def run_demo(url: str | None, port: int, people: int, data: Path, console: Console, nodes: int) -> None:
    """The demo against `url`, or against a server that is started for it and stopped with it."""
    loop = asyncio.get_running_loop()
    if url is not None:
        talking = asyncio.create_task(demo(url, people, password_of(data), console))
        for stopping in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stopping, talking.cancel)
        with suppress(asyncio.CancelledError):
            await talking
        return
    settings = load_for(data, None, {"node.listen": f"127.0.0.1:{port}", "log.level": "warning"}, nodes)
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
    """Sign `people` up, or in, and let them talk, until cancelled."""
    names = [NAMES[number % len(NAMES)] + ("" if number < len(NAMES) else str(number)) for number in range(people)]
    async with asyncio.TaskGroup() as group:
        entering = [group.create_task(_enter(url, name, password)) for name in names]
        for entered in track(asyncio.as_completed(entering), "people are coming", people, console=console):
            await entered
    logins = [entered.result() for entered in entering]
    users = [login.tokens.user for login in logins]
    figures = Figures()
    join = f"{Path(sys.argv[0]).parent / 'tidings'} chat --as YOURNAME --url {url}"
    console.print(f"\n{people} people are talking. Join them from another terminal, and say /open {names[0]}:\n")
    console.print(f"    {join}\n", highlight=False, soft_wrap=True)
    async with asyncio.TaskGroup() as group:
        for place, (name, login) in enumerate(zip(names, logins, strict=True)):
            friends = random.Random(place).sample([user for user in users if user != users[place]], min(6, people - 1))
            group.create_task(Person(url, name, login, figures).live(friends))
        await _show(console, figures)


async def _enter(url: str, name: str, password: str) -> Login:
    """Somebody else may have taken the name: then take another."""
    while True:
        try:
            return await enter(url, name, password)
        except Refused as refusal:
            if refusal.code != "unauthenticated":
                raise
            name = f"{name}.{secrets.token_hex(2)}"


async def _show(console: Console, figures: Figures) -> None:
    """A live table on a terminal, a line every five seconds elsewhere."""
    heads = ("online", "messages/s", "ack p50", "ack p99", "sent", "arrived", "reconnects")
    if not console.is_terminal:
        while True:
            await asyncio.sleep(5)
            console.print(", ".join(f"{head} {value}" for head, value in zip(heads, figures.row(), strict=True)))
    with Live(console=console, refresh_per_second=2) as live:
        while True:
            table = Table(*heads, caption="Ctrl-C ends it all")
            table.add_row(*figures.row())
            live.update(table)
            await asyncio.sleep(0.5)
