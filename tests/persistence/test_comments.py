"""Comments: made once, told to whom they concern, counted while they exist, hidden with their thread."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from msgspec import UNSET

from persistence.engagement import comments
from persistence.engagement.clearing import EDGES, clear
from persistence.engagement.comments import Made, delete, get, make
from persistence.engagement.lists import comment_likers, likers, replies, saved, threads
from persistence.engagement.marks import mark
from persistence.engagement.statements import HIDE
from persistence.pool import Pool, fetch, open_pool
from persistence.tallies.folding import fold
from protocol.engagement import CommentId, NewComment
from protocol.ids import UserId
from protocol.posts import PostId
from tests.persistence.engaging import counted, people, post, relate, told
from tests.persistence.locks import until_waiting

FOLLOW = "insert into follow (follower, followee, requested) values ($1, $2, false)"
ANSWERS = """
insert into comment (id, post, author, parent, cid, digest, text, told, mentioned)
select $1::bigint + n, $2, $3, $1, 'x' || n, '', 'so', '{}', '{}' from generate_series(1, $4::int) n"""
COUNTED = "insert into tally_change (thing, kind, change) values ($1::bigint, 'comments', $2::int)"


@pytest.fixture
async def pool(module_database: str) -> AsyncIterator[Pool]:
    async with open_pool(module_database, 4) as pool:
        await told(pool)
        yield pool


async def say(
    pool: Pool, user: UserId, id: PostId, text: str = "yes", cid: str = "cid", parent: Made | None = None
) -> Made:
    new = NewComment(cid, text) if parent is None else NewComment(cid, text, parent.comment.id)
    made = await make(pool, user, id, new)
    assert made is not None
    return made


async def heard(pool: Pool) -> list[tuple[str, str, str, bool]]:
    """Kind, recipient, deed and whether it was taken back."""
    return sorted((one.kind, one.recipient, one.deed, one.undone) for one in await told(pool))


async def test_a_comment_is_made_once_however_often_it_is_sent(pool: Pool) -> None:
    ada, ben = await people(pool, 2)
    id = await post(pool, ada)
    made = await asyncio.gather(*(say(pool, ben, id) for _ in range(6)))
    assert len({one.comment.id for one in made}) == 1
    assert [one.again for one in made].count(False) == 1
    assert await heard(pool) == [("comment", ada, made[0].comment.id, False)]
    assert (await counted(pool, id)).comments == 1
    assert made[0].digest == NewComment("cid", "yes").digest(id) != NewComment("cid", "no").digest(id)


async def test_a_repeat_is_answered_where_a_new_comment_would_be_refused(pool: Pool) -> None:
    ada, ben = await people(pool, 2)
    id = await post(pool, ada)
    first = await say(pool, ben, id)
    await relate(pool, ada, "block", ben)
    assert (await say(pool, ben, id)).comment.id == first.comment.id
    assert await make(pool, ben, id, NewComment("another", "yes")) is None
    assert await make(pool, ben, PostId("99"), NewComment("another", "yes")) is None


async def test_answers_stand_in_one_thread_and_are_told_to_whom_they_answer(pool: Pool) -> None:
    ada, ben, eve, max_ = await people(pool, 4)
    id = await post(pool, ada)
    first = await say(pool, ben, id)
    answer = await say(pool, eve, id, parent=first)
    second = await say(pool, max_, id, parent=answer)
    assert answer.comment.parent == second.comment.parent == first.comment.id
    shown = [(one.id, one.comments) for one in (await threads(pool, ada, id, None, 10)).items]  # type: ignore[union-attr]
    assert shown == [(first.comment.id, 2)]
    assert await heard(pool) == sorted(
        [
            ("comment", ada, first.comment.id, False),
            ("comment", ada, answer.comment.id, False),
            ("reply", ben, answer.comment.id, False),
            ("comment", ada, second.comment.id, False),
            ("reply", eve, second.comment.id, False),
        ]
    )
    assert await make(pool, eve, await post(pool, ada), NewComment("x", "yes", first.comment.id)) is None


async def test_up_to_ten_people_are_mentioned_who_may_see_it_and_are_not_told_of_it_anyway(pool: Pool) -> None:
    ada, ben, eve, max_, *others = await people(pool, 16)
    id = await post(pool, ada)
    await relate(pool, ada, "block", eve)
    await relate(pool, max_, "block", ben)
    names = " ".join(f"@U{user}" for user in (ada, ben, eve, max_, *others))
    made = await say(pool, ben, id, f"@nobody {names}")
    mentioned = [recipient for kind, recipient, _, _ in await heard(pool) if kind == "mention"]
    assert mentioned == sorted(others[:5])
    assert made.comment.text == f"@nobody {names}"


async def test_who_is_restricted_is_heard_by_those_two_alone(pool: Pool) -> None:
    ada, ben, eve = await people(pool, 3)
    id = await post(pool, ada)
    await relate(pool, ada, "restrict", ben)
    made = await say(pool, ben, id)
    for viewer, count in ((ada, 1), (ben, 1), (eve, 0)):
        page = await threads(pool, viewer, id, None, 10)
        assert page is not None
        assert len(page.items) == count
    assert await make(pool, eve, id, NewComment("x", "what?", made.comment.id)) is None
    assert await delete(pool, eve, made.comment.id) == "absent"


async def test_a_thread_goes_with_its_first_comment_and_all_that_was_told_is_taken_back(pool: Pool) -> None:
    ada, ben, eve = await people(pool, 3)
    id = await post(pool, ada)
    first = await say(pool, ben, id, f"@u{eve}")
    answer = await say(pool, eve, id, parent=first)
    other = await say(pool, eve, id, cid="other")
    said = await heard(pool)
    assert (await counted(pool, id)).comments == 3
    assert await delete(pool, eve, first.comment.id) == "forbidden"
    assert await delete(pool, ben, first.comment.id) == "deleted"
    assert await delete(pool, ben, first.comment.id) == "deleted"
    kept = [(kind, to, deed, True) for kind, to, deed, _ in said if deed != other.comment.id]
    assert await heard(pool) == kept
    counts = await counted(pool, id)
    assert counts.comments == counts.remarks == 1
    assert await replies(pool, ada, first.comment.id, None, 10) is None
    assert await make(pool, eve, id, NewComment("late", "yes", answer.comment.id)) is None
    again = await say(pool, ben, id, f"@u{eve}")
    assert (again.again, again.comment.id, again.comment.text) == (True, first.comment.id, UNSET)


async def test_the_posts_author_deletes_any_comment_of_it(pool: Pool) -> None:
    ada, ben = await people(pool, 2)
    id = await post(pool, ada)
    made = await say(pool, ben, id)
    assert await delete(pool, ada, made.comment.id) == "deleted"
    assert await delete(pool, ada, CommentId("99")) == "absent"


async def test_an_answer_that_is_being_written_goes_with_the_thread_or_is_not_made(
    pool: Pool, module_database: str
) -> None:
    ada, ben = await people(pool, 2)
    id = await post(pool, ada)
    first = await say(pool, ben, id)
    slow = await asyncpg.connect(module_database)
    async with slow.transaction():
        await slow.execute("select from comment where id = $1 for share", int(first.comment.id))
        deleting = asyncio.create_task(delete(pool, ben, first.comment.id))
        await slow.execute(
            """insert into comment (id, post, author, parent, cid, digest, text, told, mentioned)
            select $1::bigint, post, author, id, 'slow', '', 'yes', '{}', '{}' from comment where id = $2""",
            int(first.comment.id) + 1,
            int(first.comment.id),
        )
        await slow.execute("insert into tally_change (thing, kind, change) values ($1, 'comments', 1)", int(id))
    assert await deleting == "deleted"
    await slow.close()
    counts = await counted(pool, id)
    assert counts.comments == counts.remarks == 0


async def test_a_repeat_that_waits_while_its_thread_is_deleted_is_answered_with_the_first(
    pool: Pool, module_database: str
) -> None:
    ada, ben = await people(pool, 2)
    id = await post(pool, ada)
    thread = await say(pool, ada, id)
    answer = NewComment("cid", "yes", thread.comment.id)
    slow = await asyncpg.connect(module_database)
    async with slow.transaction():
        await slow.execute("select from comment where id = $1 for update", int(thread.comment.id))
        again = asyncio.create_task(make(pool, ben, id, answer))
        await until_waiting(pool)
        await slow.execute(
            """insert into comment (id, post, author, parent, cid, digest, text, told, mentioned)
            select $1::bigint + 1, post, $2, id, 'cid', $3, 'yes', '{}', '{}' from comment where id = $1""",
            int(thread.comment.id),
            int(ben),
            answer.digest(id),
        )
        await slow.execute(HIDE, int(thread.comment.id), 100)
    await slow.close()
    made = await again
    assert made is not None
    assert (made.again, made.digest) == (True, answer.digest(id))


async def test_pages_follow_each_other_without_a_gap_or_a_repeat(pool: Pool) -> None:
    ada, ben, *others = await people(pool, 9)
    id = await post(pool, ada)
    made = [await say(pool, ben, id, cid=f"{n}") for n in range(7)]
    found, before = list[str](), None
    for _ in range(4):
        page = await threads(pool, ada, id, before, 2)
        assert page is not None
        found += [one.id for one in page.items]
        before = str(page.next)
    assert found == [one.comment.id for one in reversed(made)]
    answers = [await say(pool, user, id, parent=made[0]) for user in others]
    first = await replies(pool, ada, made[0].comment.id, None, 4)
    assert first is not None
    rest = await replies(pool, ada, made[0].comment.id, str(first.next), 4)
    assert rest is not None
    assert [one.id for one in first.items + rest.items] == [one.comment.id for one in answers]


async def test_pages_of_likers_and_of_what_is_saved_have_everything_once_also_what_came_at_one_moment(
    pool: Pool,
) -> None:
    ada, *others = await people(pool, 8)
    made = [await post(pool, ada) for _ in range(7)]
    for at_once in (slice(0, 1), slice(1, 5), slice(5, 7)):
        await mark(pool, "like", [(user, made[0]) for user in others[at_once]])
        await mark(pool, "save", [(ada, id) for id in made[at_once]])
    people_found, found = list[UserId](), list[PostId]()
    before, earlier = None, None
    for size in (2, 2, 2, 1):
        page = await likers(pool, ada, made[0], before, 2)
        posts, following = await saved(pool, ada, earlier, 2)
        assert page is not None
        assert len(page.items) == len(posts) == size
        people_found += [person.user for person in page.items]
        found += posts
        left = page.next, following
        before, earlier = map(str, left)
    assert left == (UNSET, UNSET)
    assert people_found == others[::-1]
    assert found == made[::-1]


async def test_likers_and_what_is_saved_are_those_that_may_be_seen(pool: Pool) -> None:
    ada, ben, eve = await people(pool, 3)
    one, other = await post(pool, ada), await post(pool, eve)
    for user in (ben, eve):
        await mark(pool, "like", [(user, one)])
    for id in (one, other):
        await mark(pool, "save", [(ben, id)])
    assert [person.user for person in (await likers(pool, ada, one, None, 5)).items] == [eve, ben]  # type: ignore[union-attr]
    assert (await saved(pool, ben, None, 5))[0] == [other, one]
    await relate(pool, eve, "block", ben)
    assert [person.user for person in (await likers(pool, ben, one, None, 5)).items] == [ben]  # type: ignore[union-attr]
    assert (await saved(pool, ben, None, 5))[0] == [one]
    assert await likers(pool, ben, other, None, 5) is None


async def test_a_comment_and_who_likes_it_are_read_by_whoever_may_see_it(pool: Pool) -> None:
    ada, ben, eve, fay = await people(pool, 4)
    made = (await say(pool, ben, await post(pool, ada))).comment
    for user in (eve, fay):
        await mark(pool, "like_comment", [(user, made.id)])
    assert sorted((one.kind, one.actor) for one in await told(pool)) == [
        ("comment", ben),
        *[("comment_like", user) for user in (eve, fay)],
    ]
    found = await get(pool, eve, made.id)
    assert found is not None
    assert (found.post, found.text, found.likes, found.liked) == (made.post, "yes", 2, True)
    first = await comment_likers(pool, ada, made.id, None, 1)
    assert first is not None
    rest = await comment_likers(pool, ada, made.id, str(first.next), 1)
    assert rest is not None
    assert [one.user for one in first.items + rest.items] == [fay, eve]
    await relate(pool, ada, "restrict", ben)
    assert await get(pool, eve, made.id) is None
    assert await comment_likers(pool, eve, made.id, None, 5) is None
    assert await get(pool, ada, CommentId("99")) is None


async def test_what_is_told_is_read_as_an_activity_whatever_is_in_the_text(pool: Pool) -> None:
    ada, ben = await people(pool, 2)
    id = await post(pool, ada)
    text = "😀é\u2028\\'" * 60
    made = await say(pool, ben, id, text)
    [activity] = await told(pool)
    assert (activity.text, activity.deed) == (text[:200], made.comment.id)
    at = (await fetch(pool, 2.0, "select extract(epoch from at) * 1000 as at from comment where post = $1", int(id)))[0]
    assert abs(activity.at - float(at["at"])) < 1


async def test_whom_the_author_of_the_post_restricts_is_heard_by_that_author_alone(pool: Pool) -> None:
    ada, ben, eve, fay = await people(pool, 4)
    id = await post(pool, ada)
    thread = await say(pool, ben, id)
    await relate(pool, ada, "restrict", eve)
    await told(pool)
    answer = await say(pool, eve, id, f"you, @u{fay}", parent=thread)
    assert await heard(pool) == [("comment", ada, answer.comment.id, False)]
    assert await delete(pool, eve, answer.comment.id) == "deleted"
    assert await heard(pool) == [("comment", ada, answer.comment.id, True)]


async def test_who_began_a_thread_and_may_not_see_the_post_any_more_is_told_of_no_answer(pool: Pool) -> None:
    ada, ben, eve, fay = await people(pool, 4)
    id = await post(pool, ada)
    thread = await say(pool, ben, id)
    answer = await say(pool, fay, id, parent=thread)
    await fetch(pool, 2.0, "update account set private = true where id = $1", int(ada))
    await fetch(pool, 2.0, FOLLOW, int(eve), int(ada))
    await told(pool)
    await say(pool, eve, id, parent=thread)
    await relate(pool, ben, "block", fay)
    await fetch(pool, 2.0, "update account set private = false where id = $1", int(ada))
    # Not to the one whose thread it is, but to the one who is answered there, who hides nothing.
    await say(pool, fay, id, cid="more", parent=answer)
    assert {one.recipient for one in await told(pool)} == {ada}


async def test_what_is_not_seen_is_not_waited_for(module_database: str, pool: Pool) -> None:
    ada, ben, eve = await people(pool, 3)
    id = await post(pool, ada)
    hidden = await say(pool, ben, id)
    await relate(pool, ada, "block", eve)
    holder = await asyncpg.connect(module_database)
    async with holder.transaction():
        await holder.execute("select from comment where id = $1 for update", int(hidden.comment.id))
        assert await delete(pool, eve, hidden.comment.id) == "absent"
    await holder.close()


async def test_likes_of_a_deleted_comment_are_taken_back(pool: Pool) -> None:
    ada, ben, eve = await people(pool, 3)
    id = await post(pool, ada)
    thread = await say(pool, ben, id)
    answer = await say(pool, eve, id, parent=thread)
    await mark(pool, "like_comment", [(ada, thread.comment.id), (ben, thread.comment.id), (ada, answer.comment.id)])
    await fold(pool)
    while await clear(pool, 0):
        pass
    assert await delete(pool, ben, thread.comment.id) == "deleted"
    assert not await clear(pool)
    await told(pool)
    while await clear(pool, 0):
        pass
    undone = sorted((one.kind, one.actor, one.recipient, one.target, one.undone) for one in await told(pool))
    liked = [("comment_like", ada, user, one.comment.id, True) for user, one in ((ben, thread), (eve, answer))]
    assert undone == sorted(liked)
    for one in (thread, answer):
        await fold(pool)
        left = await counted(pool, one.comment.id)
        assert (left.edges, left.likes) == (0, 0)
    left_of = await fetch(pool, 2.0, "select clear_at from comment where post = $1", int(id))
    assert [row["clear_at"] for row in left_of] == [None] * 2


async def test_a_thread_whose_deletion_broke_off_is_hidden_and_counted_in_the_end(pool: Pool) -> None:
    ada, ben = await people(pool, 2)
    id = await post(pool, ada)
    thread = await say(pool, ben, id)
    await fetch(pool, 2.0, ANSWERS, int(thread.comment.id), int(id), int(ben), EDGES)
    await say(pool, ada, id, parent=thread)
    await fetch(pool, 2.0, COUNTED, int(id), EDGES)
    assert (await counted(pool, id)).comments == EDGES + 2
    # As it is when the node ends after the first of the statements.
    await fetch(pool, 2.0, HIDE, int(thread.comment.id), 100)
    parts = 0
    while await clear(pool, 0):
        parts += 1
    assert parts >= 2
    left = await counted(pool, id)
    assert (left.comments, left.remarks) == (0, 0)


async def test_an_answer_that_is_deleted_while_its_thread_is_counts_once_and_is_taken_back_once(
    pool: Pool, module_database: str
) -> None:
    ada, ben, cyd = await people(pool, 3)
    id = await post(pool, ada)
    thread = await say(pool, ben, id)
    answer = await say(pool, cyd, id, parent=thread)
    await told(pool)
    slow = await asyncpg.connect(module_database)
    async with slow.transaction():
        await slow.execute(HIDE, int(answer.comment.id), 100)
        deleting = asyncio.create_task(delete(pool, ben, thread.comment.id))
        await until_waiting(pool)
    await slow.close()
    assert await deleting == "deleted"
    counts = await counted(pool, id)
    assert counts.comments == counts.remarks == 0
    deed = answer.comment.id
    assert await heard(pool) == [
        ("comment", ada, thread.comment.id, True),
        ("comment", ada, deed, True),
        ("reply", ben, deed, True),
    ]


async def test_a_thread_goes_whole_though_one_of_its_many_answers_is_deleted_meanwhile(
    pool: Pool, module_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comments, "AT_ONCE", 2)
    ada, ben, cyd = await people(pool, 3)
    id = await post(pool, ada)
    thread = await say(pool, ben, id)
    answers = [await say(pool, cyd, id, cid=str(n), parent=thread) for n in range(5)]
    slow = await asyncpg.connect(module_database)
    async with slow.transaction():
        await slow.execute(HIDE, int(answers[0].comment.id), 100)
        deleting = asyncio.create_task(delete(pool, ben, thread.comment.id))
        await until_waiting(pool)
    await slow.close()
    assert await deleting == "deleted"
    left = await counted(pool, id)
    assert (left.comments, left.remarks) == (0, 0)
