"""Brings deliveries to one provider: claims, sends, settles.

What was sent and could not be settled, as Postgres is away, is settled when it is back, and nothing more is claimed
until then. A sender that dies leaves its claims to run out.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from random import Random

import msgspec
import structlog

from persistence.faults import UnavailableError
from persistence.push.contract import ATTEMPTS, Delivery, PushStore, Settled
from protocol.pushes import Content
from server.outage import Outage
from server.push.breaker import Breakers
from server.push.figures import Figures
from server.push.provider import Gone, Misconfigured, Outcome, Provider, Refused, Retry, Sent
from server.push.wishes import Wishes

CONCURRENCY = 64
"""Deliveries of one provider and node that are under way at once."""
SEND_S = 20.0
LEASE_MS = 60_000
"""How long a delivery is ours: it is sent, and settled at the third try, within that."""
POLL_S = 0.5
LONGEST_ERROR = 200
FIRST_MS, LONGEST_MS = 2_000, 600_000
"""Between two attempts: full jitter up to the first, twice as much each time, at most the second."""

_content = msgspec.msgpack.Decoder(Content).decode

log = structlog.get_logger()


class Sender:
    """`drain` ends `run` once nothing is under way. `monotonic` is in seconds."""

    def __init__(
        self,
        provider: Provider,
        store: PushStore,
        figures: Figures,
        monotonic: Callable[[], float],
        random: Random,
        wishes: Wishes,
    ) -> None:
        self.provider = provider
        self.breakers = Breakers(provider.name, monotonic)
        self._store = store
        self._figures = figures
        self._monotonic = monotonic
        self._random = random
        self._wishes = wishes
        self._sending = 0
        self._settled: list[Settled] = []
        self._poked = asyncio.Event()
        self._draining = False
        self._outage = Outage("pushes cannot be read or settled", provider=provider.name)

    def poke(self) -> None:
        """There is something to send."""
        self._poked.set()

    def drain(self) -> None:
        """Claim nothing more."""
        self._draining = True
        self._poked.set()

    async def run(self) -> None:
        """Send until drained or cancelled."""
        async with self.provider, asyncio.TaskGroup() as group:
            while not self._draining or self._sending or self._settled:
                if not await self._turn(group):
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):
                            await self._poked.wait()
                    self._poked.clear()

    async def _turn(self, group: asyncio.TaskGroup) -> bool:
        """Settle and claim once; whether there may be more at once."""
        try:
            await self._settle()
            claimed = 0 if self._draining else await self._claim(group)
        except Exception as fault:
            self._outage.goes_on(fault, stack=not isinstance(fault, UnavailableError))
            return False
        self._outage.is_over()
        return claimed > 0

    async def _settle(self) -> None:
        settled = self._settled[:]
        if settled:
            await self._store.settle(settled)
            del self._settled[: len(settled)]

    async def _claim(self, group: asyncio.TaskGroup) -> int:
        limit = CONCURRENCY - self._sending - len(self._settled)
        if self.breakers.is_open(""):
            limit = 0 if self.breakers.wait_s("") else min(limit, 1)
        if limit <= 0:
            return 0
        deliveries, dropped = await self._store.claim(self.provider.name, limit, LEASE_MS)
        claimed_at = self._monotonic()
        for reason, count in dropped.items():
            self._figures.outcomes[self.provider.name, reason] += count
        for delivery in deliveries:
            if not self._is_wanted(delivery):
                continue
            if wait_s := self.breakers.wait_s(self.provider.service(delivery)):
                self._put_off(delivery, wait_s)
                continue
            self.breakers.asks(self.provider.service(delivery))
            self._sending += 1
            group.create_task(self._send(delivery, claimed_at))
        return len(deliveries) + sum(dropped.values())

    def _is_wanted(self, delivery: Delivery) -> bool:
        """Now. What waits for the end of quiet hours has been no attempt."""
        wait_ms = self._wishes.wait_ms(delivery)
        if wait_ms == 0:
            return True
        id, claim = delivery.id, delivery.claim
        if wait_ms is None:
            self._figures.outcomes[self.provider.name, "unwanted"] += 1
            self._settled.append(Settled(id=id, claim=claim, state="dropped", error="unwanted"))
        else:
            self._settled.append(Settled(id=id, claim=claim, state="waiting", wait_ms=wait_ms, counts=False))
        self._poked.set()
        return False

    async def _send(self, delivery: Delivery, claimed_at: float) -> None:
        try:
            outcome = await self._outcome(delivery)
            self.breakers.notes(self.provider.service(delivery), outcome)
            if isinstance(outcome, Sent):
                self._figures.seconds.observe(delivery.age_ms / 1_000 + self._monotonic() - claimed_at)
            self._figures.outcomes[self.provider.name, type(outcome).__name__.lower()] += 1
            self._settled.append(settled(delivery, outcome, self._random))
        finally:
            self._sending -= 1
            self._poked.set()

    async def _outcome(self, delivery: Delivery) -> Outcome:
        try:
            content = _content(delivery.body)
        except (msgspec.MsgspecError, ValueError):
            return Refused("its content cannot be read")
        if delivery.plain:
            content = msgspec.structs.replace(content, title=content.plain, body="")
        try:
            async with asyncio.timeout(SEND_S):
                return await self.provider.send(delivery, content)
        except TimeoutError:
            return Retry("no answer: it took too long")
        except Exception as fault:
            log.exception("a push failed", provider=self.provider.name, delivery=delivery.id)
            return Retry(f"failed: {type(fault).__name__}", outage=False)

    def _put_off(self, delivery: Delivery, wait_s: float) -> None:
        """Its service is not asked now. Spread out, so that what waited does not all come at once."""
        wait_ms = round(1_000 * wait_s * self._random.uniform(1, 1.5))
        what = Settled(id=delivery.id, claim=delivery.claim, state="waiting", wait_ms=wait_ms, counts=False)
        self._settled.append(what)
        self._poked.set()


def settled(delivery: Delivery, outcome: Outcome, random: Random) -> Settled:
    """What to note of an attempt. Being misconfigured costs no attempt: what waits goes out once that is mended."""
    id, claim = delivery.id, delivery.claim
    error = "" if isinstance(outcome, Sent) else outcome.error.replace("\0", "")[:LONGEST_ERROR]
    match outcome:
        case Sent():
            return Settled(id=id, claim=claim, state="sent")
        case Gone(_, since_ms):
            # Registered after that, it is there again.
            again = since_ms is not None and delivery.registered > since_ms * 1_000
            return Settled(
                id=id, claim=claim, state="gone", error=error, registered=0 if again else delivery.registered
            )
        case Refused():
            return Settled(id=id, claim=claim, state="dead", error=error)
        case Misconfigured():
            wait_ms = backoff_ms(delivery.attempts, random)
            return Settled(id=id, claim=claim, state="waiting", error=error, wait_ms=wait_ms, counts=False)
        case Retry(_, after_s):
            wait_ms = backoff_ms(delivery.attempts, random) if after_s is None else round(after_s * 1_000)
            # At the end of its attempts, or beyond its expiry, there is no other.
            over = delivery.attempts >= ATTEMPTS or wait_ms >= delivery.left_ms
            return Settled(id=id, claim=claim, state="dead" if over else "waiting", error=error, wait_ms=wait_ms)


def backoff_ms(attempts: int, random: Random) -> int:
    """Until the attempt after so many: full jitter over an exponential bound."""
    return round(random.uniform(0, min(LONGEST_MS, FIRST_MS * 2 ** min(attempts, 20))))
