"""Pages of the feed on a real Postgres and Valkey: what belongs on them, in which order, and what makes them right."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from msgspec import UNSET
from redis.asyncio import Redis

from persistence.faults import UnavailableError
from persistence.feed import postgres as feed_postgres
from persistence.feed.lists import MOST, FeedLists
from persistence.feed.places import NEWEST, Place
from persistence.feed.postgres import Features, FeedStore
from persistence.pool import Pool, fetch, open_pool
from persistence.posts.reading import PostReader
from persistence.redis import open_redis
from protocol.errors import Refusal
from protocol.ids import UserId
from protocol.posts import PostId, Posts
from protocol.requests import GetFeed
from server.embedded import EmbeddedValkey
from server.feed import candidates as candidates_module
from server.feed import celebrities
from server.feed import pages as pages_module
from server.feed.candidates import Candidates
from server.feed.celebrities import CelebrityPosts
from server.feed.merging import Source
from server.feed.pages import PAUSE_S, Pages
from server.feed.ranking import Candidate
from tests.server.feed.conftest import Clock, serving, url
from tests.server.feed.stage import START, People, place
from tests.until import until


async def page(pages: Pages, user: UserId, **fields: object) -> Posts:
    answer = await pages.page(user, GetFeed(id=1, **fields))  # type: ignore[arg-type]
    assert isinstance(answer, Posts)
    return answer


async def ids(pages: Pages, user: UserId, **fields: object) -> list[PostId]:
    """Of one page."""
    return [post.id for post in (await page(pages, user, **fields)).items]


async def walk(pages: Pages, user: UserId, **fields: object) -> list[PostId]:
    """All pages."""
    found, before = list[PostId](), UNSET
    while True:
        answer = await page(pages, user, before=before, **fields)
        found += [post.id for post in answer.items]
        if answer.next is UNSET:
            return found
        before = answer.next  # type: ignore[assignment]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ranker is waited for: where it has to share the machine, pages would be in the order of time."""
    monkeypatch.setattr(pages_module, "DEADLINE_S", 10.0)


