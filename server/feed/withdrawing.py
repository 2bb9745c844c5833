"""Withdrawing: what waits for slow sockets does not say that a post is new which is gone.

A post that is deleted or archived is told to every node. Which users have it waiting nobody keeps: most have nothing
that waits, so all of a node are looked at, at most once a second however many posts are gone.
"""

import asyncio
from collections.abc import Callable, Sequence

from actors.effects import Address, user_address
from actors.user import User
from actors.user_commands import PostGone
from protocol.codec import Encoded
from protocol.live import PostRemoved
from protocol.posts import PostId
from server.outage import Outage

PAUSE_S = 1.0
AT_ONCE = 1_000
"""Users who are looked at in one turn of the loop: 0.5 ms."""
MOST = 10_000
"""Posts that wait to be withdrawn. What is beyond may still be told as new: whoever asks for it is told that it is
not there."""


class Withdrawing:
    """`users` are those here, `tell` reaches their actors."""

    def __init__(self, users: Callable[[], Sequence[User]], tell: Callable[[Address, PostGone], None]) -> None:
        self._users = users
        self._tell = tell
        self._gone: dict[PostId, None] = {}
        self._poked = asyncio.Event()
        self._outage = Outage("posts that are gone may be told as new")

    def gone(self, post: PostId) -> None:
        """Nobody here is to hear any more that it is new."""
        if len(self._gone) < MOST:
            self._gone[post] = None
            self._poked.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._poked.wait()
            with self._outage.noted():
                await self.withdraw()
            await asyncio.sleep(PAUSE_S)

    async def withdraw(self) -> None:
        """Take back what is gone by now."""
        self._poked.clear()
        posts, self._gone = self._gone, {}
        gone = {event.voids: PostGone(Encoded(event)) for event in map(PostRemoved, posts)}
        users = self._users()
        for start in range(0, len(users), AT_ONCE):
            for user in users[start : start + AT_ONCE]:
                for key in user.keeps(gone.keys()):
                    self._tell(user_address(user.id), gone[key])
            await asyncio.sleep(0)
