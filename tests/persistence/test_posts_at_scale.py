"""Pages of posts among very many: what a page costs does not grow with how many there are of anything."""

from typing import Any

import asyncpg
import pytest

from persistence.media import unused
from persistence.pool import open_pool
from persistence.posts import clearing, statements
from persistence.posts.reading import READ
from tests.persistence.plans import plan, work

VIEWER, FRIENDS, POSTS_EACH, PAGE = 1, 200, 50, 50
SIZES = [20_000, pytest.param(500_000, marks=pytest.mark.verify)]
EACH = 40
"""Rows handled for a post with three pictures: 22; for one that is known, 15 without them."""


@pytest.mark.parametrize("likes", SIZES)
async def test_what_a_page_of_posts_costs_does_not_grow_with_what_it_does_not_show(database: str, likes: int) -> None:
    """Also by the plan that a connection made when the tables were empty, and keeps."""
    async with open_pool(database, 1) as one:
        await plan(one, "page", READ, VIEWER, [1], [0], [0])
        await fill(database, likes)
        ids = list(range(1, FRIENDS * POSTS_EACH, FRIENDS * POSTS_EACH // PAGE))[:PAGE]
        unknown = await work(one, "page", VIEWER, ids, [0] * PAGE, [0] * PAGE)
        versions = (
            "select p.xmin, a.xmin from post p join account a on a.id = p.author where p.id = any($1) order by p.id"
        )
        known = [list(column) for column in zip(*await one.fetch(versions, ids), strict=True)]
        assert PAGE < await work(one, "page", VIEWER, ids, *known) < unknown - 6 * PAGE < EACH * PAGE


ADA, CID = 2, 200
"""Somebody with posts, and one of these."""
ASKED: dict[str, tuple[str, tuple[Any, ...], int]] = {
    "open": (statements.OPEN, (VIEWER, ADA), 10),
    "published": (statements.PAGES["published"], (ADA, 2**53, 2**63 - 1, 21), 50),
    "archived": (statements.PAGES["archived"], (ADA, 2**53, 2**63 - 1, 21), 10),
    "waiting": (statements.PAGES["waiting"], (ADA, 2**53, 2**63 - 1, 21), 10),
    "awaiting": (statements.AWAITING, ([CID],), 10),
    "held": (statements.HELD, (CID,), 3),
    "made": (
        statements.MAKE,
        (ADA, "new", "", [CID, CID + FRIENDS * POSTS_EACH], "said", None, ["one", "two"], ["person5"], [6, 7]),
        90,
    ),
    "made again": (statements.MAKE, (ADA, f"cid{CID}", "", [CID], "said", None, ["one"], ["person5"], [6]), 40),
    "withdrawn": (statements.WITHDRAW, (CID, "archived"), 30),
    "published again": (statements.PUBLISH, (CID, "archived"), 50),
    "rejected": (statements.REJECT, (CID,), 10),
    "edited": (statements.EDIT, (CID, "said", None, ["one", "two"], ["person5"]), 60),
    "stub": (statements.STUB, (CID,), 5),
    "deleted": (statements.WITHDRAW, (CID, "deleted"), 30),
    "deleted otherwise": (statements.DELETE, (CID,), 5),
    "to be cleared": (clearing.CLAIM, (0,), 10),
    "likes": (clearing.LIKES, (CID, 5), 60),
    "saves": (clearing.SAVES, (CID, 5), 30),
    "comments": (clearing.COMMENTS, (CID,), 20),
    "pictures": (clearing.PICTURES, (CID,), 5),
    "pictures held": (unused.HOLD, ([CID, CID + 1, CID + 2],), 15),
    "pictures given up": (unused.GIVE_UP, ([CID, CID + 1, CID + 2], "deleted"), 60),
    "settled": (clearing.SETTLED, (CID, [CID]), 10),
    "unused": (unused.DUE, (0, 5), 20),
    "looked at": (unused.LOOKED, ([CID, CID + 1], [CID]), 12),
    "finish": (clearing.FINISH, (CID,), 40),
}


@pytest.mark.parametrize("likes", SIZES)
async def test_no_statement_about_a_post_walks_over_what_it_was_not_asked_about(database: str, likes: int) -> None:
    """Also by the plan that a connection made when the tables were empty, and keeps."""
    async with open_pool(database, 1) as one:
        for number, (statement, arguments, _) in enumerate(ASKED.values()):
            await plan(one, f"asked{number}", statement, *arguments)
        await fill(database, likes)
        costs = {
            name: await work(one, f"asked{number}", *arguments)
            for number, (name, (_, arguments, _)) in enumerate(ASKED.items())
        }
    assert {name: cost for name, cost in costs.items() if cost > ASKED[name][2]} == {}
    assert costs["published"] > 21
    assert costs["likes"] > 5


async def fill(url: str, likes: int) -> None:
    """Everybody follows the viewer and is followed; each post has three pictures, a tag and totals."""
    posts = FRIENDS * POSTS_EACH
    connection = await asyncpg.connect(url)
    for statement in (
        f"""insert into account (id, username, name, private)
        select n, 'person' || n, 'Person ' || n, n % 2 = 0 from generate_series(1, {FRIENDS + 1}) n""",
        f"insert into follow (follower, followee) select {VIEWER}, n from generate_series(2, {FRIENDS + 1}) n",
        f"insert into follow (follower, followee) select n, {VIEWER} from generate_series(2, {FRIENDS + 1}) n",
        f"""insert into relation (user_id, kind, target)
        select n, 'block', {FRIENDS} + 2 from generate_series(1, {FRIENDS + 1}) n""",
        f"""insert into post (id, author, cid, digest, state, caption, place, published_at)
        select n, 2 + n % {FRIENDS}, 'cid' || n, '', 'published', 'A caption of some length #hashtag, with ' || n,
          'Vienna', to_timestamp(n) from generate_series(1, {posts}) n""",
        f"""insert into media (id, owner, state, bytes, width, height, thumbhash, due_at)
        select n, 2 + n % {posts} % {FRIENDS}, 'ready', 1000000, 2048, 1536, '\\x00112233445566778899aabbccddeeff', null
        from generate_series(1, {3 * posts}) n""",
        f"""insert into post_media (post, n, media)
        select n, k, n + (k - 1) * {posts} from generate_series(1, {posts}) n, generate_series(1, 3) k""",
        f"insert into post_person (post, kind, user_id) select n, 'tag', {VIEWER} from generate_series(1, {posts}) n",
        f"""insert into tally (thing, kind, total)
        select n, kind, 100 from generate_series(1, {posts}) n, unnest(array['likes', 'comments', 'saves']) kind""",
        f"""insert into post_like (post, user_id) select 1 + n % {posts}, {VIEWER} + n / {posts}
        from generate_series(0, {likes - 1}) n""",
        f"""insert into post_save (user_id, post) select {VIEWER} + n / {posts}, 1 + n % {posts}
        from generate_series(0, {likes - 1}) n""",
    ):
        await connection.execute(statement)
    await connection.close()
