"""Interests: which users of this node follow which celebrity, as far as that was found out.

Nothing is read ahead. Of an author's first post everybody here is asked about, of later ones only those who were found
to follow them and those who have appeared, or may follow somebody else, since. Who is told is asked each time, so what
stands here may name too many and never too few.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

from protocol.ids import UserId

KEPT_S = 600.0
PAIRS = 2_000_000
"""Of an author and a follower; beyond them those are forgotten whose authors have been known for longest."""


class Audience(NamedTuple):
    """Who is to be asked about; `upto` numbers the last of them to appear."""

    users: list[UserId]
    upto: int


class _Author:
    __slots__ = ("followers", "since", "upto")

    def __init__(self, since: float) -> None:
        self.followers: set[UserId] = set()
        self.since = since
        self.upto = 0


class Interests:
    """`now` is monotonic seconds. `pairs` are known."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._numbers = 0
        # In the order of their numbers.
        self._appeared: dict[UserId, int] = {}
        self._authors: dict[UserId, _Author] = {}

    @property
    def pairs(self) -> int:
        return sum(len(author.followers) for author in self._authors.values())

    def appear(self, user: UserId) -> None:
        """Somebody is here, or may follow somebody whom they did not."""
        self._numbers += 1
        self._appeared.pop(user, None)
        self._appeared[user] = self._numbers

    def change(self, user: UserId) -> None:
        """Somebody may follow others than before; without effect for who is not here."""
        if user in self._appeared:
            self.appear(user)

    def audience(self, author: UserId) -> Audience:
        """Whoever may follow this author; those first who did."""
        known = self._fresh(author)
        known.followers = {user for user in known.followers if user in self._appeared}
        fresh = []
        for user, number in reversed(self._appeared.items()):
            if number <= known.upto:
                break
            if user not in known.followers:
                fresh.append(user)
        return Audience([*known.followers, *fresh], self._numbers)

    def learn(self, author: UserId, asked: Collection[UserId], following: Collection[UserId]) -> None:
        """Of those who were asked about these follow the author."""
        if known := self._authors.get(author):
            known.followers.difference_update(asked)
            known.followers.update(following)

    def learned(self, author: UserId, audience: Audience) -> None:
        """All of an audience were asked about."""
        if known := self._authors.get(author):
            known.upto = audience.upto
        while len(self._authors) > 1 and self.pairs > PAIRS:
            del self._authors[next(iter(self._authors))]

    def keep(self, is_here: Callable[[UserId], bool]) -> None:
        """Forget who is not here any more, and what is old: of whom nothing is known everybody is asked about."""
        for user in [user for user in self._appeared if not is_here(user)]:
            del self._appeared[user]
        for author in [author for author, known in self._authors.items() if self._is_old(known)]:
            del self._authors[author]

    def _is_old(self, known: _Author) -> bool:
        return self._now() - known.since > KEPT_S

    def _fresh(self, author: UserId) -> _Author:
        """What is known of them, unless that is old."""
        known = self._authors.get(author)
        if known is None or self._is_old(known):
            self._authors.pop(author, None)
            known = self._authors[author] = _Author(self._now())
        return known
