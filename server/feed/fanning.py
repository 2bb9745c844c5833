"""Fan-out: a post that is published comes into the lists of its author's followers, unless these are very many.

    outbox ─► row of `fanout` ─► claimed ─┬─ celebrity: one item for each node
                                          └─ pages of followers ─► Redis ─► who is online hears ─► moved on

Who has read their feed in the last 30 days has a list, others cost nothing: Redis is asked for the list itself, which
is cheaper than to ask Postgres when each of them was here. What a node did not finish another one goes on with, from
the page where it was; a page that comes twice changes nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import msgspec
from msgspec import UNSET

from actors.effects import Address, user_address
from persistence.faults import UnavailableError
from persistence.feed.lists import FeedLists
from persistence.feed.postgres import Fanout, FeedStore
from persistence.outbox.contract import Event
from protocol.codec import Encoded
from protocol.ids import Millis, UserId
from protocol.live import FeedNew, Preview
from protocol.posts import PostId, PostMoved
from server.outage import Outage

PAGE = 2_000
"""Followers who are read and written at once."""
SLICE = 200
"""Followers who are told at once."""
AT_ONCE = 3
"""Posts that a node fans out at the same time."""
LOOK_S = 1.0
FORGET_S = 60.0
REMAINS = 0.9
"""A celebrity is one until they have fewer followers than this share of what made them one."""

_read = msgspec.msgpack.Decoder(PostMoved).decode


class Fanning:
    """The consumer of posts, and the work that follows. `celebrity_from` is how many followers are too many.

    `deliver` reaches users wherever their home is, `to_interested` those who follow a celebrity, and all nodes hear
    `withdrawn` of a post that is gone.
    """

    def __init__(
        self,
        store: FeedStore,
        lists: FeedLists | None,
        celebrity_from: int,
        deliver: Callable[[tuple[Address, ...], FeedNew], None],
        to_interested: Callable[[Encoded], None],
        withdrawn: Callable[[PostId], None],
    ) -> None:
        self.fanned_out = self.celebrated = self.written = 0
        self._store = store
        self._lists = lists
        self._most = celebrity_from
        self._deliver = deliver
        self._to_interested = to_interested
        self._withdrawn = withdrawn
        self._poked = asyncio.Event()
        self._outage = Outage("posts that are to reach followers are not known")
        self._failing = Outage("a post does not reach followers")
        self._unwritten = Outage("posts are told, but do not reach the lists of followers")
        self._forgetting = Outage("fan-outs that are done are not forgotten")

    async def __call__(self, events: Sequence[Event]) -> None:
        """Raises `UnavailableError`, or ValueError for what tells of no post."""
        moved = [_read(event.body) for event in events]
        if published := [one.post for one in moved if one.change == "published"]:
            await self._store.take(published)
            self._poked.set()
        for one in moved:
            if one.change == "removed":
                self._withdrawn(one.post)

    async def run(self) -> None:
        """Fan out what is due, until cancelled."""
        while True:
            self._poked.clear()
            some = False
            with self._outage.noted():
                some = await self._work()
            if not some:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._poked.wait()

    async def forget(self) -> None:
        """Drop what was done long ago, until cancelled."""
        while True:
            await asyncio.sleep(FORGET_S)
            with self._forgetting.noted():
                while await self._store.forget():
                    pass

    async def _work(self) -> bool:
        """Whatever one of them fails of, the others go on, and it is due again in ten seconds."""
        claimed = await self._store.claim(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for fanout in claimed:
                group.create_task(self._try(fanout))
        return bool(claimed)

    async def _try(self, fanout: Fanout) -> None:
        with self._failing.noted():
            await self.reach(fanout)

    async def reach(self, fanout: Fanout) -> None:
        """Have the post reach its author's followers. Raises `UnavailableError`: it is due again soon."""
        event = announced(fanout)
        if await self._is_celebrity(fanout.author):
            if not fanout.told:
                self._to_interested(Encoded(event))
            self.celebrated += 1
        else:
            if not await self._walk(fanout, event):
                return
            self.fanned_out += 1
        await self._store.done(fanout)

    async def _is_celebrity(self, author: UserId) -> bool:
        """Judged anew with each post, by edges that are there: a count of them ends where the answer is certain."""
        count, was = await self._store.count(author, self._most + 1)
        is_one = count > (self._most * REMAINS if was else self._most)
        if is_one != was:
            await self._store.judge(author, is_one)
        return is_one

    async def _walk(self, fanout: Fanout, event: FeedNew) -> bool:
        """Page by page. Who is online hears also while no list can be written; that is made up for. False: it goes
        on later, or somebody else has it."""
        after, failed = fanout.after, None
        if not await self._write(fanout, [fanout.author]):
            failed = after
        # Without lists, and when everybody is told, there is nothing that pages of followers are needed for.
        while failed is None or not fanout.told:
            page = await self._store.followers(fanout, after, PAGE)
            if failed is None and not await self._write(fanout, page.users):
                failed = after
            await self._tell(page.told, event)
            if page.last is None:
                break
            after = page.last
            if failed is None and not await self._store.move_on(fanout, after):
                return False
        if failed is None:
            return True
        await self._store.rewind(fanout, failed)
        return False

    async def _write(self, fanout: Fanout, users: Sequence[UserId]) -> bool:
        try:
            if self._lists and users:
                await self._lists.add(fanout.place, users)
                self.written += len(users)
                self._unwritten.is_over()
        except UnavailableError as fault:
            self._unwritten.goes_on(fault)
            return False
        return True

    async def _tell(self, users: Sequence[UserId], event: FeedNew) -> None:
        for start in range(0, len(users), SLICE):
            self._deliver(tuple(map(user_address, users[start : start + SLICE])), event)
            await asyncio.sleep(0)


def announced(fanout: Fanout) -> FeedNew:
    """What is told of a post: the same to everybody."""
    preview = Preview(fanout.width, fanout.height, fanout.thumbhash or UNSET, fanout.caption or UNSET)
    return FeedNew(fanout.author, fanout.place.post, Millis(fanout.place.at // 1_000), preview)
