"""What a reader keeps of posts is what another one would read anew, whatever was done to them meanwhile."""

from collections.abc import AsyncIterator
from random import Random

import pytest

from persistence.engagement.marks import mark
from persistence.pool import Pool, open_pool
from persistence.posts import reading
from persistence.posts.changing import change, delete
from persistence.posts.making import Made, make, settle
from persistence.posts.reading import READ, PostReader
from persistence.tallies.folding import fold
from protocol.codec import JSON
from protocol.ids import UserId
from protocol.media import MediaId
from protocol.posting import NewPost, PostPatch
from protocol.posts import PostId
from tests.pictures import brought

ADA, BEN, CYD = UserId("1024"), UserId("2048"), UserId("3072")
POSTS, STEPS = 4, 60


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    async with open_pool(database, 2) as pool:
        await pool.execute("insert into account (id, username) values (1024, 'ada'), (2048, 'ben'), (3072, 'cyd')")
        yield pool


def reader(pool: Pool) -> PostReader:
    return PostReader(pool, lambda viewer, media: f"{media} for {viewer}")


async def published(pool: Pool, count: int) -> list[PostId]:
    found = []
    for number in range(count):
        pictures = [await brought(pool, ADA) for _ in range(number % 3 + 1)]
        made = await make(pool, ADA, NewPost(str(number), pictures, caption=f"{number}", tags=[CYD]))
        assert isinstance(made, Made)
        found.append(made.id)
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_pages_of_kept_posts_are_those_that_are_read_anew(
    pool: Pool, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when fewer are kept than there are."""
    monkeypatch.setattr(reading, "KEPT_BYTES", (POSTS - seed) * 1_200)
    random, keeping, posts = Random(seed), reader(pool), await published(pool, POSTS)
    kinds = ["edit", "rename", "block", "unblock", "like", "unlike", "archive", "show", "delete"]
    for step in range(STEPS):
        post = random.choice(posts)
        match random.choices(kinds, [6, 3, 1, 1, 3, 3, 3, 6, 0.3])[0]:
            case "edit":
                await change(pool, ADA, post, PostPatch(caption=f"said {step}", place=f"place {step}"))
            case "rename":
                await pool.execute("update account set name = $1 where id = 1024", f"Ada {step}")
            case "block":
                await pool.execute("insert into relation (user_id, kind, target) values (3072, 'block', 2048)"
                                   " on conflict do nothing")  # fmt: skip
            case "unblock":
                await pool.execute("delete from relation")
            case "like" | "unlike" as deed:
                await mark(pool, deed, [(BEN, post)])
                await fold(pool)
            case "archive" | "show" as deed:
                await change(pool, ADA, post, PostPatch(archived=deed == "archive"))
            case _:
                await delete(pool, ADA, post)
        for viewer in (BEN, ADA):
            assert await keeping.read(viewer, posts) == await reader(pool).read(viewer, posts)


async def test_what_is_known_is_not_read_again(pool: Pool) -> None:
    keeping, posts = reader(pool), await published(pool, 3)
    await keeping.read(BEN, posts[:2])
    asked = keeping.ask(list(map(int, posts)))
    rows = await pool.fetch(READ, int(BEN), *asked.arguments)
    assert [row["caption"] for row in rows] == [None, None, "2"]


async def test_a_post_whose_pictures_come_one_by_one_is_kept_once_it_is_published(pool: Pool) -> None:
    keeping, pictures = reader(pool), [await brought(pool, ADA, "processing") for _ in range(2)]
    made = await make(pool, ADA, NewPost("a", pictures))
    assert isinstance(made, Made)
    shown = list[list[MediaId]]()
    for picture in pictures:
        await pool.execute("update media set state = 'ready' where id = $1", int(picture))
        await settle(pool, [picture])
        [post] = await keeping.read(ADA, [made.id])
        shown.append([one.id for one in post.media])
    assert shown == [pictures[:1], pictures]


async def test_what_is_kept_takes_so_much_memory_and_no_more_however_long_captions_are(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "KEPT_BYTES", 25_000)
    keeping, posts = reader(pool), await published(pool, 3)
    await keeping.read(BEN, posts)
    assert len(keeping.ask(list(map(int, posts))).known) == 3
    for post in posts:
        await change(pool, ADA, post, PostPatch(caption="\N{GRINNING FACE}" * 2_200))
    await keeping.read(BEN, posts)
    known = keeping.ask(list(map(int, posts))).known
    assert (list(known), len(known[int(posts[2])].caption or "")) == ([int(posts[2])], 2_200)


async def test_what_is_kept_is_bounded_also_after_captions_that_were_sent_have_changed_many_times(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that was encoded takes more than before."""
    monkeypatch.setattr(reading, "KEPT_BYTES", 9_000)
    keeping, posts = reader(pool), await published(pool, 8)
    for number in range(10):
        await change(pool, ADA, posts[0], PostPatch(caption="\N{CJK UNIFIED IDEOGRAPH-4E00}" * 1_000 + str(number)))
        for post in await keeping.read(BEN, posts[:1]):
            JSON.encode(post)
    await keeping.read(BEN, posts)
    assert len(keeping.ask(list(map(int, posts))).known) < len(posts)
