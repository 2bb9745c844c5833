"""Admission: how many sessions may begin. Who resumes costs little and must not wait behind those who begin anew."""

import random
from collections.abc import Callable

BURST_S = 1.0
COME_BACK_MS = (500, 3_000)


class Budget:
    """GCRA: so many a second, at most those of a second at once. `now` is monotonic seconds."""

    __slots__ = ("_ahead", "_each", "_now", "_paid_until")

    def __init__(self, per_s: int, now: Callable[[], float]) -> None:
        self._each = 1 / per_s
        # Half a share more than the burst: sums of floats must not cost the last of a second its place.
        self._ahead = BURST_S + self._each / 2
        self._now = now
        self._paid_until = 0.0

    def spend(self) -> bool:
        """Whether there is room for one more."""
        now = self._now()
        paid_until = max(self._paid_until, now) + self._each
        if paid_until - now > self._ahead:
            return False
        self._paid_until = paid_until
        return True


class Admission:
    """Separate budgets for sessions that resume and for others."""

    def __init__(self, resumes_per_s: int, fresh_per_s: int, now: Callable[[], float]) -> None:
        self._resumes = Budget(resumes_per_s, now)
        self._fresh = Budget(fresh_per_s, now)

    def admit(self, *, resumes: bool) -> bool:
        return (self._resumes if resumes else self._fresh).spend()


def come_back_ms() -> int:
    """When those come back for whom there was no room: drawn apart, so that they do not come together again."""
    return random.randint(*COME_BACK_MS)
