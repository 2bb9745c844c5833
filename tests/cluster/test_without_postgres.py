"""Postgres away: nothing is acknowledged, sockets stay, and all heals by itself (docs/reliability.md)."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import asyncpg
import pytest

from config.settings import load
from persistence.pool import UNANSWERED
from tests.cluster.looking import apart, figures, not_ready
from tests.cluster.pulse import Pair, talking
from tests.server.running import Installation
from tests.until import until

SETTINGS = {"GATEWAY__TYPING_MS": 100}
AWAY_S = 6.0
ON_THE_WAY_S = 0.5
"""How long an answer may be under way that left before."""
HEALED_WITHIN_S = 10.0
A_LEASE_S = 3.0


@dataclass(frozen=True, slots=True)
class Outage:
    """It was certainly away from `began` to `until`. Monotonic seconds."""

    began: float
    until: float


Trouble = Callable[[Installation, Pair], Awaitable[Outage]]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    running = Installation(tmp_path, SETTINGS, nodes=2).start()
    yield running
    running.stop()


async def frozen(installation: Installation, pair: Pair) -> Outage:
    """Postgres stands still, and goes on; while it is away people see each other type."""
    postmaster = int((installation.data / "postgres" / "postmaster.pid").read_text().split()[0])
    backends = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    stopped = [postmaster, *map(int, backends)]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    began = monotonic()
    try:
        await pair.types()
        assert await not_ready(installation) == ["Postgres does not answer"] * installation.nodes
        await asyncio.sleep(began + AWAY_S - 1 - monotonic())
        await pair.types()
        await asyncio.sleep(began + AWAY_S - monotonic())
        return Outage(began, monotonic())
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


async def killed(installation: Installation, pair: Pair) -> Outage:
    """Postgres dies and is started again."""
    url = str(load(installation.data / "tidings.toml", {}).postgres.url)
    installation.kill_postgres()
    began = until = monotonic()
    await pair.types()
    async with asyncio.timeout(20):
        while True:
            tried = monotonic()
            try:
                await (await asyncpg.connect(url, timeout=5)).close()
            except UNANSWERED:
                until = tried
                await asyncio.sleep(0.02)
            else:
                return Outage(began, until)


@pytest.mark.verify
@pytest.mark.parametrize("trouble", [frozen, killed])
async def test_without_postgres_sockets_stay_nothing_is_acknowledged_and_all_heals_by_itself(
    installation: Installation, capsys: pytest.CaptureFixture[str], trouble: Trouble
) -> None:
    people, pids = apart(installation), installation.node_pids()
    async with asyncio.timeout(90), talking(installation, people) as pair:
        await until(lambda: len(pair.one.acked) >= 20, 20)
        await pair.types()
        epochs, placed = [pulse.client.position[0] for pulse in pair.both], versions(installation)
        outage = await trouble(installation, pair)
        await until(lambda: pair.healed_at(outage.until) is not None, HEALED_WITHIN_S)
        healed = pair.healed_at(outage.until)
        assert healed is not None
        # Nothing tells that no lease will be lost any more; one that was would have run out by then.
        await asyncio.sleep(outage.until + A_LEASE_S + 1 - monotonic())
        assert [pulse.client.position[0] for pulse in pair.both] == epochs
        assert versions(installation) == placed
        assert installation.node_pids() == pids
        assert await not_ready(installation) == [""] * installation.nodes
        await pair.finish()
    with capsys.disabled():
        away = outage.until - outage.began
        print(f"\nPostgres {trouble.__name__} for {away:.1f} s: healed {healed - outage.until:.2f} s after it was back")
    pair.check()
    for pulse in pair.both:
        assert pulse.ends == 0
        assert not [at for at in pulse.acked.values() if outage.began + ON_THE_WAY_S < at < outage.until]


def versions(installation: Installation) -> list[float]:
    """Of the placement that each node acts by: a lease that was lost would have raised it."""
    return [
        figures(f"http://127.0.0.1:{installation.port + 100 + number}")["tidings_placement_version"]
        for number in range(1, installation.nodes + 1)
    ]
