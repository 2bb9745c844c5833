"""Who shows which posts, and what they are told of them: round by round, on a real database."""

from collections.abc import AsyncIterator

import pytest

from actors.effects import Address
from actors.user_commands import PostGone
from persistence.engagement.marks import mark
from persistence.pool import Pool, fetch, open_pool
from persistence.tallies.folding import fold
from protocol.codec import Encoded
from protocol.counts import PostCount, PostCounts
from protocol.ids import UserId
from protocol.live import PostCounted, PostRemoved
from protocol.posts import PostId
from server.engagement import watching
from server.engagement.screens import Screens
from server.engagement.watching import Watching
from tests.persistence.engaging import people, post, relate


class Socket:
    """An open connection."""

    takes_live = True


class Node:
    """Watching, with sockets that note what they are told."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.sockets = {1: Socket(), 2: Socket()}
        self.heard: list[tuple[int, PostCounted | PostRemoved]] = []
        self.busy = False
        self.watching = Watching(pool, self.sockets.get, self._write, self._tell, lambda: self.busy)

    def _write(self, audience: tuple[Address, ...], encoded: Encoded) -> None:
        self.heard += [(address.key, encoded.event) for address in audience]  # type: ignore[misc]

    def _tell(self, address: Address, gone: PostGone) -> None:
        self.heard.append((gone.connection, gone.removed.event))  # type: ignore[arg-type]

    async def watch(self, user: UserId, connection: int, *posts: PostId) -> tuple[PostCount, ...]:
        answer = self.watching.watch(user, connection, posts)
        assert answer is not None
        counts = await answer()
        assert isinstance(counts, PostCounts)
        return counts.posts

    async def round(self) -> list[tuple[int, PostCounted | PostRemoved]]:
        """What is told after everything was folded."""
        await fold(self.pool)
        await self.watching.round()
        heard, self.heard = self.heard, []
        return sorted(heard, key=lambda one: one[0])


@pytest.fixture
async def node(module_database: str) -> AsyncIterator[Node]:
    async with open_pool(module_database, 2) as pool:
        yield Node(pool)


async def test_a_change_is_told_once_to_each_screen_that_shows_the_post(node: Node) -> None:
    ada, ben, eve = await people(node.pool, 3)
    id, other = await post(node.pool, ada), await post(node.pool, ada)
    assert await node.watch(ada, 1, id, other) == (PostCount(id, 0, 0), PostCount(other, 0, 0))
    await node.watch(ben, 2, id)
    assert await node.round() == []
    await mark(node.pool, "like", [(ben, id), (eve, id)])
    assert await node.round() == [(1, PostCounted(id, 2, 0)), (2, PostCounted(id, 2, 0))]
    assert await node.round() == []


async def test_the_latest_watch_of_a_connection_counts_whatever_is_answered_last(node: Node) -> None:
    [ada] = await people(node.pool, 1)
    one, other = await post(node.pool, ada), await post(node.pool, ada)
    first, second = node.watching.watch(ada, 1, [one]), node.watching.watch(ada, 1, [other])
    assert first is not None
    assert second is not None
    await second()
    await first()
    await mark(node.pool, "like", [(ada, one), (ada, other)])
    assert await node.round() == [(1, PostCounted(other, 1, 0))]
    assert node.watching.screens.pairs == 1


async def test_a_watch_ends_with_its_connection(node: Node) -> None:
    [ada] = await people(node.pool, 1)
    id = await post(node.pool, ada)
    await node.watch(ada, 1, id)
    assert node.watching.watch(ada, 3, [id]) is None
    del node.sockets[1]
    await mark(node.pool, "like", [(ada, id)])
    assert await node.round() == []
    assert (len(node.watching.screens), node.watching.screens.pairs) == (0, 0)


async def test_who_does_not_take_live_events_is_told_the_latest_when_they_do(node: Node) -> None:
    ada, ben = await people(node.pool, 2)
    id = await post(node.pool, ada)
    await node.watch(ada, 1, id)
    node.sockets[1].takes_live = False
    for user in (ada, ben):
        await mark(node.pool, "like", [(user, id)])
        assert await node.round() == []
    node.sockets[1].takes_live = True
    assert await node.round() == [(1, PostCounted(id, 2, 0))]


async def test_nothing_is_told_while_there_is_too_much_to_do(node: Node) -> None:
    [ada] = await people(node.pool, 1)
    id = await post(node.pool, ada)
    await node.watch(ada, 1, id)
    await mark(node.pool, "like", [(ada, id)])
    node.busy = True
    assert await node.round() == []
    node.busy = False
    assert await node.round() == [(1, PostCounted(id, 1, 0))]


@pytest.mark.parametrize("state", ["archived", "deleted"])
async def test_a_post_that_is_gone_is_told_once_to_who_may_not_see_it_any_more(
    node: Node, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However many others are looked up in turn, it is told at once.
    monkeypatch.setattr(watching, "RECHECKED", 0)
    ada, ben = await people(node.pool, 2)
    id = await post(node.pool, ada)
    await node.watch(ada, 1, id)
    await node.watch(ben, 2, id)
    await fetch(node.pool, 2.0, "update post set state = $2 where id = $1", int(id), state)
    gone = [2] if state == "archived" else [1, 2]
    assert await node.round() == [(connection, PostRemoved(id)) for connection in gone]
    assert await node.round() == []


async def test_who_is_blocked_meanwhile_hears_no_count_but_that_it_is_gone(node: Node) -> None:
    ada, ben, eve = await people(node.pool, 3)
    id, quiet = await post(node.pool, ada), await post(node.pool, ada)
    await node.watch(ben, 1, id, quiet)
    await node.watch(eve, 2, id)
    await relate(node.pool, ada, "block", ben)
    await mark(node.pool, "like", [(eve, id)])
    assert await node.round() == [(1, PostRemoved(id)), (1, PostRemoved(quiet)), (2, PostCounted(id, 1, 0))]


async def test_what_may_not_be_seen_is_not_on_the_screen(node: Node) -> None:
    ada, ben = await people(node.pool, 2)
    id = await post(node.pool, ada)
    await relate(node.pool, ada, "block", ben)
    assert await node.watch(ben, 1, id, PostId("99")) == ()
    await mark(node.pool, "like", [(ada, id)])
    assert await node.round() == []


async def test_everything_on_screen_has_its_turn() -> None:
    screens = Screens()
    for connection in range(1, 5):
        counts = [PostCount(PostId(f"{connection}{n}"), 0, 0) for n in range(3)]
        screens.show(screens.begin(UserId("1"), connection), counts)
    assert len({post for _ in range(4) for post in screens.next_posts(3)}) == 12
    assert {screen.connection for _ in range(2) for screen in screens.next_screens(6)} == {1, 2, 3, 4}
    for connection in range(1, 5):
        screens.end(connection)
    assert (screens.pairs, screens.next_posts(9), screens.next_screens(9)) == (0, [], [])
