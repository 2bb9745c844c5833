"""How many uploads send at the same time: to this node, which bounds its memory, and of one person."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from protocol.ids import UserId
from server.uploads.refusals import NODE_FULL, USER_FULL, UploadRefusal


class Places:
    """So many in all, and so many of one person."""

    def __init__(self, at_once: int, per_user: int) -> None:
        self._at_once = at_once
        self._per_user = per_user
        self._of = Counter[UserId]()

    def __len__(self) -> int:
        return self._of.total()

    @property
    def are_taken(self) -> bool:
        """All of them: somebody may be waiting for one."""
        return len(self) >= self._at_once

    @contextmanager
    def taken(self, user: UserId) -> Iterator[UploadRefusal | None]:
        """One place for the length of the block, or why there is none."""
        if self._of.get(user, 0) >= self._per_user:
            yield USER_FULL
        elif self.are_taken:
            yield NODE_FULL
        else:
            self._of[user] += 1
            try:
                yield None
            finally:
                self._of[user] -= 1
                if not self._of[user]:
                    del self._of[user]
