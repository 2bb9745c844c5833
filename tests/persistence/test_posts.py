"""Posts at the store: published once whichever comes first, made once whatever breaks off, cleared away whole."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest
from msgspec import UNSET

from persistence.engagement.comments import make as comment
from persistence.engagement.marks import mark
from persistence.faults import UnavailableError
from persistence.pool import Pool, open_pool
from persistence.posts.changing import change, delete, untag
from persistence.posts.clearing import clear
from persistence.posts.making import Made, Unfit, make, settle
from persistence.posts.reading import PostReader
from persistence.posts.statements import MAKE, PUBLISH
from persistence.tallies.folding import fold
from protocol.activity import Activity
from protocol.engagement import NewComment
from protocol.ids import UserId
from protocol.media import MediaId
from protocol.posting import NewPost, PostPatch
from protocol.posts import Post, PostId, PostMoved
from tests.persistence.locks import until_waiting
from tests.pictures import brought

ADA, BEN = UserId("1024"), UserId("2048")
PICTURE = MediaId("7")


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with open_pool(database, 6) as pool:
        await pool.execute("insert into account (id, username) values (1024, 'ada'), (2048, 'ben')")
        await put(pool, PICTURE, "processing")
        yield pool


async def put(pool: Pool, id: str, state: str = "ready", owner: UserId = ADA) -> None:
    await brought(pool, owner, state, id=id)


def new(*media: str, cid: str = "a", **more: Any) -> NewPost:
    return NewPost(cid, [MediaId(id) for id in media or (PICTURE,)], **more)


async def made(pool: Pool, post: NewPost, author: UserId = ADA) -> PostId:
    result = await make(pool, author, post)
    assert isinstance(result, Made)
    return result.id


async def moves(pool: Pool) -> list[str]:
    rows = await pool.fetch("select body from outbox where topic = 'post' order by id")
    return [msgspec.msgpack.decode(row[0], type=PostMoved).change for row in rows]


async def seen(pool: Pool, viewer: UserId, post: PostId) -> list[Post]:
    return await PostReader(pool, lambda viewer, media: media).read(viewer, [post])


async def told(pool: Pool) -> list[Activity]:
    rows = await pool.fetch("select body from outbox where topic = 'activity' order by id")
    return [msgspec.msgpack.decode(row[0], type=Activity) for row in rows]


async def test_a_picture_that_becomes_ready_while_its_post_is_made_is_waited_for(database: str, pool: Pool) -> None:
    pipeline = await asyncpg.connect(database)
    async with asyncio.TaskGroup() as group:
        settling = pipeline.transaction()
        await settling.start()
        await pipeline.execute("update media set state = 'ready'")
        making = group.create_task(made(pool, new()))
        await until_waiting(pool)
        await settling.commit()
    await settle(pool, [PICTURE])
    [shown] = await seen(pool, BEN, making.result())
    assert (shown.state, await moves(pool)) == (UNSET, ["published"])
    await pipeline.close()


async def test_a_picture_that_becomes_ready_once_its_post_is_made_finds_it(database: str, pool: Pool) -> None:
    maker = await asyncpg.connect(database)
    making = maker.transaction()
    await making.start()
    [(_, id, *_)] = await maker.fetch(MAKE, int(ADA), "a", b"", [int(PICTURE)], None, None, [], [], [])
    assert await maker.fetchval(PUBLISH, id, "processing") == 0
    async with asyncio.TaskGroup() as group:
        group.create_task(pool.execute("update media set state = 'ready'"))
        await until_waiting(pool)
        assert await moves(pool) == []
        await making.commit()
    for _ in range(2):
        await settle(pool, [PICTURE])
        assert await moves(pool) == ["published"]
    await maker.close()


async def test_two_pictures_that_become_ready_at_once_publish_their_post_once(pool: Pool) -> None:
    await put(pool, "8", "processing")
    id = await made(pool, new("7", "8"))
    await pool.execute("update media set state = 'ready'")
    await asyncio.gather(*(settle(pool, [MediaId(one)]) for one in ("7", "8", "7", "8")))
    assert await moves(pool) == ["published"]
    assert (await seen(pool, BEN, id))[0].state is UNSET


async def test_an_edit_that_is_under_way_as_a_post_is_published_is_what_is_told(database: str, pool: Pool) -> None:
    """Who is mentioned is read once the edit is there."""
    id = await made(pool, new(caption="@ada"))
    editor = await asyncpg.connect(database)
    editing = editor.transaction()
    await editing.start()
    await editor.execute("select from post where id = $1 for no key update", int(id))
    await editor.execute("insert into post_person values ($1, 'mention', $2)", int(id), int(BEN))
    await pool.execute("update media set state = 'ready'")
    async with asyncio.TaskGroup() as group:
        group.create_task(settle(pool, [PICTURE]))
        await until_waiting(pool)
        await editing.commit()
    assert [(one.kind, one.recipient) for one in await told(pool)] == [("mention", BEN)]
    await editor.close()


async def test_of_many_requests_with_one_cid_one_makes_the_post(pool: Pool) -> None:
    results = await asyncio.gather(*(make(pool, ADA, new()) for _ in range(6)))
    assert len({one.id for one in results if isinstance(one, Made)}) == 1
    assert sorted(one.again for one in results if isinstance(one, Made)) == [False] + 5 * [True]
    assert await pool.fetchval("select count(*) from post_media") == 1


async def test_a_retry_that_began_before_the_first_was_committed_is_told_of_it_whatever_its_picture_is_now(
    database: str, pool: Pool
) -> None:
    first = await asyncpg.connect(database)
    making = first.transaction()
    await making.start()
    [(_, id, *_)] = await first.fetch(MAKE, int(ADA), "a", new().digest(), [int(PICTURE)], None, None, [], [], [])
    await first.execute("update media set state = 'rejected'")
    async with asyncio.TaskGroup() as group:
        retry = group.create_task(make(pool, ADA, new()))
        await until_waiting(pool)
        await making.commit()
    assert retry.result() == Made(PostId(str(id)), new().digest(), again=True)
    await first.close()


async def test_what_is_killed_before_its_commit_was_never_made(database: str, pool: Pool) -> None:
    await pool.execute("update media set state = 'ready'")
    holder = await asyncpg.connect(database)
    holding = holder.transaction()
    await holding.start()
    # What counts it is held up after the post was written and before anything is committed.
    await holder.execute("lock table tally_change in exclusive mode")
    making = asyncio.create_task(make(pool, ADA, new()))
    await until_waiting(pool)
    await holder.execute(
        "select pg_terminate_backend(l.pid) from pg_locks l where not granted and l.pid <> pg_backend_pid()"
    )
    with pytest.raises(UnavailableError):
        await making
    await holding.rollback()
    assert await pool.fetchval("select count(*) from post") == 0
    again = await make(pool, ADA, new())
    assert isinstance(again, Made)
    assert (again.again, await moves(pool)) == (False, ["published"])
    await holder.close()


async def test_the_event_of_a_picture_that_nobody_handled_publishes_the_post_when_it_is_handled(pool: Pool) -> None:
    """The node is killed after the picture was settled: its event comes again."""
    id = await made(pool, new())
    await pool.execute("update media set state = 'ready'")
    assert await seen(pool, BEN, id) == []
    await settle(pool, [PICTURE])
    assert len(await seen(pool, BEN, id)) == 1


async def test_a_deleted_post_is_not_published_by_what_comes_after(pool: Pool) -> None:
    id = await made(pool, new())
    assert await delete(pool, ADA, id) == "done"
    await pool.execute("update media set state = 'ready'")
    await settle(pool, [PICTURE])
    assert (await seen(pool, ADA, id), await moves(pool)) == ([], [])


async def test_an_edit_of_what_is_archived_is_told_when_it_is_shown_again(pool: Pool) -> None:
    await put(pool, "8")
    id = await made(pool, new("8"))
    captions = [PostPatch(caption=caption) for caption in ("@ben", "nobody", "@ben")]
    for patch in (PostPatch(archived=True), *captions, PostPatch(archived=False)):
        assert await change(pool, ADA, id, patch) == "done"
    assert [(one.recipient, one.undone) for one in await told(pool)] == [(BEN, False)]
    assert await change(pool, BEN, id, PostPatch(caption="mine")) == "absent"


async def test_who_takes_their_tag_off_a_post_is_told_of_it_no_more_and_stays_untagged(pool: Pool) -> None:
    await put(pool, "8")
    id = await made(pool, new("8", tags=[BEN]))
    assert [post.tags for post in await seen(pool, ADA, id)] == [(BEN,)]
    await untag(pool, ADA, id)
    await untag(pool, BEN, id)
    await untag(pool, BEN, id)
    assert [post.tags for post in await seen(pool, ADA, id)] == [UNSET]
    for archived in (True, False):
        assert await change(pool, ADA, id, PostPatch(archived=archived)) == "done"
    assert [(one.kind, one.recipient, one.undone) for one in await told(pool)] == [
        ("tag", BEN, False),
        ("tag", BEN, True),
    ]


async def test_a_tag_is_taken_off_only_by_who_may_see_the_post(pool: Pool) -> None:
    await put(pool, "8")
    id = await made(pool, new("8", tags=[BEN]))
    assert await change(pool, ADA, id, PostPatch(archived=True)) == "done"
    await untag(pool, BEN, id)
    assert [post.tags for post in await seen(pool, ADA, id)] == [(BEN,)]


@pytest.mark.parametrize(("one", "other"), [(ADA, BEN), (BEN, ADA)])
async def test_a_tag_of_somebody_who_blocks_the_author_or_is_blocked_by_them_is_shown_to_nobody(
    pool: Pool, one: UserId, other: UserId
) -> None:
    """Who is tagged cannot take it off any more: they do not see the post."""
    await put(pool, "8")
    cyd = UserId("3072")
    await pool.execute("insert into account (id, username) values (3072, 'cyd')")
    id = await made(pool, new("8", tags=[BEN, cyd]))
    await pool.execute("insert into relation (user_id, kind, target) values ($1, 'block', $2)", int(one), int(other))
    assert [post.tags for viewer in (ADA, cyd) for post in await seen(pool, viewer, id)] == [(cyd,)] * 2


async def test_what_is_left_of_a_deleted_post_is_cleared_away_in_parts(pool: Pool) -> None:
    await put(pool, "8")
    await put(pool, "9")
    id, other = await made(pool, new("8", "9", caption="#sea @ben")), await made(pool, new("9", cid="b"))
    await mark(pool, "like", [(BEN, id)])
    await mark(pool, "save", [(BEN, id)])
    thread = await comment(pool, BEN, id, NewComment("c", "nice"))
    assert thread
    await comment(pool, ADA, id, NewComment("d", "thanks", thread.comment.id))
    await fold(pool)
    await delete(pool, ADA, id)
    before = len(await told(pool))
    assert not await clear(pool)
    parts = 0
    while await clear(pool, 0):
        parts += 1
        # The pipeline has removed the objects of what was given up.
        await pool.execute("update media set due_at = null where state = 'rejected'")
        assert parts < 10
    for table in ("post_like", "post_save", "post_hashtag", "post_person", "tally"):
        column = "thing" if table == "tally" else "post"
        assert await pool.fetchval(f"select count(*) from {table} where {column} = $1", int(id)) == 0, table
    assert await pool.fetchval("select count(*) from comment where text is not null") == 0
    assert [row[0] for row in await pool.fetch("select id from media order by id")] == [7, 9]
    undone = {(one.kind, one.actor, one.recipient) for one in (await told(pool))[before:] if one.undone}
    assert undone == {("like", BEN, ADA), ("comment", BEN, ADA), ("reply", ADA, BEN)}
    again = await make(pool, ADA, new("8", "9", caption="#sea @ben"))
    assert again == Made(id, new("8", "9", caption="#sea @ben").digest(), again=True, gone=True)
    [shown] = await seen(pool, BEN, other)
    assert [one.id for one in shown.media] == ["9"]


async def test_a_picture_that_a_new_post_takes_while_the_old_one_is_cleared_is_kept(database: str, pool: Pool) -> None:
    await put(pool, "8")
    await delete(pool, ADA, await made(pool, new("8")))
    maker = await asyncpg.connect(database)
    making = maker.transaction()
    await making.start()
    [(what, *_)] = await maker.fetch(MAKE, int(ADA), "b", b"", [8], None, None, [], [], [])
    async with asyncio.TaskGroup() as group:
        clearing = group.create_task(clear(pool, 0))
        await until_waiting(pool)
        await making.commit()
    assert (what, clearing.result()) == ("made", True)
    assert await pool.fetchval("select state from media where id = 8") == "ready"
    await maker.close()


async def test_a_picture_that_was_given_up_makes_no_post(pool: Pool) -> None:
    await put(pool, "8")
    await delete(pool, ADA, await made(pool, new("8")))
    await clear(pool, 0)
    unfit = await make(pool, ADA, new("8", cid="b"))
    assert unfit == Unfit("rejected", "media 8 was rejected: deleted")


async def test_a_picture_of_two_posts_that_are_deleted_keeps_neither_waiting(pool: Pool) -> None:
    await put(pool, "8")
    for id in (await made(pool, new("8")), await made(pool, new("8", cid="b"))):
        await delete(pool, ADA, id)
    parts = 0
    while await clear(pool, 0):
        await pool.execute("update media set due_at = null where state = 'rejected'")
        parts += 1
        assert parts < 10
    assert await pool.fetchval("select count(*) from media where id = 8") == 0
    assert await pool.fetchval("select count(*) from post where deleted_at is not null") == 0


async def test_a_picture_that_is_in_a_story_too_stays_and_keeps_the_post_no_longer(pool: Pool) -> None:
    await put(pool, "8")
    await delete(pool, ADA, await made(pool, new("8")))
    await pool.execute(
        """insert into story (id, author, cid, digest, media, close_friends, state)
        values (5, $1, 'c', '', 8, false, 'published')""",
        int(ADA),
    )
    parts = 0
    while await clear(pool, 0):
        parts += 1
        assert parts < 10
    assert await pool.fetchval("select state from media where id = 8") == "ready"


async def test_the_post_of_somebody_else_is_not_waited_for(database: str, pool: Pool) -> None:
    id = await made(pool, new())
    holder = await asyncpg.connect(database)
    async with holder.transaction():
        await holder.execute("select from post where id = $1 for update", int(id))
        assert await delete(pool, BEN, id) == "absent"
        assert await change(pool, BEN, id, PostPatch(caption="mine")) == "absent"
    await holder.close()
