"""Fan-out on a real Postgres and Valkey: whose lists get a post, who is told, and what survives repeats and ends."""

import asyncio
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from actors.effects import Address
from persistence.feed.lists import LIST, MOST, FeedLists, Marker
from persistence.feed.places import NEWEST, Place
from persistence.feed.postgres import Fanout, FeedStore, Followers, marker_of
from persistence.outbox.contract import Event
from persistence.pool import Pool
from persistence.posts.reading import PostReader
from protocol.codec import Encoded
from protocol.ids import Millis, UserId
from protocol.live import FeedNew
from protocol.posts import PostId
from server.feed import fanning
from server.feed.candidates import Candidates
from server.feed.fanning import Fanning
from tests.server.feed.conftest import url
from tests.server.feed.stage import START, People, moved
from tests.until import until

THRESHOLD = 20


class Told:
    """What leaves a fan-out."""

    def __init__(self) -> None:
        self.users: list[tuple[str, FeedNew]] = []
        self.celebrities: list[FeedNew] = []
        self.withdrawn: list[PostId] = []

    def deliver(self, audience: tuple[Address, ...], event: Any) -> None:
        self.users += [(str(address.key), event) for address in audience]

    def to_interested(self, encoded: Encoded) -> None:
        assert isinstance(encoded.event, FeedNew)
        self.celebrities.append(encoded.event)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def fan_out(
    store: FeedStore, lists: FeedLists, told: Told, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> Fanning:
    monkeypatch.setattr(fanning, "PAGE", 4)
    await pool.execute("delete from fanout")
    return Fanning(store, lists, THRESHOLD, told.deliver, told.to_interested, told.withdrawn.append)


async def publish(fan_out: Fanning, store: FeedStore, author: UserId, *posts: PostId) -> None:
    await fan_out([Event(1, Millis(0), moved(post, author)) for post in posts])
    for fanout in await store.claim(10):
        await fan_out.reach(fanout)


async def listed(lists: FeedLists, user: UserId) -> list[str] | None:
    found = await lists.read(user, NEWEST, MOST)
    return None if found is None else [place.post for place in found.places]


async def read_all(candidates: Candidates, users: Sequence[UserId]) -> None:
    for user in users:
        await candidates.before(user, NEWEST, 10)


async def test_a_post_reaches_the_lists_of_all_followers_who_have_one_and_everybody_is_told(
    fan_out: Fanning, people: People, store: FeedStore, lists: FeedLists, candidates: Candidates, told: Told
) -> None:
    author, absent, *fans = await people.people(12)
    for fan in (absent, *fans):
        await people.follow(fan, author)
    await read_all(candidates, [author, *fans])
    post = await people.post(author, caption="x" * 300)
    await publish(fan_out, store, author, post)
    assert [await listed(lists, user) for user in (author, *fans)] == [[post]] * 11
    assert await listed(lists, absent) is None
    assert sorted(user for user, _ in told.users) == sorted([absent, *fans])
    [event] = {event for _, event in told.users}
    assert (event.author, event.post, event.preview.caption) == (author, post, "x" * 100)
    assert (event.preview.width, event.preview.height, event.preview.thumbhash) == (640, 480, b"\x01\x02")


async def test_who_mutes_or_blocks_or_may_not_see_it_is_not_told(
    fan_out: Fanning, people: People, store: FeedStore, told: Told
) -> None:
    author, fan, muting, blocked, blocking = await people.people(5)
    for one in (fan, muting, blocked, blocking):
        await people.follow(one, author)
    await people.relate(muting, "mute", author)
    await people.relate(author, "block", blocked)
    await people.relate(blocking, "block", author)
    post, gone = await people.post(author), await people.post(author)
    await fan_out([Event(1, Millis(0), moved(one, author)) for one in (post, gone)])
    claimed = await store.claim(10)
    await people.set_state(gone, "archived")
    for fanout in claimed:
        await fan_out.reach(fanout)
    assert [(user, event.post) for user, event in told.users] == [(fan, post)]


async def test_of_a_post_that_is_gone_all_nodes_hear_and_no_follower(
    fan_out: Fanning, people: People, told: Told
) -> None:
    author, fan = await people.people(2)
    await people.follow(fan, author)
    post = await people.post(author)
    await people.set_state(post, "deleted")
    await fan_out([Event(1, Millis(0), moved(post, author, "removed"))])
    assert (told.withdrawn, told.users, told.celebrities) == ([post], [], [])


async def test_of_a_post_that_is_gone_nobody_is_to_be_told_and_who_follows_its_author_is_known_all_the_same(
    people: People, store: FeedStore
) -> None:
    """What was found out of followers goes for the next posts too, which they are to hear of."""
    author, fan, muting, stranger = await people.people(4)
    for one in (fan, muting):
        await people.follow(one, author)
    await people.relate(muting, "mute", author)
    post, fans, here = await people.post(author), {int(fan), int(muting)}, [int(fan), int(muting), int(stranger)]
    assert await store.audience(int(post), author, here) == (fans, {int(fan)})
    for state in ("archived", "deleted"):
        await people.set_state(post, state)
        assert await store.audience(int(post), author, here) == (fans, set())


async def test_a_repeat_changes_and_tells_nothing(
    fan_out: Fanning, people: People, store: FeedStore, lists: FeedLists, candidates: Candidates, told: Told
) -> None:
    author, fan = await people.people(2)
    await people.follow(fan, author)
    await read_all(candidates, [fan])
    post = await people.post(author)
    for _ in range(3):
        await publish(fan_out, store, author, post)
    assert await listed(lists, fan) == [post]
    assert len(told.users) == 1


async def test_what_comes_out_of_the_archive_is_in_lists_that_were_rebuilt_meanwhile_and_is_not_told_again(
    fan_out: Fanning, people: People, store: FeedStore, lists: FeedLists, candidates: Candidates, told: Told
) -> None:
    author, fan = await people.people(2)
    await people.follow(fan, author)
    post = await people.post(author)
    await publish(fan_out, store, author, post)
    await people.set_state(post, "archived")
    await read_all(candidates, [fan])
    assert await listed(lists, fan) == []
    await people.set_state(post, "published")
    await publish(fan_out, store, author, post, post)
    assert await listed(lists, fan) == [post]
    assert [user for user, _ in told.users] == [fan]


async def test_what_comes_out_of_the_archive_while_its_fan_out_is_under_way_is_in_lists_that_were_rebuilt_meanwhile(
    fan_out: Fanning,
    people: People,
    store: FeedStore,
    lists: FeedLists,
    candidates: Candidates,
    told: Told,
) -> None:
    author, *fans = await people.people(7)
    for fan in fans:
        await people.follow(fan, author)
    post = await people.post(author)
    await fan_out([Event(1, Millis(0), moved(post, author))])
    [fanout] = await store.claim(10)
    page = await store.followers(fanout, fanout.after, 4)
    assert page.last
    assert await store.move_on(fanout, page.last)
    await people.set_state(post, "archived")
    await read_all(candidates, fans)
    await people.set_state(post, "published")
    await publish(fan_out, store, author, post)
    assert not await store.move_on(fanout, page.last)
    await store.done(fanout)
    assert [await listed(lists, fan) for fan in fans] == [[post]] * 6
    assert sorted(user for user, _ in told.users) == sorted(fans)


async def test_above_the_threshold_no_list_is_written_and_one_item_is_told(
    fan_out: Fanning, people: People, store: FeedStore, told: Told, redis: "Redis"
) -> None:
    author, *fans = await people.people(THRESHOLD + 2)
    for fan in fans:
        await people.follow(fan, author)
    post = await people.post(author)
    await publish(fan_out, store, author, post)
    assert ([event.post for event in told.celebrities], told.users) == ([post], [])
    assert (await redis.dbsize(), fan_out.written) == (0, 0)
    assert await store.count(author, 100) == (THRESHOLD + 1, True)
    await publish(fan_out, store, author, post)
    assert [event.post for event in told.celebrities] == [post]


async def test_who_was_a_celebrity_stays_one_until_a_tenth_of_the_threshold_is_gone(
    fan_out: Fanning, people: People, store: FeedStore
) -> None:
    author, *fans = await people.people(THRESHOLD + 2)
    for fan in fans:
        await people.follow(fan, author)
    are = []
    for leaving in ([], *([fan] for fan in fans[:4])):
        for fan in leaving:
            await people.unfollow(fan, author)
        await publish(fan_out, store, author, await people.post(author))
        are.append((await store.count(author, 100))[1])
    assert are == [True, True, True, False, False]


async def test_what_one_node_did_not_finish_another_goes_on_with(
    fan_out: Fanning, people: People, store: FeedStore, pool: Pool, told: Told
) -> None:
    author, *fans = await people.people(11)
    for fan in fans:
        await people.follow(fan, author)
    post = await people.post(author)
    await fan_out([Event(1, Millis(0), moved(post, author))])
    [fanout] = await store.claim(10)
    page = await store.followers(fanout, fanout.after, 4)
    assert page.last
    assert await store.move_on(fanout, page.last)
    assert await store.claim(10) == []
    await pool.execute("update fanout set due_at = statement_timestamp()")
    [again] = await store.claim(10)
    await fan_out.reach(again)
    assert not await store.move_on(fanout, page.last)
    assert sorted(user for user, _ in told.users) == sorted(set(fans) - set(page.users))


async def test_while_redis_is_away_people_are_told_once_and_lists_are_made_up_for(
    people: People, store: FeedStore, pool: Pool, lists: FeedLists, candidates: Candidates, told: Told
) -> None:
    author, *fans = await people.people(11)
    for fan in fans:
        await people.follow(fan, author)
    await read_all(candidates, fans)
    post = await people.post(author)
    await pool.execute("delete from fanout")
    async with Redis.from_url("unix:///nowhere") as nobody:
        await publish(
            Fanning(store, FeedLists(nobody), 20, told.deliver, told.to_interested, told.withdrawn.append),
            store,
            author,
            post,
        )
    assert len(told.users) == 10
    await pool.execute("update fanout set due_at = statement_timestamp()")
    fan_out = Fanning(store, lists, 20, told.deliver, told.to_interested, told.withdrawn.append)
    for fanout in await store.claim(10):
        await fan_out.reach(fanout)
    assert [await listed(lists, fan) for fan in fans] == [[post]] * 10
    assert len(told.users) == 10


async def test_while_redis_stands_still_people_are_told_all_the_same(
    people: People, store: FeedStore, pool: Pool, told: Told
) -> None:
    author, *fans = await people.people(11)
    for fan in fans:
        await people.follow(fan, author)
    post = await people.post(author)
    await pool.execute("delete from fanout")
    with socket.create_server(("127.0.0.1", 0)) as still:
        redis = Redis(port=still.getsockname()[1])
        fan_out = Fanning(store, FeedLists(redis), 20, told.deliver, told.to_interested, told.withdrawn.append)
        await publish(fan_out, store, author, post)
        await redis.aclose()
    assert sorted(user for user, _ in told.users) == sorted(fans)
    assert await pool.fetchval("select done_at is null and told from fanout")


async def test_who_was_not_told_as_a_node_ended_after_the_write_is_told_by_the_next_one(
    fan_out: Fanning, people: People, store: FeedStore, pool: Pool, told: Told, lists: FeedLists
) -> None:
    """It begins with the page that was not ended, so some of that are told twice."""

    def end(audience: tuple[Address, ...], event: FeedNew) -> None:
        if len(told.users) >= 4:
            raise KeyboardInterrupt
        told.deliver(audience, event)

    author, *fans = await people.people(11)
    for fan in fans:
        await people.follow(fan, author)
    post = await people.post(author)
    await fan_out([Event(1, Millis(0), moved(post, author))])
    [fanout] = await store.claim(10)
    with pytest.raises(KeyboardInterrupt):
        await Fanning(store, lists, 20, end, told.to_interested, told.withdrawn.append).reach(fanout)
    assert len(told.users) == 4
    await pool.execute("update fanout set due_at = statement_timestamp()")
    [again] = await store.claim(10)
    await fan_out.reach(again)
    assert sorted(user for user, _ in told.users) == sorted(fans)


async def test_a_post_whose_fan_out_fails_holds_up_no_other(
    people: People, store: FeedStore, pool: Pool, told: Told, lists: FeedLists
) -> None:
    def deliver(audience: tuple[Address, ...], event: FeedNew) -> None:
        if event.post == bad:
            raise ZeroDivisionError
        told.deliver(audience, event)

    author, fan = await people.people(2)
    await people.follow(fan, author)
    bad, *good = await people.posts(author, 5)
    await pool.execute("delete from fanout")
    fan_out = Fanning(store, lists, 20, deliver, told.to_interested, told.withdrawn.append)
    await fan_out([Event(1, Millis(0), moved(post, author)) for post in (bad, *good)])
    async with asyncio.TaskGroup() as group:
        running = group.create_task(fan_out.run())
        await until(lambda: len(told.users) == 4)
        running.cancel()
    assert {event.post for _, event in told.users} == set(good)


class Counting(FeedStore):
    """Counts pages of followers."""

    pages = 0

    async def followers(self, fanout: Fanout, after: tuple[datetime, int], count: int) -> Followers:
        self.pages += 1
        return await super().followers(fanout, after, count)


async def test_while_redis_stays_away_followers_who_are_told_are_not_read_again_and_again(
    people: People, pool: Pool, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanning, "PAGE", 4)
    author, *fans = await people.people(11)
    for fan in fans:
        await people.follow(fan, author)
    post, store = await people.post(author), Counting(pool, PostReader(pool, url))
    await pool.execute("delete from fanout")
    async with Redis.from_url("unix:///nowhere") as nobody:
        fan_out = Fanning(store, FeedLists(nobody), 20, told.deliver, told.to_interested, told.withdrawn.append)
        await publish(fan_out, store, author, post)
        assert (len(told.users), store.pages) == (10, 3)
        for _ in range(3):
            await pool.execute("update fanout set due_at = statement_timestamp()")
            for fanout in await store.claim(10):
                await fan_out.reach(fanout)
    assert (len(told.users), store.pages) == (10, 3)


async def test_what_is_published_while_a_list_is_rebuilt_is_in_it(
    people: People, store: FeedStore, lists: FeedLists, fan_out: Fanning
) -> None:
    me, friend = await people.people(2)
    await people.follow(me, friend)
    await lists.begin(me, "token")
    followed = await store.followed(me)
    places, _ = await store.candidates(followed.ordinary)
    post = await people.post(friend)
    await publish(fan_out, store, friend, post)

    assert await lists.store(me, "token", marker_of(followed, 0), places)
    assert (places, await listed(lists, me)) == ([], [post])


async def test_what_was_rebuilt_before_a_drop_or_a_loss_is_not_kept(
    people: People, lists: FeedLists, redis: "Redis"
) -> None:

    me = await people.person()
    marker = Marker(0, 0, ())
    await lists.begin(me, "first")
    await lists.drop([me])
    assert not await lists.store(me, "first", marker, [])
    await lists.begin(me, "first")
    await lists.begin(me, "second")
    assert not await lists.store(me, "first", marker, [])
    assert await lists.store(me, "second", marker, [])
    assert await listed(lists, me) == []


async def test_a_list_keeps_the_newest_500(
    people: People, store: FeedStore, lists: FeedLists, candidates: Candidates, redis: "Redis"
) -> None:
    me, friend = await people.people(2)
    await people.follow(me, friend)
    made = await people.posts(friend, 260, START)
    made += await people.posts(friend, 260, START + timedelta(hours=1))
    await read_all(candidates, [me])
    assert await listed(lists, me) == made[: -MOST - 1 : -1]
    newest = Place(NEWEST.at - 1, 1)
    await lists.add(newest, [me])
    assert await listed(lists, me) == [newest.post, *made[:-MOST:-1]]
    # And one for what it was made of.
    assert await redis.zcard(LIST + me) == MOST + 1
    await lists.begin(me, "token")
    await lists.add(newest, [me])
    assert await lists.store(me, "token", Marker(0, 0, ()), [Place(at, 2) for at in range(MOST)])
    assert await redis.zcard(LIST + me) == MOST + 1


@pytest.mark.parametrize(("minutes", "hear"), [(9, True), (11, False)])
async def test_of_a_backlog_only_what_is_ten_minutes_old_at_most_is_told(
    fan_out: Fanning,
    people: People,
    store: FeedStore,
    lists: FeedLists,
    candidates: Candidates,
    told: Told,
    minutes: int,
    *,
    hear: bool,
) -> None:
    author, fan = await people.people(2)
    await people.follow(fan, author)
    await read_all(candidates, [fan])
    post = await people.post(author, datetime.now(UTC) - timedelta(minutes=minutes))
    await publish(fan_out, store, author, post)
    assert await listed(lists, fan) == [post]
    assert [user for user, _ in told.users] == [fan] * hear
