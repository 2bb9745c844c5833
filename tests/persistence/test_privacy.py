"""Who may see what: the one function of privacy against a plain table, for every role, thing and state."""

import itertools
from typing import get_args

import asyncpg

from persistence.feed.postgres import FeedStore
from persistence.pool import open_pool
from persistence.posts.reading import PostReader
from persistence.privacy import Kind, may_see
from protocol.ids import UserId
from tests.privacy_table import FOLLOWING, ROLES, Role, Thing, expected, things

VIEWER, AUTHOR, OTHER = 1, 2, 3


async def relate(connection: "asyncpg.Connection[asyncpg.Record]", role: Role, private: bool) -> None:
    await connection.execute("truncate follow, relation")
    await connection.execute("update account set private = $2 where id = $1", AUTHOR, private)
    if role in FOLLOWING or role == "requested":
        await connection.execute("insert into follow values ($1, $2, $3)", VIEWER, AUTHOR, role == "requested")
    kinds = {"blocked": "block", "restricted": "restrict", "close friend": "close_friend"}
    kinds["unfollowed friend"] = "close_friend"
    relations = [(VIEWER, "block", AUTHOR)] if role == "blocker" else []
    if role in kinds:
        relations.append((AUTHOR, kinds[role], VIEWER))
    relations += [(AUTHOR, "restrict", 4), (5, "block", VIEWER), (VIEWER, "block", 6)]
    # Who reads as the author is met by the same people.
    relations += [(5, "block", AUTHOR), (AUTHOR, "block", 6)] if role == "self" else []
    await connection.executemany("insert into relation values ($1, $2, $3)", relations)


WHO = {"viewer": VIEWER, "author": AUTHOR, "other": OTHER, "restricted other": 4, "other who blocks": 5}
WHO |= {"other who is blocked": 6, "deleted": OTHER}


class Maker:
    """Writes things as rows; each of them once."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self._ids = itertools.count(100)
        self.made: dict[Thing, int] = {}

    async def make(self, thing: Thing) -> int:
        if thing.kind in ("profile", "person"):
            self.made[thing] = AUTHOR
        if thing in self.made:
            return self.made[thing]
        id = self.made[thing] = next(self._ids)
        within = await self.make(thing.within) if thing.within else None
        match thing.kind:
            case "post":
                await self._insert("post", id=id, author=AUTHOR, cid=str(id), digest=b"", state=thing.state)
            case "story":
                await self._story(id, thing, id)
            case "comment":
                bare = {"cid": str(id), "digest": b"", "told": [], "mentioned": []}
                await self._insert("comment", id=id, post=within, author=WHO[thing.state], **bare)
                if thing.state == "deleted":
                    await self._connection.execute(
                        "update comment set deleted_at = statement_timestamp() where id = $1", id
                    )
            case "media":
                await self._insert("media", id=id, owner=AUTHOR, state=thing.state, bytes=1)
                if thing.within and thing.within.kind == "post":
                    await self._insert("post_media", post=within, n=id, media=id)
                elif thing.within:
                    await self._story(next(self._ids), thing.within, id)
        return id

    async def _story(self, id: int, story: Thing, media: int) -> None:
        state = "published" if story.state == "over" else story.state
        await self._insert(
            "story",
            id=id,
            author=AUTHOR,
            cid=str(id),
            digest=b"",
            media=media,
            close_friends=story.friends,
            state=state,
        )
        if state == "published":
            left = "0 seconds" if story.state == "over" else "1 hour"
            await self._connection.execute(
                f"""update story set posted_at = statement_timestamp() + interval '{left}' - interval '24 hours',
                expires_at = statement_timestamp() + interval '{left}' where id = $1""",
                id,
            )

    async def _insert(self, table: str, **row: object) -> None:
        places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        await self._connection.execute(f"insert into {table} ({', '.join(row)}) values ({places})", *row.values())


async def test_every_role_sees_of_every_thing_what_the_table_says(module_database: str) -> None:
    connection = await asyncpg.connect(module_database)
    await connection.execute("insert into account (id, username) select n, 'p' || n from generate_series(1, 6) n")
    maker = Maker(connection)
    everything = list(things())
    for thing in everything:
        await maker.make(thing)
    wrong = []
    async with open_pool(module_database, 1) as pool:
        for role, private in itertools.product(ROLES, (False, True)):
            await relate(connection, role, private)
            viewer = str(AUTHOR if role == "self" else VIEWER)
            for kind in get_args(Kind):
                asked = {thing: str(maker.made[thing]) for thing in everything if thing.kind == kind}
                seen = await may_see(pool, viewer, kind, list(asked.values()))
                wrong += [
                    (role, private, thing, id in seen)
                    for thing, id in asked.items()
                    if (id in seen) != expected(role, private, thing)
                ]
    await connection.close()
    assert wrong == []


async def test_whoever_is_told_of_a_post_is_a_follower_who_may_see_it_for_every_role_and_state(database: str) -> None:
    """Followers are looked at as sets there: what comes out is what the one function says of each."""
    connection = await asyncpg.connect(database)
    await connection.execute("insert into account (id, username) select n, 'p' || n from generate_series(1, 6) n")
    maker, posts = Maker(connection), [thing for thing in things() if thing.kind == "post"]
    ids = {post: await maker.make(post) for post in posts}
    wrong = []
    async with open_pool(database, 1) as pool:
        store = FeedStore(pool, PostReader(pool, lambda viewer, media: media))
        for role, private in itertools.product(ROLES, (False, True)):
            await relate(connection, role, private)
            await connection.execute("insert into follow values ($1, $2)", OTHER, AUTHOR)
            viewer = AUTHOR if role == "self" else VIEWER
            for post, id in ids.items():
                seen = await may_see(pool, str(viewer), "post", [str(id)])
                _, told = await store.audience(id, UserId(str(AUTHOR)), [viewer, OTHER])
                due = {viewer} if seen and role in FOLLOWING else set()
                due |= {OTHER} if post.state == "published" else set()
                wrong += [(role, private, post, told)] if told != due else []
        assert await store.audience(7, UserId(str(AUTHOR)), [OTHER]) == ({OTHER}, set())
    await connection.close()
    assert wrong == []


async def test_nothing_is_seen_of_what_does_not_exist(module_database: str) -> None:
    async with open_pool(module_database, 1) as pool:
        for kind in get_args(Kind):
            assert await may_see(pool, "1", kind, ["7", "8"]) == frozenset()
            assert await may_see(pool, "1", kind, []) == frozenset()
