"""What went wrong in a run: any entry voids it."""

from __future__ import annotations

from collections import Counter


class Faults:
    """Counts by kind, with the first example of each kind."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, kind: str, detail: str = "", count: int = 1) -> None:
        """Note `count` faults of one kind; `detail` is kept for the first."""
        self._counts[kind] += count
        self._first.setdefault(kind, detail)

    def __len__(self) -> int:
        return sum(self._counts.values())

    def lines(self) -> list[str]:
        """One line a kind, the most frequent first."""
        return [f"{kind} x {count}: {self._first[kind]}".rstrip(": ") for kind, count in self._counts.most_common()]
