"""What pages of comments, likers and saved posts cost does not grow with what there is, and neither does a comment."""

import pytest

from persistence.engagement.clearing import ANSWERED, CLAIM, FINISH, LIKES
from persistence.engagement.counts import COUNTS, SEEN
from persistence.engagement.statements import COMMENT_LIKERS, COMMENTS, HIDE, LIKERS, MAKE, REPLIES, SAVED
from persistence.pool import Pool, fetch, open_pool
from protocol.ids import UserId
from protocol.posts import PostId
from tests.persistence.engaging import people, post
from tests.persistence.plans import plan, work

NEWEST = (2**53, 2**63 - 1)
COMMENTED = """
insert into comment (id, post, author, parent, cid, digest, text, told, mentioned, at)
select $1::bigint + n, $1, $2::bigint, case when n % 2 = 0 then $1 + 1 end, n::text, '', 'yes', '{}', '{}',
  statement_timestamp() + n * interval '1 ms' from generate_series(1, $3::int) n"""
LIKED = "insert into post_like (post, user_id) select $1::bigint, w.id from unnest($2::bigint[]) w (id)"
COMMENT_LIKED = LIKED.replace("post", "comment")
SAVES = "insert into post_save (user_id, post) select $1::bigint, w.id from unnest($2::bigint[]) w (id)"


async def fill(pool: Pool, count: int) -> tuple[UserId, PostId]:
    """Somebody who looks and has saved posts, and a post that many like and comment on."""
    ada, ben, *others = await people(pool, count + 2)
    id = await post(pool, ada)
    await fetch(pool, 5.0, COMMENTED, int(id), int(ben), count)
    await fetch(pool, 5.0, LIKED, int(id), [int(user) for user in others])
    await fetch(pool, 5.0, COMMENT_LIKED, int(id) + 1, [int(user) for user in others])
    await fetch(pool, 5.0, SAVES, int(ben), [int(await post(pool, ada)) for _ in range(count // 4)])
    return ben, id


@pytest.mark.parametrize("count", [200, 4_000])
async def test_a_page_touches_what_it_shows_and_no_more(database: str, count: int) -> None:
    async with open_pool(database, 1) as pool:
        ben, id = await fill(pool, count)
        pages = {
            "threads": (COMMENTS, (int(ben), int(id), *NEWEST, 21)),
            "answers": (REPLIES, (int(ben), int(id) + 1, 0, 0, 21)),
            "likers": (LIKERS, (int(ben), int(id), *NEWEST, 21)),
            "comment_likers": (COMMENT_LIKERS, (int(ben), int(id) + 1, *NEWEST, 21)),
            "saved": (SAVED, (int(ben), *NEWEST, 21)),
        }
        for name, (statement, arguments) in pages.items():
            await plan(pool, name, statement, *arguments)
            assert await work(pool, name, *arguments) <= 700, name


@pytest.mark.parametrize("count", [200, 4_000])
async def test_a_comment_is_made_and_deleted_at_the_same_cost_among_many(database: str, count: int) -> None:
    async with open_pool(database, 1) as pool:
        ben, id = await fill(pool, count)
        new = [int(ben), "new", int(id), int(id) + 1, "\\x00", "hello", ["nobody"]]
        await plan(pool, "make", MAKE, *new)
        assert await work(pool, "make", int(ben), "another", *new[2:]) <= 100
        await plan(pool, "hide", HIDE, int(id) + 3, 1_000)
        assert await work(pool, "hide", int(id) + 5, 1_000) <= 100


@pytest.mark.parametrize("count", [200, 4_000])
async def test_counts_and_rights_of_posts_on_screen_are_some_looks_each(database: str, count: int) -> None:
    async with open_pool(database, 1) as pool:
        ben, id = await fill(pool, count)
        await plan(pool, "counts", COUNTS, [int(id)] * 50)
        assert await work(pool, "counts", [int(id)] * 50) <= 50 * 6
        await plan(pool, "seen", SEEN, [int(ben)] * 50, [int(id)] * 50)
        assert await work(pool, "seen", [int(ben)] * 50, [int(id)] * 50) <= 50 * 6


@pytest.mark.parametrize("count", [200, 4_000])
async def test_what_is_left_of_comments_is_found_by_keys(database: str, count: int) -> None:
    async with open_pool(database, 1) as pool:
        _, id = await fill(pool, count)
        some = [int(id) + n for n in range(101, 111)]
        await fetch(pool, 5.0, "update comment set deleted_at = at where id > $1", some[0] - 1)
        await fetch(pool, 5.0, "update comment set clear_at = at where id = any($1::bigint[])", some)
        for name, statement, arguments in (
            ("claim", CLAIM, [0]),
            ("answered", ANSWERED, [some]),
            ("likes", LIKES, [some]),
            ("finish", FINISH, [some]),
        ):
            await plan(pool, name, statement, *arguments)
            assert await work(pool, name, *arguments) <= 200, name
