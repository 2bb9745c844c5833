"""What one seed stands for: how many people on how many devices, what they do, and what goes wrong when."""

from random import Random
from typing import Literal

import msgspec
from msgspec import Struct

from actors.user_commands import Policy
from protocol.replies import Limits
from tests.simulation.faults import Rates
from tests.simulation.outbox import Style

Disaster = Literal["drain", "restart", "zombies", "overlap", "database crash", "clock jump"]

STYLES: tuple[Style, ...] = ("one at a time", "chained", "careless")
CALM_S = 0.3


class Plan(Struct, frozen=True):
    """`talk` is how often people send, next to 60 other deeds. `idle_s` is a pause in the middle in which nobody acts.

    `disasters` are (when, what), seconds from the start. `drain`: the node stops kindly before the next one starts.
    `restart`: it is killed, and its statements are ended. `zombies`: they run on while the next one works. `overlap`:
    two nodes serve the same conversations for a while.
    """

    people: tuple[tuple[Style, ...], ...]
    directs: int
    groups: int
    actions: int
    every_s: float
    talk: int
    idle_s: float
    idle_ms: int
    lanes: int
    rates: Rates
    cuts: bool
    stalls: bool
    delays: bool
    disasters: tuple[tuple[float, Disaster], ...]
    policy: Policy
    shuffle: bool

    @property
    def one_writer(self) -> bool:
        return not any(what in ("zombies", "overlap") for _, what in self.disasters)

    @property
    def busy_s(self) -> float:
        """How long people act, about."""
        return CALM_S + self.actions * self.every_s


def drawn(seed: int) -> Plan:
    random = Random(f"plan {seed}")
    people = tuple(
        tuple(random.choice(STYLES) for _ in range(random.choice((1, 1, 2))))
        for _ in range(random.choice((2, 3, 3, 4)))
    )
    actions, every_s = random.randint(8, 18), random.choice((0.1, 0.25, 0.5))
    busy_s = actions * every_s
    kinds: list[Disaster] = [
        "drain",
        "restart",
        "zombies",
        "overlap",
        "database crash",
        "database crash",
        "clock jump",
    ]
    count = random.choice((0, 0, 1, 1, 2))
    return Plan(
        people=people,
        directs=random.randint(1, 2),
        groups=random.randint(0, 1),
        actions=actions,
        every_s=every_s,
        talk=random.choice((50, 50, 50, 2)),
        idle_s=random.uniform(65, 100) if random.random() < 0.08 else 0.0,
        idle_ms=random.choice((300, 1_000, 60_000)),
        lanes=random.choice((1, 2)),
        rates=Rates(
            lost=random.choice((0, 0, 0.02, 0.05)),
            slow=random.choice((0, 0.02, 0.1)),
            crash=random.choice((0, 0, 0.004, 0.02)),
            refused=random.choice((0, 0, 0, 0.03)),
        ),
        cuts=random.random() < 0.6,
        stalls=random.random() < 0.4,
        delays=random.random() < 0.5,
        disasters=tuple(sorted((random.uniform(CALM_S, busy_s + 1), random.choice(kinds)) for _ in range(count))),
        policy=Policy(
            resume_ms=random.choice((2_000, 300_000)),
            ping_ms=25_000,
            background_ping_ms=50_000,
            send_budget=random.choice((1_000, 512 * 1024)),
            ring_bytes=random.choice((400, 1_500, 1024 * 1024)),
            limits=Limits(65_536, 20, 200, 0.333),
        ),
        shuffle=random.random() < 0.25,
    )


def harsh(seed: int) -> Plan:
    """The same people in bad weather: what the checker's own test runs on, so that few seeds are enough."""
    plan = drawn(seed)
    return msgspec.structs.replace(
        plan,
        actions=plan.actions + 8,
        every_s=0.25,
        lanes=1 + seed // 4 % 2,
        talk=50 if seed % 4 < 2 else 0,
        rates=Rates(lost=0.04, slow=0.15, crash=0.008 * (seed % 3), refused=0.02 * (seed % 2)),
        cuts=True,
        policy=msgspec.structs.replace(plan.policy, ring_bytes=1_500),
    )
