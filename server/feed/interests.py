"""Interests: which connections of this node belong to followers of which celebrity, as far as that was found out.

Nothing is read ahead. Of an author's first post everybody here is asked about, of later ones only those who were found
to follow them and those who have come, or may follow somebody else, since. Who is told is asked each time, so what
stands here may name too many and never too few. Connections stand here by their numbers and in the order in which they
came: so they lie in memory, and 19,000 that are looked up in another order cost several times as much.
"""

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

KEPT_S = 600.0
PAIRS = 2_000_000
"""Of an author and a connection; beyond them those are forgotten whose authors have been known for longest."""


class Audience(NamedTuple):
    """Connections whose users are to be asked about; `upto` numbers the last of them to appear."""

    connections: list[int]
    upto: int


class _Author:
    __slots__ = ("followers", "since", "upto")

    def __init__(self, since: float) -> None:
        # In the order in which they were found.
        self.followers: dict[int, None] = {}
        self.since = since
        self.upto = 0


class Interests:
    """`now` is monotonic seconds. `pairs` are known."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._numbers = 0
        # In the order of their numbers.
        self._appeared: dict[int, int] = {}
        self._authors: dict[str, _Author] = {}

    @property
    def pairs(self) -> int:
        return sum(len(author.followers) for author in self._authors.values())

    @property
    def upto(self) -> int:
        """The number of the last who appeared, or changed."""
        return self._numbers

    def changed(self, upto: int, connections: Collection[int]) -> list[int]:
        """Those of these who have appeared or changed after that number."""
        if upto == self._numbers:
            return []
        return [one for one in connections if self._appeared.get(one, 0) > upto]

    def appear(self, connection: int) -> None:
        """Somebody is here, or may follow somebody whom they did not."""
        self._numbers += 1
        self._appeared.pop(connection, None)
        self._appeared[connection] = self._numbers

    def change(self, connections: Collection[int]) -> None:
        """Somebody may follow others than before; without effect for who is not here."""
        for connection in connections:
            if connection in self._appeared:
                self.appear(connection)

    def audience(self, author: str) -> Audience:
        """Whoever may follow this author; those first who did."""
        known = self._fresh(author)
        known.followers = {one: None for one in known.followers if one in self._appeared}
        return Audience([*known.followers, *reversed(list(self._since(known)))], self._numbers)

    def learn(self, author: str, asked: Collection[int], strangers: Collection[int]) -> None:
        """Those who were asked about follow the author, but for the strangers."""
        if known := self._authors.get(author):
            known.followers.update(dict.fromkeys(asked))
            for one in strangers:
                known.followers.pop(one, None)

    def learned(self, author: str, audience: Audience) -> None:
        """All of an audience were asked about."""
        if known := self._authors.get(author):
            known.upto = audience.upto
        while len(self._authors) > 1 and self.pairs > PAIRS:
            del self._authors[next(iter(self._authors))]

    def keep(self, is_here: Callable[[int], bool]) -> None:
        """Forget who is not here any more, and what is old: of whom nothing is known everybody is asked about."""
        for one in [one for one in self._appeared if not is_here(one)]:
            del self._appeared[one]
        for author in [author for author, known in self._authors.items() if self._is_old(known)]:
            del self._authors[author]

    def _is_old(self, known: _Author) -> bool:
        return self._now() - known.since > KEPT_S

    def _since(self, known: _Author) -> Iterator[int]:
        """Who has appeared since the author's followers were asked about, the last first."""
        for one, number in reversed(self._appeared.items()):
            if number <= known.upto:
                return
            if one not in known.followers:
                yield one

    def _fresh(self, author: str) -> _Author:
        """What is known of them, unless that is old."""
        known = self._authors.get(author)
        if known is None or self._is_old(known):
            self._authors.pop(author, None)
            known = self._authors[author] = _Author(self._now())
        return known
