"""What one seed stands for: how many people on how many devices, what they do, and what goes wrong when."""

from random import Random
from typing import Literal

import msgspec
from msgspec import Struct

from actors.user_commands import Policy
from bench.devices.outbox import Style
from protocol.replies import Limits
from tests.simulation.bus import Traffic
from tests.simulation.faults import Rates

Disaster = Literal[
    "drain",
    "restart",
    "zombies",
    "loss",
    "pause",
    "newcomer",
    "bus down",
    "partition",
    "cut off from the database",
    "database crash",
    "clock jump",
]

STYLES: tuple[Style, ...] = ("one at a time", "chained", "careless")
SDK_SHARES = (0.35, 0.35, 0.35, 1.0)
CALM_S = 0.3


class Plan(Struct, frozen=True):
    """`talk` is how often people send, next to 60 other deeds. `idle_s` is a pause in the middle in which nobody acts.

    `disasters` are (when, what), seconds from the start, each of them to some node. `drain`: it stops kindly before its
    next life starts. `restart`: it is killed, as its supervisor sees. `zombies`: nobody sees it, and the next life is
    there at once, while statements of the earlier one run on. `loss`: the next one comes after the lease has run out.
    `bus_stays_down`: in the end, too, there is none.
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
    nodes: int
    traffic: Traffic
    bus_stays_down: bool
    rates: Rates
    cuts: bool
    stalls: bool
    delays: bool
    disasters: tuple[tuple[float, Disaster], ...]
    policy: Policy
    shuffle: bool

    @property
    def one_writer(self) -> bool:
        return self.nodes == 1 and not any(what in ("zombies", "loss", "newcomer") for _, what in self.disasters)

    @property
    def busy_s(self) -> float:
        """How long people act, about."""
        return CALM_S + self.actions * self.every_s


def drawn(seed: int) -> Plan:
    random = Random(f"plan {seed}")
    sdk = random.choice(SDK_SHARES)
    people = tuple(
        tuple("sdk" if random.random() < sdk else random.choice(STYLES) for _ in range(random.choice((1, 1, 2))))
        for _ in range(random.choice((2, 3, 3, 4)))
    )
    actions, every_s = random.randint(8, 18), random.choice((0.1, 0.25, 0.5))
    busy_s = actions * every_s
    nodes = random.choice((1, 2, 2, 3))
    kinds: list[Disaster] = ["drain", "restart", "zombies", "loss", "database crash", "clock jump", "pause", "newcomer"]
    kinds += ["bus down", "partition", "partition", "pause", "cut off from the database"] if nodes > 1 else []
    count = random.choice((0, 0, 1, 1, 2)) if nodes == 1 else random.choice((0, 1, 1, 2, 3))
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
        nodes=nodes,
        traffic=Traffic(
            lost=random.choice((0, 0, 0.01, 0.1)),
            repeated=random.choice((0, 0, 0.05)),
            late=random.choice((0, 0, 0.05)),
        ),
        rates=Rates(
            lost=random.choice((0, 0, 0.02, 0.05)),
            slow=random.choice((0, 0.02, 0.1)),
            crash=random.choice((0, 0, 0.004, 0.02)),
            refused=random.choice((0, 0, 0, 0.03)),
        ),
        bus_stays_down=nodes > 1 and random.random() < 0.05,
        cuts=random.random() < 0.6,
        stalls=random.random() < 0.4,
        delays=random.random() < 0.5,
        disasters=tuple(sorted((random.uniform(CALM_S, busy_s + 1), random.choice(kinds)) for _ in range(count))),
        policy=Policy(
            resume_ms=random.choice((2_000, 300_000)),
            ping_ms=random.choice((25_000, 3_000)),
            background_ping_ms=50_000,
            send_budget=random.choice((1_000, 512 * 1024)),
            ring_bytes=random.choice((400, 1_500, 1024 * 1024)),
            limits=Limits(65_536, 20, 200, 0.333),
        ),
        shuffle=random.random() < 0.25,
    )


def harsh(seed: int) -> Plan:
    """The same people on one node in bad weather: what the checker's own test runs on, so that few seeds are enough."""
    plan = drawn(seed)
    alone = ("drain", "restart", "zombies", "database crash", "clock jump")
    return msgspec.structs.replace(
        plan,
        actions=plan.actions + 8,
        every_s=0.25,
        lanes=1 + seed // 4 % 2,
        nodes=1,
        disasters=tuple((at, what) for at, what in plan.disasters if what in alone),
        talk=50 if seed % 4 < 2 else 0,
        rates=Rates(lost=0.04, slow=0.15, crash=0.012 * (seed % 3), refused=0.02 * (seed % 2)),
        cuts=True,
        policy=msgspec.structs.replace(plan.policy, ring_bytes=1_500),
    )


TEARING: tuple[Disaster, ...] = ("loss", "pause", "newcomer", "zombies", "partition", "restart", "bus down", "drain")


def torn(seed: int) -> Plan:
    """The same people on several nodes that lose each other: what the repair's own test runs on."""
    plan = drawn(seed)
    actions, every_s = 10 + seed % 8, 0.25
    busy_s = CALM_S + actions * every_s
    return msgspec.structs.replace(
        plan,
        actions=actions,
        every_s=every_s,
        people=(("one at a time",), ("chained",), ("sdk",), ("one at a time", "careless")),
        directs=8,
        talk=120,
        idle_s=0.0,
        cuts=False,
        stalls=False,
        nodes=2 + seed % 2,
        bus_stays_down=seed % 5 == 4,
        rates=Rates(slow=0.2 * (seed % 3), lost=0.0),
        traffic=Traffic(lost=0.2 * (seed % 4), repeated=0.2 * (seed % 2), late=0.1 * (seed % 3)),
        disasters=tuple((busy_s * (at + 1) / 2, TEARING[(seed + 3 * at) % len(TEARING)]) for at in range(seed % 3)),
    )
