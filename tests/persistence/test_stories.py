"""Stories in Postgres: how they begin and end, who may see them, and who has."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from persistence.outbox.contract import Event
from persistence.pool import open_pool, transaction
from persistence.stories.clearing import clear
from persistence.stories.statements import CREATE, LIVE, TRAY
from protocol.errors import Refusal
from protocol.graph import PeopleQuery, Relation, State
from protocol.ids import Millis, UserId, shard_of
from protocol.live import TrayChanged
from protocol.replies import Done
from protocol.requests import SeeStory
from protocol.stories import LIFE_MS, ArchiveQuery, NewStory, Story
from protocol.trays import StoryId
from server.stories import relating as relating_module
from server.stories import telling
from server.stories.answering import NO_SUCH_STORY
from server.stories.ending import Ending
from server.stories.relating import Relating
from tests.persistence.locks import until_waiting
from tests.pictures import THUMBHASH
from tests.story_ground import StoryGround
from tests.until import until

MANY = 1 << 50
"""Above the ids of all others."""


@pytest.fixture
async def ground(module_database: str) -> AsyncIterator[StoryGround]:
    async with open_pool(module_database, 4) as pool:
        await pool.execute("truncate outbox")
        yield StoryGround(pool)


async def seen(ground: StoryGround, viewer: UserId, id: str) -> bool:
    """By every path that shows one story; all of them agree."""
    one = isinstance(await ground.posting.show(viewer, id), Story)  # type: ignore[arg-type]
    author = UserId(str(await ground.pool.fetchval("select author from story where id = $1", int(id))))
    of = await ground.posting.of(viewer, author)
    listed = not isinstance(of, Refusal) and id in [story.id for story in of.items]
    assert one == listed
    return one


async def test_a_story_of_a_ready_picture_is_there_for_24_hours_at_once(ground: StoryGround) -> None:
    ada, bob = await ground.person(), await ground.person()
    new = NewStory("one", await ground.picture(ada))
    made = await ground.posting.create(ada, new)
    assert isinstance(made, Story)
    assert made.posted_at
    assert made.expires_at
    assert made.expires_at - made.posted_at == LIFE_MS
    assert not made.dup
    assert made.seen
    shown = await ground.posting.show(bob, made.id)
    assert isinstance(shown, Story)
    assert shown.media
    assert (shown.media.width, shown.media.thumbhash, shown.seen) == (640, THUMBHASH, False)
    assert f"viewer={bob}&until={made.expires_at}&" in shown.media.url
    again = await ground.posting.create(ada, new)
    assert isinstance(again, Story)
    assert again.dup
    assert again.id == made.id
    other = await ground.posting.create(ada, NewStory("one", new.media, "close_friends"))
    assert isinstance(other, Refusal)
    assert other.code == "id_reused"


async def test_a_story_begins_when_its_picture_is_ready_and_never_when_that_is_rejected(ground: StoryGround) -> None:
    ada, bob = await ground.person(), await ground.person()
    good, bad = await ground.picture(ada, "processing"), await ground.picture(ada, "processing")
    begins, never = await ground.post(ada, media=good), await ground.post(ada, media=bad)
    mine = await ground.posting.show(ada, begins)
    assert isinstance(mine, Story)
    assert mine.state == "processing"
    assert not mine.media
    assert not mine.expires_at
    assert not await seen(ground, bob, begins)
    await ground.settle(good, "ready")
    await ground.settle(bad, "rejected")
    assert await seen(ground, bob, begins)
    assert not await seen(ground, bob, never)
    before = await ground.pool.fetchval("select expires_at from story where id = $1", int(begins))
    await ground.settle(good, "ready")
    assert await ground.pool.fetchval("select expires_at from story where id = $1", int(begins)) == before
    archive = await ground.posting.mine(ada, ArchiveQuery())
    assert [(one.id, one.state or "published") for one in archive.items] == [
        (never, "rejected"),
        (begins, "published"),
    ]
    refused = await ground.posting.create(ada, NewStory("x", bad))
    assert isinstance(refused, Refusal)
    assert refused.code == "conflict_state"


@pytest.mark.parametrize("first", ["the picture", "the story"])
async def test_whoever_is_first_neither_side_misses_the_other(ground: StoryGround, first: str) -> None:
    ada = await ground.person()
    media = await ground.picture(ada, "processing")
    new = NewStory("race", media)
    if first == "the picture":
        async with transaction(ground.pool, 5) as settling:
            await settling.execute("update media set state = 'ready' where id = $1", int(media))
            creating = asyncio.create_task(ground.posting.create(ada, new))
            await until_waiting(ground.pool)
        made = await creating
    else:
        made = await ground.posting.create(ada, new)
        await ground.settle(media, "ready")
    assert isinstance(made, Story)
    shown = await ground.posting.show(ada, made.id)
    assert isinstance(shown, Story)
    assert shown.expires_at


async def test_what_is_not_my_picture_is_not_there_and_there_is_an_end_to_many(ground: StoryGround) -> None:
    ada, bob = await ground.person(), await ground.person()
    theirs = await ground.posting.create(ada, NewStory("a", await ground.picture(bob)))
    nothing = await ground.posting.create(ada, NewStory("b", "8"))  # type: ignore[arg-type]
    assert isinstance(theirs, Refusal)
    assert theirs.code == "not_found"
    assert theirs == nothing
    media = [await ground.picture(ada), await ground.picture(ada, "processing")]
    for n in range(LIVE):
        await ground.post(ada, media=media[n % 2])
    refused = await ground.posting.create(ada, NewStory("more", media[0]))
    assert isinstance(refused, Refusal)
    assert refused.code == "conflict_state"
    await ground.settle(media[1], "rejected")
    await ground.post(ada)


async def test_a_retry_that_began_before_the_first_was_committed_is_told_of_it_whatever_its_picture_is_now(
    ground: StoryGround,
) -> None:
    ada = await ground.person()
    new = NewStory("one", await ground.picture(ada, "processing"))
    async with asyncio.TaskGroup() as group, transaction(ground.pool, 10) as first:
        arguments = int(ada), new.cid, new.digest(), int(new.media), False, shard_of(ada)
        [(*_, id, _, _)] = await first.fetch(CREATE, *arguments)
        await first.execute("update media set state = 'rejected' where id = $1", int(new.media))
        retry = group.create_task(ground.posting.create(ada, new))
        await until_waiting(first)
    made = retry.result()
    assert isinstance(made, Story)
    assert (made.id, made.dup) == (str(id), True)


async def test_deleting_ends_it_for_everybody_and_only_its_author_can(ground: StoryGround) -> None:
    ada, bob = await ground.person(), await ground.person()
    story = await ground.post(ada)
    assert await ground.posting.delete(bob, story) == NO_SUCH_STORY
    assert await seen(ground, bob, story)
    for _ in range(2):
        assert not isinstance(await ground.posting.delete(ada, story), Refusal)
    assert not await seen(ground, bob, story)
    assert not await seen(ground, ada, story)
    assert (await ground.posting.mine(ada, ArchiveQuery())).items == []


ROLES = ["self", "follower", "requested", "stranger", "close friend", "blocked", "blocker", "follower who is blocked"]


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("audience", ["all", "close_friends"])
@pytest.mark.parametrize("role", ROLES)
async def test_the_audience_by_every_path(ground: StoryGround, role: str, audience: str, private: bool) -> None:
    ada, bob = await ground.person(private=private), await ground.person()
    viewer = ada if role == "self" else bob
    if role in ("follower", "close friend", "follower who is blocked"):
        await ground.follow(bob, ada)
    if role == "requested":
        await ground.follow(bob, ada, requested=True)
    if role == "close friend":
        await ground.relate(ada, "close_friend", bob)
    if role in ("blocked", "follower who is blocked"):
        await ground.relate(ada, "block", bob)
    if role == "blocker":
        await ground.relate(bob, "block", ada)
    story = await ground.post(ada, audience)  # type: ignore[arg-type]
    may = role in ("self", "close friend") or (
        audience == "all" and (role == "follower" or (not private and role in ("stranger", "requested")))
    )
    assert await seen(ground, viewer, story) == may
    follows = role in ("self", "follower", "close friend")
    assert bool(await ground.tray(viewer)) == (may and follows)
    assert (await ground.answering.answer(viewer, SeeStory(id=1, story=story)) == NO_SUCH_STORY) == (not may)
    reacted = await ground.store.react(viewer, story, "🔥", "cid")
    assert reacted
    assert reacted.visible == may
    await ground.hear()
    heard = {user for users, event in ground.told if event.change == "add" for user in users}
    assert heard - {ada} == ({bob} if may and follows and viewer == bob else set())
    viewers = await ground.posting.viewers(viewer, story, PeopleQuery())
    assert isinstance(viewers, Refusal) == (viewer != ada)


@pytest.mark.parametrize("ended", ["unfollow a private one", "block", "be blocked", "no close friend", "delete"])
async def test_what_ends_the_right_to_see_ends_it_at_once(ground: StoryGround, ended: str) -> None:
    ada, bob = await ground.person(private=True), await ground.person()
    await ground.follow(bob, ada)
    await ground.relate(ada, "close_friend", bob)
    story = await ground.post(ada, "close_friends")
    assert await ground.tray(bob) == [(ada, [story])]
    match ended:
        case "block":
            await ground.relate(bob, "block", ada)
        case "be blocked":
            await ground.relate(ada, "block", bob)
        case "no close friend":
            await ground.relate(ada, "close_friend", bob, on=False)
        case "delete":
            await ground.posting.delete(ada, story)
        case _:
            await ground.unfollow(bob, ada)
    assert await ground.tray(bob) == []
    assert not await seen(ground, bob, story)


async def test_a_tray_begins_with_mine_then_what_is_new_to_me_and_ends_with_whom_i_mute(ground: StoryGround) -> None:
    me, ada, bob, eve, max_ = [await ground.person() for _ in range(5)]
    for author in (ada, bob, eve, max_):
        await ground.follow(me, author)
    await ground.relate(me, "mute", max_)
    stories = {author: await ground.post(author) for author in (ada, bob, eve, me, max_)}
    second = await ground.post(ada)
    await ground.answering.answer(me, SeeStory(id=1, story=stories[bob]))
    assert await ground.tray(me) == [
        (me, [stories[me]]),
        (ada, [stories[ada], second]),
        (eve, [stories[eve]]),
        (bob, [stories[bob]]),
        (max_, [stories[max_]]),
    ]
    entries = (await ground.answering.first_tray(me)).items
    assert [(entry.muted, entry.stories[0].seen) for entry in entries] == [
        (False, True),
        (False, False),
        (False, False),
        (False, True),
        (True, False),
    ]


async def test_mine_are_first_however_many_others_there_are(ground: StoryGround) -> None:
    me = await ground.person()
    mine = await ground.post(me)
    others = f"generate_series({MANY + 1}, {MANY + TRAY}) n"
    for statement in (
        f"insert into account (id, username) select n, 'p' || n from {others}",
        f"insert into follow (follower, followee) select {me}, n from {others}",
        f"""insert into story (id, author, cid, digest, media, close_friends, state, posted_at, expires_at)
        select n, n, 'one', '', 1, false, 'published', s.posted_at + interval '1 s', s.expires_at + interval '1 s'
        from story s, {others} where s.author = {me}""",
    ):
        await ground.pool.execute(statement)
    tray = await ground.store.tray(me)
    assert ([story.id for story in tray[0].stories], len(tray)) == ([mine], TRAY)


async def test_seeing_counts_once_tells_my_devices_once_and_never_for_my_own(ground: StoryGround) -> None:
    ada, bob = await ground.person(), await ground.person()
    story = await ground.post(ada)
    for user in (bob, bob, ada):
        assert await ground.answering.answer(user, SeeStory(id=1, story=story)) != NO_SUCH_STORY
    assert ground.heard == [({bob}, "seen", story)]
    viewers = await ground.posting.viewers(ada, story, PeopleQuery())
    assert not isinstance(viewers, Refusal)
    assert (viewers.count, viewers.exact, [one.user for one in viewers.items]) == (1, True, [bob])
    for reaction in ("👏", "🔥"):
        await ground.store.react(bob, story, reaction, reaction)
    counted = "select sum(change) from tally_change where thing = $1 and kind = 'views'"
    assert await ground.pool.fetchval(counted, int(story)) == 1
    viewers = await ground.posting.viewers(ada, story, PeopleQuery())
    assert not isinstance(viewers, Refusal)
    assert viewers.items[0].reaction == "🔥"
    shown = await ground.posting.show(bob, story)
    assert isinstance(shown, Story)
    assert shown.seen
    assert shown.reaction == "🔥"
    await ground.relate(bob, "block", ada)
    viewers = await ground.posting.viewers(ada, story, PeopleQuery())
    assert not isinstance(viewers, Refusal)
    assert viewers.count == 0
    assert viewers.items == []


@pytest.mark.parametrize("views", [1_000, 1_001])
async def test_viewers_are_exact_up_to_a_thousand_and_then_about_right(ground: StoryGround, views: int) -> None:
    ada = await ground.person()
    story = await ground.post(ada)
    first = int(ada) + 2**40
    await ground.pool.execute(
        "insert into account (id, username) select $1::bigint + n, 'v' || $1::bigint + n from generate_series(1, $2) n",
        first,
        views,
    )
    await ground.pool.execute(
        """insert into story_view (story, viewer, at)
        select $1, $2::bigint + n, statement_timestamp() - n * interval '1 second' from generate_series(1, $3) n""",
        int(story),
        first,
        views,
    )
    await ground.pool.execute("insert into tally (thing, kind, total) values ($1, 'views', $2)", int(story), views)
    items, before, pages = [], None, 0
    while before is not None or not pages:
        page = await ground.store.viewers(ada, story, before, 100)
        assert page
        assert page.exact == (views == 1_000)
        assert page.count == views
        items += [int(one.user) for one in page.items]
        before, pages = page.next or None, pages + 1
    assert items == [first + n for n in range(1, 1_001)]


async def test_what_is_exact_is_all_of_them_also_while_views_come_in(ground: StoryGround) -> None:
    ada = await ground.person()
    story = await ground.post(ada)
    coming = [await ground.person() for _ in range(40)]

    async def look() -> None:
        for _ in coming:
            page = await ground.store.viewers(ada, story, None, 100)
            assert page
            assert (page.exact, page.count) == (True, len(page.items))

    async def see() -> None:
        for viewer in coming:
            await ground.store.see(viewer, story)

    await asyncio.gather(look(), see())


async def test_beginnings_and_ends_are_told_to_those_a_story_is_meant_for(ground: StoryGround) -> None:
    ada, bob, eve, muter, elsewhere = [await ground.person() for _ in range(5)]
    for follower in (bob, eve, muter):
        await ground.follow(follower, ada)
    for friend in (eve, elsewhere):
        # Whose tray is without Ada is not told either.
        await ground.relate(ada, "close_friend", friend)
    await ground.relate(muter, "mute", ada)
    everybody, friends = await ground.post(ada), await ground.post(ada, "close_friends")
    await ground.hear()
    assert ground.heard == [
        ({ada}, "add", everybody),
        ({bob, eve}, "add", everybody),
        ({ada}, "add", friends),
        ({eve}, "add", friends),
    ]
    assert [topic for topic, _ in ground.added] == ["activity"]
    ground.told.clear()
    await ground.posting.delete(ada, everybody)
    await ground.posting.delete(ada, friends)
    await ground.hear()
    assert ground.heard == [
        ({ada}, "remove", everybody),
        ({bob, eve, muter}, "remove", everybody),
        ({ada}, "remove", friends),
        ({eve}, "remove", friends),
    ]
    assert len(ground.added) == 2


async def test_of_what_happened_long_ago_close_friends_are_notified_and_nobody_is_told_live(
    ground: StoryGround,
) -> None:
    ada, eve = await ground.person(), await ground.person()
    await ground.follow(eve, ada)
    await ground.relate(ada, "close_friend", eve)
    for _ in range(3):
        friends = await ground.post(ada, "close_friends")
    await ground.pool.execute(
        "update story set posted_at = posted_at - interval '61 seconds' where author = $1", int(ada)
    )
    await ground.hear()
    assert (ground.heard, [topic for topic, _ in ground.added]) == ([], ["activity"] * 3)
    await ground.posting.delete(ada, friends)
    await ground.pool.execute("update story set deleted_at = now() - interval '61 seconds' where id = $1", int(friends))
    await ground.hear()
    assert (ground.heard, len(ground.added)) == ([], 4)


async def test_of_an_author_whom_very_many_follow_close_friends_alone_are_told_live(ground: StoryGround) -> None:
    ada, bob, eve = [await ground.person() for _ in range(3)]
    for follower in (bob, eve):
        await ground.follow(follower, ada)
    await ground.relate(ada, "close_friend", eve)
    ground.telling = telling.Telling(ground.moving, ground._deliver, ground._add, lambda: None, most=1)
    everybody, friends = await ground.post(ada), await ground.post(ada, "close_friends")
    await ground.hear()
    assert ground.heard == [({ada}, "add", everybody), ({ada}, "add", friends), ({eve}, "add", friends)]


async def test_of_a_beginning_that_is_heard_of_after_the_end_nobody_is_told(ground: StoryGround) -> None:
    ada, eve = await ground.person(), await ground.person()
    await ground.follow(eve, ada)
    await ground.relate(ada, "close_friend", eve)
    story = await ground.post(ada, "close_friends")
    await ground.pool.execute("update story set expires_at = now() where id = $1", int(story))
    await ground.hear()
    assert (ground.heard, ground.added) == ([], [])


async def test_whoever_neither_gains_nor_loses_a_story_by_a_deed_is_told_nothing_of_it(ground: StoryGround) -> None:
    def stood(state: State, reverse: State) -> Relation:
        return Relation(UserId("1"), state, reverse, blocked=False, muted=False, restricted=False, close_friend=False)

    ada, bob, eve, muted = [await ground.person() for _ in range(4)]
    await ground.follow(ada, muted)
    await ground.relate(ada, "mute", muted)
    for author in (ada, muted):
        await ground.post(author)
    await ground.post(bob, "close_friends")
    relating = Relating(ground.store, ground.moving, lambda user, event: ground.told.append((frozenset([user]), event)))
    relating.related("unfollow", ada, eve, stood("following", "following"))
    relating.related("follow", ada, muted, None)
    relating.related("unfriend", bob, ada, stood("none", "following"))
    relating.related("remove", ada, bob, stood("following", "none"))
    relating.related("unfollow", ada, bob, stood("none", "following"))
    relating.related("block", ada, bob, stood("following", "following"))
    async with asyncio.TaskGroup() as group:
        running = group.create_task(relating.run())
        await until(lambda: len(ground.told) >= 2)
        running.cancel()
    assert ground.told == [
        (frozenset([ada]), TrayChanged("remove", bob, ())),
        (frozenset([bob]), TrayChanged("remove", ada, ())),
    ]


async def test_who_accepts_very_many_at_once_keeps_nobody_else_from_being_told(
    ground: StoryGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relating_module, "MOST", 3)
    ada, bob, *fans = [await ground.person() for _ in range(6)]
    for fan in fans:
        await ground.follow(fan, bob)
    story = await ground.post(bob)
    relating = Relating(ground.store, ground.moving, lambda user, event: ground.told.append((frozenset([user]), event)))
    # Ada has nothing to show.
    for author in (ada, bob):
        relating.accepted(author, fans)
    relating.accepted(bob, ())
    relating.related("accept", bob, fans[0], None)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(relating.run())
        await until(lambda: len(ground.told) >= 5)
        running.cancel()
    assert [(audience, event.change, event.author) for audience, event in ground.told] == [
        (frozenset([fan]), "add", bob) for fan in (*fans, fans[0])
    ]
    assert [one.id for one in ground.told[0][1].stories] == [story]


async def test_of_very_many_stories_at_once_is_told_live_what_there_is_time_for(
    ground: StoryGround, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await ground.person()
    stories = [await ground.post(ada) for _ in range(3)]
    monkeypatch.setattr(telling, "TELLING_S", -1)
    await ground.hear()
    assert (ground.heard, ground.telling.let_go) == ([], 3)
    monkeypatch.undo()
    await ground.telling.moved([Event(1, Millis(0), stories[1].encode())])
    assert ground.heard == [({ada}, "add", stories[1])]


async def test_an_end_that_cannot_be_told_keeps_no_other_from_being_told(ground: StoryGround) -> None:
    async def ended(id: StoryId) -> None:
        if id == first:
            raise ZeroDivisionError
        await ground.telling.ended(id)

    ada = await ground.person()
    first, second = await ground.post(ada), await ground.post(ada)
    for story, ago in ((first, 2), (second, 1)):
        await ground.pool.execute(
            "update story set expires_at = now() - $2 * interval '1 second' where id = $1", int(story), ago
        )
    await Ending(ground.moving, ended).look()
    assert ({ada}, "remove", second) in ground.heard


@pytest.mark.parametrize("shown_elsewhere", [False, True])
async def test_what_a_deleted_story_leaves_is_cleared_away(database: str, *, shown_elsewhere: bool) -> None:
    async with open_pool(database, 2) as pool:
        ground = StoryGround(pool)
        ada, bob = await ground.person(), await ground.person()
        media = await ground.picture(ada)
        story = await ground.post(ada, media=media)
        other = await ground.post(ada, media=media) if shown_elsewhere else None
        await ground.answering.answer(bob, SeeStory(id=1, story=story))
        assert not await clear(pool, 0)
        await ground.posting.delete(ada, story)
        states: list[str | None] = []
        while await clear(pool, 0):
            state = await pool.fetchval("select state from media where id = $1", int(media))
            states += [state] if state not in states[-1:] else []
            # The pipeline has removed what belongs to it.
            await pool.execute("update media set due_at = null")
        assert states == (["ready"] if other else ["ready", "rejected", None])
        assert await pool.fetchval("select count(*) from story_view") == 0
        assert await ground.posting.delete(ada, story) == Done()
        assert other is None or await seen(ground, bob, other)
