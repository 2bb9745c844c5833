"""Rate limits in one process: GCRA, the leaky bucket as one number per key (ITU-T I.371, annex A).

A key's number is when its bucket would be full again ("theoretical arrival time"); a request costs one emission
interval. Numbers in the past mean nothing, so keys are forgotten by themselves.
"""

from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

KEYS = 100_000


class Rate(Struct, frozen=True):
    """`burst` requests at once, refilled at `per_s`. `name` is told to clients."""

    name: str
    burst: int
    per_s: float


class Rates(Struct, frozen=True, kw_only=True):
    """How often one may ask: each login; each address without a login; each address, each username, to get one; and
    for pictures each viewer.

    The limit by username slows guessing from many addresses. Who wants to can use it up and so keep its owner from
    signing in anew; logins that exist are not touched, as exchanging a refresh token does not count.
    """

    login: Rate = Rate("login", 200, 20)
    address: Rate = Rate("address", 200, 20)
    sign_up: Rate = Rate("sign-up", 100, 0.1)
    sign_in: Rate = Rate("sign-in", 60, 1)
    viewer: Rate = Rate("viewer", 2_000, 200)
    username: Rate = Rate("username", 10, 1 / 6)


class Verdict(Struct, frozen=True, gc=False):
    """`remaining` requests are left; in `reset_s` all are again. `retry_ms` is 0 when the request may pass."""

    rate: Rate
    remaining: int
    reset_s: float
    retry_ms: int


class Limiter:
    """One rate over many keys; `monotonic` is in seconds.

    Above `keys` keys the one untouched for longest is forgotten: memory is bounded, and who floods from many addresses
    at most forgives others.
    """

    def __init__(self, rate: Rate, monotonic: Callable[[], float], keys: int = KEYS) -> None:
        self._rate = rate
        self._monotonic = monotonic
        self._keys = keys
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def spend(self, key: str) -> Verdict:
        """Count one request of this key, unless it is over the limit."""
        now = self._monotonic()
        interval = 1 / self._rate.per_s
        depth = interval * self._rate.burst
        full_at = max(self._full_at.get(key, now), now) + interval
        # A hundredth of an interval absorbs what floating point loses over a burst.
        over_s = full_at - now - depth
        if over_s > interval / 100:
            return Verdict(self._rate, 0, full_at - interval - now, max(1, round(over_s * 1_000)))
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        self._forget(now)
        return Verdict(self._rate, int((depth - (full_at - now)) / interval + 0.01), full_at - now, 0)

    def _forget(self, now: float) -> None:
        # Two for each that may be new, so that keys in the past never pile up.
        for _ in range(2):
            key, full_at = next(iter(self._full_at.items()))
            if full_at > now and len(self._full_at) <= self._keys:
                return
            del self._full_at[key]


def rate_headers(verdicts: list[Verdict]) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit`, with an item for each limit that counted.

    As in draft-ietf-httpapi-ratelimit-headers-10.
    """
    if not verdicts:
        return {}
    policies = (f'"{v.rate.name}";q={v.rate.burst};w={max(1, round(v.rate.burst / v.rate.per_s))}' for v in verdicts)
    states = (f'"{v.rate.name}";r={v.remaining};t={int(-(-v.reset_s // 1))}' for v in verdicts)
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states)}