@pytest.fixture(params=["latest", "ranked"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_feed_has_the_posts_of_those_whom_one_follows_and_ones_own(pages: Pages, people: People) -> None:
    me, friend, stranger = await people.people(3)
    await people.follow(me, friend)
    theirs = await people.post(friend, START, "hello")
    await people.post(stranger, START + timedelta(seconds=1))
    mine = await people.post(me, START + timedelta(seconds=2))
    shown = (await page(pages, me)).items
    assert [(post.id, post.author.user, post.caption) for post in shown] == [
        (mine, me, UNSET),
        (theirs, friend, "hello"),
    ]


async def test_pages_have_everything_once_and_in_its_order(pages: Pages, people: People, mode: str) -> None:
    me, *friends = await people.people(4)
    await people.follow(me, *friends)
    made = [
        post
        for n, friend in enumerate(friends)
        for post in await people.posts(friend, 9, START + n * timedelta(milliseconds=1))
    ]
    found = await walk(pages, me, mode=mode, limit=7)
    assert sorted(found) == sorted(made)
    if mode == "latest":
        assert found == await ids(pages, me, limit=50)


async def test_what_is_published_meanwhile_makes_no_repeats_and_no_gaps(
    pages: Pages, people: People, lists: FeedLists, mode: str
) -> None:
    me, friend = await people.people(2)
    await people.follow(me, friend)
    made = await people.posts(friend, 20, START)
    first = await page(pages, me, mode=mode, limit=8)
    new = await people.post(friend, START + timedelta(hours=1))
    await lists.add(place(new, START + timedelta(hours=1)), [me])
    rest, before = list[PostId](), first.next
    while before is not UNSET:
        answer = await page(pages, me, mode=mode, limit=8, before=before)
        rest, before = rest + [post.id for post in answer.items], answer.next
    assert sorted([post.id for post in first.items] + rest) == sorted(made)
    assert (await ids(pages, me, limit=1)) == [new]


@pytest.mark.parametrize("ending", ["unfollow", "mute", "block", "blocked", "private", "delete", "archive"])
async def test_what_ends_it_takes_effect_with_the_next_page(
    pages: Pages, people: People, pool: Pool, ending: str, mode: str
) -> None:
    me, friend, other = await people.people(3)
    await people.follow(me, friend, other)
    gone, kept = await people.post(friend), await people.post(other)
    assert set(await ids(pages, me, mode=mode)) == {gone, kept}
    match ending:
        case "unfollow":
            await people.unfollow(me, friend)
        case "mute":
            await people.relate(me, "mute", friend)
        case "block":
            await people.relate(me, "block", friend)
        case "blocked":
            await people.relate(friend, "block", me)
        case "private":
            await people.unfollow(me, friend)
            await pool.execute("update account set private = true where id = $1", int(friend))
        case "delete":
            await people.set_state(gone, "deleted")
        case "archive":
            await people.set_state(gone, "archived")
    assert await ids(pages, me, mode=mode) == [kept]


async def test_a_new_follow_counts_from_the_next_page_on(
    pages: Pages, people: People, candidates: Candidates, pool: Pool
) -> None:
    me, friend, shy = await people.people(3)
    theirs, hers = await people.post(friend, START), await people.post(shy, START + timedelta(seconds=1))
    assert await ids(pages, me) == []
    await people.follow(me, friend)
    assert await ids(pages, me) == [theirs]
    await pool.execute("insert into follow (follower, followee, requested) values ($1, $2, true)", int(me), int(shy))
    assert await ids(pages, me) == [theirs]
    await people.follow(me, shy)
    assert await ids(pages, me) == [hers, theirs]
    assert candidates.rebuilt == 3


async def test_a_follow_that_began_before_the_newest_and_was_committed_after_it_counts(
    pages: Pages, people: People, candidates: Candidates, pool: Pool
) -> None:
    me, friend, late = await people.people(3)
    theirs, hers = await people.post(friend, START), await people.post(late, START + timedelta(seconds=1))
    async with pool.acquire() as accepting, accepting.transaction():
        await People(accepting).follow(me, late)
        await people.follow(me, friend)
        assert await ids(pages, me) == [theirs]
    assert await ids(pages, me) == [hers, theirs]
    await people.unfollow(me, late)
    assert await ids(pages, me) == [theirs]
    assert candidates.rebuilt == 2


async def test_an_empty_list_that_was_rebuilt_is_not_rebuilt_again_and_a_lost_one_is(
    pages: Pages, people: People, candidates: Candidates, redis: "Redis"
) -> None:
    me = await people.person()
    for _ in range(3):
        assert await ids(pages, me) == []
    assert candidates.rebuilt == 1
    await redis.flushall()
    assert await ids(pages, me) == []
    assert candidates.rebuilt == 2


async def test_while_redis_is_away_or_none_is_there_pages_come_from_postgres(
    people: People, store: FeedStore, pool: Pool, clock: Clock, mode: str
) -> None:
    me, friend = await people.people(2)
    await people.follow(me, friend)
    made = await people.posts(friend, 12, START)
    async with Redis.from_url("unix:///nowhere") as nobody:
        for lists in (FeedLists(nobody), None):
            candidates = Candidates(store, lists, clock)
            async with serving(candidates, store, lists, clock) as pages:
                assert await walk(pages, me, mode=mode, limit=5) == made[::-1]
                assert candidates.rebuilt == 0
            assert candidates.straight >= 3


async def test_posts_of_celebrities_are_merged_whether_or_not_the_list_knows_of_their_rise(
    pages: Pages, people: People, store: FeedStore, candidates: Candidates
) -> None:
    me, star, friend, riser = await people.people(4)
    await people.follow(me, star, friend, riser)
    old = await people.post(friend, START)
    assert await ids(pages, me) == [old]
    await store.judge(star, True)
    theirs = await people.posts(star, 70, START + timedelta(seconds=1))
    assert await walk(pages, me, limit=20) == [*theirs[::-1], old]
    assert candidates.rebuilt == 1
    await store.judge(star, False)
    await store.judge(riser, True)
    assert await walk(pages, me, limit=20) == [*theirs[::-1], old]
    assert candidates.rebuilt == 2


async def test_the_newest_of_a_celebrity_is_there_within_a_second(
    pages: Pages, people: People, store: FeedStore, clock: Clock
) -> None:
    me, star = await people.people(2)
    await people.follow(me, star)
    await store.judge(star, True)
    assert await ids(pages, me) == []
    new = await people.post(star)
    clock.now += 1
    assert await ids(pages, me) == [new]


async def test_a_page_is_cut_where_it_would_be_too_large_for_a_frame(
    pages: Pages, people: People, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = await people.person()
    made = await people.posts(me, 6, START, "x" * 1_000)
    monkeypatch.setattr(pages_module, "PAGE_BYTES", 3_000)
    first = await page(pages, me, mode=mode, limit=5)
    assert len(first.items) == 2
    assert sorted(await walk(pages, me, mode=mode, limit=5)) == made
    monkeypatch.setattr(pages_module, "PAGE_BYTES", 1)
    assert sorted(await walk(pages, me, mode=mode, limit=5)) == made


async def test_after_more_rises_than_are_looked_at_a_list_is_rebuilt(
    candidates: Candidates, store: FeedStore, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, star, other = await people.people(3)
    await people.follow(me, star, other)
    await candidates.before(me, NEWEST, 10, await store.standing(me))
    await store.judge(star, True)
    await candidates.before(me, NEWEST, 10, await store.standing(me))
    assert candidates.rebuilt == 1
    monkeypatch.setattr(candidates_module, "CHANGES", 1)
    await store.judge(other, True)
    await candidates.before(me, NEWEST, 10, await store.standing(me))
    assert candidates.rebuilt == 2


async def test_for_whom_there_is_no_turn_to_rebuild_is_refused_for_now(
    candidates: Candidates, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates_module, "TURN_WITHIN_S", 0.01)
    me = await people.person()
    for _ in range(candidates_module.REBUILDS):
        await candidates._turns.acquire()
    with pytest.raises(UnavailableError, match="too many feeds"):
        await candidates.before(me, NEWEST, 10)
    candidates._turns.release()
    assert (await candidates.before(me, NEWEST, 10)).source.whole


class Gated(FeedStore):
    """A rebuilding that has read whom its user follows waits."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, PostReader(pool, url))
        self.reached, self.open = asyncio.Event(), asyncio.Event()

    async def candidates(self, authors: Sequence[int]) -> tuple[list[Place], bool]:
        self.reached.set()
        await self.open.wait()
        return await super().candidates(authors)


async def test_who_has_followed_somebody_while_their_list_is_rebuilt_is_not_content_with_it(
    people: People, lists: FeedLists, pool: Pool, clock: Clock
) -> None:
    me, friend = await people.people(2)
    post, store = await people.post(friend), Gated(pool)
    candidates = Candidates(store, lists, clock)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(candidates.before(me, NEWEST, 10))
        await store.reached.wait()
        await people.follow(me, friend)
        second = group.create_task(candidates.before(me, NEWEST, 10))
        await until(lambda: bool(getattr(candidates._flying[me], "_callbacks", None)))
        store.open.set()
    found = [[place.post for place in task.result().source.places] for task in (first, second)]
    assert found == [[], [post]]


async def test_what_is_known_of_celebrities_is_not_forgotten_while_a_page_needs_it(
    store: FeedStore, people: People, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celebrities, "AUTHORS", 0)
    stars = [int(star) for star in await people.people(6)]
    posts = CelebrityPosts(store, clock)
    await posts.before(stars[:3], NEWEST, 10)
    assert len(await posts.before([stars[0], *stars[3:]], NEWEST, 10)) == 4
    assert len(posts._known) == 4


async def test_of_many_celebrities_few_posts_each_are_read_and_pages_have_all_of_them(
    pages: Pages, people: People, store: FeedStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(celebrities, "MERGED", 20)
    me, *stars = await people.people(6)
    await people.follow(me, *stars)
    for star in stars:
        await store.judge(star, True)
    made = [post for star in stars for post in await people.posts(star, 12, START)]
    many, one = [int(star) for star in stars], [int(stars[0])]
    known = CelebrityPosts(store, clock)
    assert sum([len(source.places) for source in await known.before(many, NEWEST, 50)]) == 5 * 4
    assert sum(len(each.places) for each in known._known.values()) == 5 * 4
    # Who needs more of one of them reads that one again.
    assert await known.before(one, NEWEST, 50) == [Source((await store.newest(one, NEWEST, 20))[one[0]], True)]
    assert sorted(await walk(pages, me, limit=7)) == sorted(made)


async def test_of_ranked_orders_the_latest_four_of_each_reader_are_kept(
    pages: Pages, people: People, redis: "Redis"
) -> None:
    me, friend = await people.people(2)
    await people.follow(me, friend)
    made = await people.posts(friend, 30, START)
    firsts = [await page(pages, me, mode="ranked", limit=20) for _ in range(12)]
    kept = sum([len(one) async for key in redis.scan_iter(f"*ranked*{me}*") for one in await redis.lrange(key, 0, -1)])
    assert kept == 4 * (16 + 30 * 16)
    for first in firsts[-4:]:
        second = await page(pages, me, mode="ranked", limit=20, before=first.next)
        assert sorted(post.id for post in (*first.items, *second.items)) == sorted(made)
    assert pages.fallbacks == 0


async def test_an_order_that_is_gone_goes_on_below_what_it_ranked(
    pages: Pages, people: People, redis: "Redis", candidates: Candidates
) -> None:
    me, friend = await people.people(2)
    await people.follow(me, friend)
    made = await people.posts(friend, 160, START)
    first = await page(pages, me, mode="ranked", limit=50)
    await redis.flushall()
    second = await page(pages, me, mode="ranked", limit=50, before=first.next)
    assert [post.id for post in second.items] == made[:10][::-1]
    assert (second.next, pages.fallbacks) == (UNSET, 1)


async def test_a_ranker_that_fails_leaves_the_order_of_time(
    candidates: Candidates, people: People, store: FeedStore, lists: FeedLists, clock: Clock
) -> None:
    def failing(given: object, now: int) -> list[Candidate]:
        raise ZeroDivisionError

    me, friend = await people.people(2)
    await people.follow(me, friend)
    made = await people.posts(friend, 5, START)
    async with serving(candidates, store, lists, clock, failing) as pages:
        assert await ids(pages, me, mode="ranked") == made[::-1]
        assert pages.fallbacks == 1


class Locked(FeedStore):
    """What a ranker is given waits for a lock, on a connection of its own."""

    def __init__(self, pool: Pool, waiting: Pool) -> None:
        super().__init__(pool, PostReader(pool, url))
        self.waiting = waiting
        self.read = asyncio.Event()

    async def features(self, user: UserId, posts: Sequence[int]) -> dict[int, Features]:
        await fetch(self.waiting, 10.0, "select pg_advisory_lock_shared(5)")
        found = await super().features(user, posts)
        self.read.set()
        return found


async def test_what_is_known_too_late_leaves_the_order_of_time_for_a_second_and_costs_no_connection(
    candidates: Candidates,
    people: People,
    lists: FeedLists,
    pool: Pool,
    clock: Clock,
    module_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    me, friend = await people.people(2)
    await people.follow(me, friend)
    made = await people.posts(friend, 5, START)
    async with open_pool(module_database, 1, settings={"lock_timeout": "0"}) as waiting, pool.acquire() as holder:
        backend = await waiting.fetchval("select pg_backend_pid()")
        store = Locked(pool, waiting)
        async with serving(candidates, store, lists, clock) as pages:
            await holder.execute("select pg_advisory_lock(5)")
            with monkeypatch.context() as hurried:
                hurried.setattr(pages_module, "DEADLINE_S", 0.05)
                for fallbacks in (1, 2):
                    assert await ids(pages, me, mode="ranked") == made[::-1]
                    assert pages.fallbacks == fallbacks
            await holder.execute("select pg_advisory_unlock(5)")
            await store.read.wait()
            assert await waiting.fetchval("select pg_backend_pid()") == backend
            clock.now += PAUSE_S
            assert sorted(await ids(pages, me, mode="ranked")) == made
            assert pages.fallbacks == 2


async def test_a_foreign_cursor_is_refused(pages: Pages, people: People) -> None:
    me = await people.person()
    for before in ("x", "1-2-3", f"1-{2**63}", "0123456789abcdef-1-2"):
        assert isinstance(await pages.page(me, GetFeed(id=1, before=before)), Refusal)


@pytest.mark.parametrize("seed", range(3))
async def test_pages_hold_what_a_plain_reading_of_the_tables_finds_whatever_happens(
    pages: Pages,
    people: People,
    store: FeedStore,
    lists: FeedLists,
    pool: Pool,
    clock: Clock,
    redis: "Redis",
    seed: int,
) -> None:
    """Random follows, mutes, posts, rises, falls and losses; each page series against one query without any list."""
    random = Random(seed)
    everybody = await people.people(5)
    me = everybody[0]
    for step in range(40):
        one = random.choice(everybody[1:])
        match random.randrange(8):
            case 0 | 1:
                await people.follow(me, one)
            case 2:
                await people.unfollow(me, one)
            case 3:
                await store.judge(one, random.random() < 0.5)
            case 4:
                await redis.flushall()
            case _:
                at = START + timedelta(seconds=100 * seed + step)
                post = await people.post(one, at)
                if not (await store.count(one, 1))[1]:
                    await lists.add(place(post, at), everybody)
        clock.now += 1
        rows = await pool.fetch(
            """select p.id from post p where p.state = 'published' and (p.author = $1 or exists (
              select from follow f where f.follower = $1 and f.followee = p.author))
            order by p.published_at desc, p.id desc""",
            int(me),
        )
        assert await walk(pages, me, limit=random.randint(1, 9)) == [str(row["id"]) for row in rows]


@pytest.mark.parametrize("ending", ["mute", "unfollow", "delete"])
async def test_one_who_filled_a_list_and_is_seen_no_more_hides_nobody_else(
    pages: Pages, people: People, pool: Pool, ending: str
) -> None:
    me, loud, quiet = await people.people(3)
    await people.follow(me, loud, quiet)
    theirs = await people.posts(quiet, 5, START)
    await people.posts(loud, MOST, START + timedelta(seconds=10))
    await ids(pages, me)
    match ending:
        case "mute":
            await people.relate(me, "mute", loud)
        case "unfollow":
            await people.unfollow(me, loud)
        case "delete":
            await pool.execute("update post set state = 'deleted' where author = $1", int(loud))
    assert await walk(pages, me) == theirs[::-1]


async def test_a_redis_that_comes_back_as_it_was_before_hides_nothing_that_was_published_since(
    people: People, store: FeedStore, clock: Clock, tmp_path: Path
) -> None:
    me, friend = await people.people(2)
    await people.follow(me, friend)
    old = await people.post(friend, START)
    server = EmbeddedValkey(tmp_path)

    @asynccontextmanager
    async def served() -> AsyncIterator[tuple[Pages, Candidates, FeedLists, Redis]]:
        await server.start()
        try:
            async with open_redis(server.url) as client:
                lists = FeedLists(client)
                candidates = Candidates(store, lists, clock)
                async with serving(candidates, store, lists, clock) as pages:
                    yield pages, candidates, lists, client
        finally:
            await server.stop()

    async with served() as (pages, candidates, lists, client):
        assert await ids(pages, me) == await ids(pages, me) == [old]
        await client.save()
        new = await people.post(friend, START + timedelta(seconds=1))
        await lists.add(place(new, START + timedelta(seconds=1)), [me])
        assert await ids(pages, me) == [new, old]
        assert candidates.rebuilt == 1
    async with served() as (pages, candidates, _, client):
        assert await client.exists(f"tidings:feed:{me}")
        assert await ids(pages, me) == await ids(pages, me) == [new, old]
        assert (candidates.rebuilt, candidates.straight) == (1, 0)


async def test_pages_from_postgres_have_no_gaps_where_one_of_hundreds_has_posted_more_than_is_read_of_each(
    people: People, store: FeedStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_postgres, "CANDIDATES", 60)
    me, loud, *others = await people.people(5)
    await people.follow(me, loud, *others)
    made = [post for other in others for post in await people.posts(other, 3, START)]
    made += await people.posts(loud, 50, START + timedelta(seconds=10))
    candidates = Candidates(store, None, clock)
    async with serving(candidates, store, None, clock) as pages:
        assert sorted(await walk(pages, me, limit=30)) == sorted(made)


async def test_a_list_that_has_not_all_of_one_of_hundreds_is_not_the_end_of_the_feed(
    people: People, store: FeedStore, lists: FeedLists, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for the page that has it built, nor for those that find it."""
    monkeypatch.setattr(feed_postgres, "CANDIDATES", 60)
    me, loud, *others = await people.people(5)
    await people.follow(me, loud, *others)
    made = await people.posts(loud, 50, START)
    candidates = Candidates(store, lists, clock)
    async with serving(candidates, store, lists, clock) as pages:
        assert await walk(pages, me, limit=30) == made[::-1]
        assert await walk(pages, me, limit=30) == made[::-1]
        assert candidates.rebuilt == 1
        # What the list has is ranked: it takes no reading of what is older.
        straight = candidates.straight
        assert len(await ids(pages, me, mode="ranked", limit=10)) == 10
    assert candidates.straight == straight
