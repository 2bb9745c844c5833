"""What a client does too often: unreadable messages, requests past its rate, typing. Made when it first does."""

FAULTS = 10
FAULT_WINDOW_S = 60.0


class Conduct:
    """Counts for one connection; `now` is monotonic seconds."""

    __slots__ = ("_faults", "_refused", "_typed_at")

    def __init__(self) -> None:
        self._refused = 0
        self._typed_at = float("-inf")
        # When the last of them came.
        self._faults: tuple[float, ...] = ()

    def fault(self, now: float) -> bool:
        """One more message that could not be read; True when that makes `FAULTS` within a minute."""
        self._faults = (*self._faults, now)[-FAULTS:]
        return len(self._faults) == FAULTS and now - self._faults[0] <= FAULT_WINDOW_S

    def breach(self, burst: int) -> bool:
        """One more request past the rate; True when it was refused a burst more often than not."""
        self._refused += 1
        return self._refused > burst

    def keep(self) -> None:
        """One more request within the rate."""
        self._refused = max(0, self._refused - 1)

    def may_type(self, now: float, every_s: float, *, stops: bool) -> bool:
        """Whether typing is news; that it stops always is."""
        if now - self._typed_at < every_s and not stops:
            return False
        self._typed_at = now
        return True
