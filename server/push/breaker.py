"""Circuit breakers: who does not answer is not asked for a while, then once, and by all again when that succeeds."""

from collections.abc import Callable, Iterator

import structlog

from server.push.provider import Misconfigured, Outcome, Retry

FAILURES = 5
"""Outages in a row that open a breaker; one sign that we are misconfigured does."""
FIRST_S, LONGEST_S = 15.0, 300.0
"""How long a breaker stays open: twice as long each time, between these."""
BREAKERS = 1_000

log = structlog.get_logger()


class Breaker:
    """Of one service. `monotonic` is in seconds."""

    def __init__(self, name: str, monotonic: Callable[[], float]) -> None:
        self._name = name
        self._monotonic = monotonic
        self._failures = 0
        self._length_s = 0.0
        self._until = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        return self._length_s > 0

    def wait_s(self) -> float:
        """How long until it may be asked; 0 if now. While one asks whether it is well again, nobody else does."""
        if not self.is_open:
            return 0.0
        if self._probing:
            return FIRST_S
        return max(0.0, self._until - self._monotonic())

    def asks(self) -> None:
        """Somebody asks now."""
        self._probing = self.is_open

    def notes(self, outcome: Outcome) -> bool:
        """What came of it; True if nothing is left to remember."""
        failed = isinstance(outcome, Misconfigured) or (isinstance(outcome, Retry) and outcome.outage)
        if not failed:
            if self.is_open:
                log.warning("pushes go out again", service=self._name)
            return True
        self._failures += 1
        late = self.is_open and not self._probing
        if not late and (self._probing or self._failures >= FAILURES or isinstance(outcome, Misconfigured)):
            self._open(outcome)
        return False

    def _open(self, outcome: Outcome) -> None:
        if not self.is_open:
            log.error("pushes wait", service=self._name, fault=getattr(outcome, "error", ""))
        self._length_s = min(LONGEST_S, max(FIRST_S, self._length_s * 2))
        self._until = self._monotonic() + self._length_s
        self._probing = False


class Breakers:
    """Those of a provider's services that are in trouble, BREAKERS at most: of more the oldest is forgotten."""

    def __init__(self, provider: str, monotonic: Callable[[], float]) -> None:
        self._provider = provider
        self._monotonic = monotonic
        self._troubled: dict[str, Breaker] = {}

    def __iter__(self) -> Iterator[Breaker]:
        return iter(self._troubled.values())

    def wait_s(self, service: str) -> float:
        """How long until this one may be asked; 0 if now."""
        breaker = self._troubled.get(service)
        return breaker.wait_s() if breaker else 0.0

    def is_open(self, service: str) -> bool:
        """Whether it may be asked by one at a time at most."""
        breaker = self._troubled.get(service)
        return breaker is not None and breaker.is_open

    def asks(self, service: str) -> None:
        """Somebody asks it now."""
        if breaker := self._troubled.get(service):
            breaker.asks()

    def notes(self, service: str, outcome: Outcome) -> None:
        """What came of it."""
        breaker = self._troubled.pop(service, None) or Breaker(f"{self._provider} {service}".rstrip(), self._monotonic)
        if breaker.notes(outcome):
            return
        if len(self._troubled) >= BREAKERS:
            del self._troubled[next(iter(self._troubled))]
        self._troubled[service] = breaker
