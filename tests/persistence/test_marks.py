"""Likes and saves: my own state is exact in every answer, what changes is counted and told once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from persistence.engagement.marks import mark
from persistence.pool import Pool, fetch, open_pool
from persistence.tallies.folding import fold
from protocol.engagement import CommentMarks, PostMarks
from protocol.ids import UserId
from tests.persistence.engaging import counted, people, post, relate, told


@pytest.fixture
async def pool(module_database: str) -> AsyncIterator[Pool]:
    async with open_pool(module_database, 4) as pool:
        await told(pool)
        yield pool


async def test_a_like_is_put_once_and_its_author_is_told_once(pool: Pool) -> None:
    ada, ben = await people(pool, 2)
    id = await post(pool, ada)
    for _ in range(2):
        assert await mark(pool, "like", [(ben, id)]) == [PostMarks(True, False, 1, 0)]
    [activity] = await told(pool)
    assert (activity.kind, activity.actor, activity.recipient, activity.target) == ("like", ben, ada, id)
    assert not activity.undone
    for _ in range(2):
        assert await mark(pool, "unlike", [(ben, id)]) == [PostMarks(False, False, 0, 0)]
    [taken_back] = await told(pool)
    assert taken_back.undone
    assert (await counted(pool, id)).likes == 0


async def test_what_one_likes_of_their_own_is_told_nobody(pool: Pool) -> None:
    [ada] = await people(pool, 1)
    id = await post(pool, ada)
    assert await mark(pool, "like", [(ada, id)]) == [PostMarks(True, False, 1, 0)]
    assert await told(pool) == []


async def test_saves_are_told_nobody_and_stand_beside_likes(pool: Pool) -> None:
    ada, ben = await people(pool, 2)
    id = await post(pool, ada)
    assert await mark(pool, "save", [(ben, id)]) == [PostMarks(False, True, 0, 0)]
    assert await told(pool) == []
    assert await mark(pool, "like", [(ben, id)]) == [PostMarks(True, True, 1, 0)]
    assert await mark(pool, "unsave", [(ben, id)]) == [PostMarks(True, False, 1, 0)]
    assert await mark(pool, "unlike", [(ben, id)]) == [PostMarks(False, False, 0, 0)]


async def test_many_at_once_are_answered_each_for_themselves(pool: Pool) -> None:
    ada, eve, *others = await people(pool, 20)
    one, other = await post(pool, ada), await post(pool, ada)
    await relate(pool, ada, "block", eve)
    await mark(pool, "save", [(others[0], one)])
    asked = [(eve, one), *((user, one) for user in others), (others[0], one), (others[1], other), (ada, "99")]
    answers = await mark(pool, "like", asked)
    assert answers[0] is answers[-1] is None
    assert answers[1] == answers[len(others) + 1] == PostMarks(True, True, len(others), 0)
    assert answers[2 : len(others) + 1] == [PostMarks(True, False, len(others), 0)] * (len(others) - 1)
    assert answers[-2] == PostMarks(True, False, 1, 0)
    assert (await counted(pool, one)).likes == len(others)


@pytest.mark.parametrize("state", ["processing", "archived", "deleted", "rejected"])
async def test_what_may_not_be_seen_is_not_liked(pool: Pool, state: str) -> None:
    ada, ben = await people(pool, 2)
    id = await post(pool, ada)
    await fetch(pool, 2.0, "update post set state = $2 where id = $1", int(id), state)
    assert await mark(pool, "like", [(ben, id)]) == [None]
    assert (await counted(pool, id)).edges == 0


async def test_a_comment_is_liked_and_its_author_told(pool: Pool) -> None:
    ada, ben, eve = await people(pool, 3)
    id = await post(pool, ada)
    statement = """insert into comment (id, post, author, cid, digest, text, told, mentioned)
      values ($1, $2, $3, 'c', '', 'yes', '{}', '{}')"""
    await fetch(pool, 2.0, statement, int(id) + 1, int(id), int(ben))
    comment = str(int(id) + 1)
    assert await mark(pool, "like_comment", [(eve, comment), (ben, comment)]) == [CommentMarks(True, 2)] * 2
    [activity] = await told(pool)
    assert (activity.actor, activity.recipient, activity.target) == (eve, ben, comment)
    assert await mark(pool, "unlike_comment", [(eve, comment)]) == [CommentMarks(False, 1)]


async def test_two_devices_of_one_person_are_told_what_stands_when_each_is_answered(pool: Pool) -> None:
    """Whatever the order in which Postgres takes them: the last answers are what is there, and the total follows."""
    ada, ben = await people(pool, 2)
    id = await post(pool, ada)
    for _ in range(20):
        liked, unliked = await asyncio.gather(mark(pool, "like", [(ben, id)]), mark(pool, "unlike", [(ben, id)]))
        assert [isinstance(answer, PostMarks) and answer.liked for answer in (*liked, *unliked)] == [True, False]
        counts = await counted(pool, id)
        assert counts.likes == counts.edges
    undone = [activity.undone for activity in await told(pool)]
    assert undone == [turn % 2 == 1 for turn in range(len(undone))]
    assert len(undone) % 2 == counts.edges


async def test_the_total_in_an_answer_is_right_before_the_fold_and_after_it(pool: Pool) -> None:
    ada, *others = await people(pool, 30)
    id = await post(pool, ada)
    for number, user in enumerate(others, 1):
        [answer] = await mark(pool, "like", [(user, id)])
        assert answer == PostMarks(True, False, number, 0)
        if number % 7 == 0:
            await fold(pool)
            assert (await counted(pool, id)).folded_likes == number


async def test_groups_that_share_edges_in_another_order_do_not_wait_for_each_other_for_ever(pool: Pool) -> None:
    ada, *others = await people(pool, 50)
    id = await post(pool, ada)
    forth: list[tuple[UserId, str]] = [(user, id) for user in others]
    for deed in ("like", "unlike") * 5:
        await asyncio.gather(*(mark(pool, deed, order) for order in (forth, forth[::-1], forth[::2], forth[::-3])))
        counts = await counted(pool, id)
        assert counts.likes == counts.edges == (len(others) if deed == "like" else 0)


@pytest.mark.parametrize("ended", ["archived", "block"])
async def test_what_is_mine_i_take_back_of_what_i_see_no_more_and_am_told_nothing_of_it(pool: Pool, ended: str) -> None:
    ada, ben, eve = await people(pool, 3)
    id = await post(pool, ada)
    await mark(pool, "like", [(ben, id)])
    await mark(pool, "save", [(ben, id)])
    if ended == "block":
        await relate(pool, ada, "block", ben)
    else:
        await fetch(pool, 2.0, "update post set state = 'archived' where id = $1", int(id))
    await told(pool)
    assert await mark(pool, "unlike", [(ben, id), (eve, id)]) == [None, *await mark(pool, "unlike", [(eve, id)])]
    assert await mark(pool, "unsave", [(ben, id)]) == [None]
    assert [(one.kind, one.actor, one.recipient, one.undone) for one in await told(pool)] == [("like", ben, ada, True)]
    assert (await counted(pool, id)).edges == (await counted(pool, id)).likes == 0
    assert await fetch(pool, 2.0, "select from post_save where post = $1", int(id)) == []
