"""Feeds in Postgres: what lists are rebuilt from, what a page is read by, and what is on its way to followers."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime

from msgspec import Struct

from persistence.feed import statements
from persistence.feed.lists import MOST, Edges, Marker, Standing
from persistence.feed.places import NEWEST, Place
from persistence.pool import Pool, fetch
from persistence.posts.reading import PostReader
from protocol.ids import UserId
from protocol.posts import Post, PostId

WITHIN_S = 2.0
CANDIDATES = 20_000
"""Posts that a rebuilding looks at, or 20 of each whom its user follows, whichever is more."""


class Followed(Struct, frozen=True):
    """Whom somebody follows, and themself, by how their posts come."""

    ordinary: list[int]
    celebrities: tuple[int, ...]
    edges: Edges


class Features(Struct, frozen=True):
    """What is known of a post, and of its author to one viewer: `affinity` is 0 for a stranger, 16 at most."""

    id: int
    author: int
    likes: int
    comments: int
    affinity: int


class Fanout(Struct, frozen=True):
    """A post on its way. `after` is the follower up to whom it has come; `told`: who is online knows already."""

    place: Place
    author: UserId
    after: tuple[datetime, int]
    claim: int
    told: bool
    caption: str | None
    width: int
    height: int
    thumbhash: bytes | None


class Followers(Struct, frozen=True):
    """A page of followers, and those of them who are to be told; `last` is where the next one begins, None: nowhere."""

    users: list[UserId]
    told: list[UserId]
    last: tuple[datetime, int] | None


class FeedStore:
    """Every method raises `UnavailableError`."""

    def __init__(self, pool: Pool, posts: PostReader) -> None:
        self._pool = pool
        self._posts = posts

    # -- reading ----------------------------------------------------------------------------------------------------

    async def standing(self, user: UserId) -> Standing:
        """What a list of the user has to heed."""
        [row] = await fetch(self._pool, WITHIN_S, statements.STANDING, int(user))
        return Standing(Edges(row[0] or 0, row[1]), row[2])

    async def followed(self, user: UserId, heard: bool = False) -> Followed:
        """Whom the user follows; with `heard`, without those whom they mute."""
        rows = await fetch(self._pool, WITHIN_S, statements.FOLLOWED, int(user), heard)
        ordinary = [row[0] for row in rows if not row[2] and not row[3]]
        newest = max(row[1] for row in rows)
        near = sum(row[1] > max(0, newest - statements.NEAR_S * 1_000_000) for row in rows)
        celebrities = tuple(row[0] for row in rows if row[2] and not row[3])
        return Followed(ordinary, celebrities, Edges(newest, min(near, statements.NEAR)))

    async def changed(self, user: UserId, version: int) -> dict[int, bool]:
        """Who became a celebrity since that version, or is none any more, of those whom the user follows."""
        return dict(map(tuple, await fetch(self._pool, WITHIN_S, statements.CHANGED, int(user), version)))

    async def candidates(self, authors: Sequence[int]) -> tuple[list[Place], bool]:
        """The newest posts of all these together, the newest first, and whether there are no others.

        Of each author so many at most that the work is bounded: of one among 7,500 the 20 newest.
        """
        found, each = await self._newest_of_all(authors, NEWEST, MOST)
        read = Counter(author for author, _ in found)
        return [place for _, place in found], len(found) < MOST and each not in read.values()

    async def older(self, authors: Sequence[int], before: Place, count: int) -> tuple[list[Place], bool]:
        """So many before a place, as far as none is missing in between, which may be fewer; and whether there are no
        others."""
        found, each = await self._newest_of_all(authors, before, count)
        read = Counter[int]()
        for number, (author, _) in enumerate(found, 1):
            read[author] += 1
            if read[author] == each:
                return [place for _, place in found[:number]], False
        return [place for _, place in found], len(found) < count

    async def _newest_of_all(
        self, authors: Sequence[int], before: Place, count: int
    ) -> tuple[list[tuple[int, Place]], int]:
        """Authors and places, and how many of each author there may be among them."""
        each = min(count, max(20, CANDIDATES // max(len(authors), 1)))
        rows = await fetch(self._pool, WITHIN_S, statements.NEWEST_OF_ALL, authors, *before, each, count)
        return [(author, Place(at, id)) for author, at, id in rows], each

    async def newest(self, authors: Collection[int], before: Place, each: int) -> dict[int, list[Place]]:
        """The newest posts of each author before a place, the newest first."""
        rows = await fetch(self._pool, WITHIN_S, statements.NEWEST_OF, list(authors), *before, each)
        found: dict[int, list[Place]] = {author: [] for author in authors}
        for author, at, id in rows:
            found[author].append(Place(at, id))
        return found

    async def posts(self, user: UserId, posts: list[int]) -> tuple[dict[int, Post], Standing]:
        """Those that belong into the user's feed now, and what a list of the user has to heed."""
        asked = self._posts.ask(posts)
        rows = await fetch(self._pool, WITHIN_S, statements.FEED, int(user), *asked.arguments)
        newest, near, version, *_ = rows[0]
        # After the standing come the id of a post, none when nothing is shown, and its state unless it is published.
        found = {row[3]: self._posts.post(user, asked, *row[3:]) for row in rows if row[3] and row[4] is None}
        return found, Standing(Edges(newest or 0, near), version)

    async def features(self, user: UserId, posts: Sequence[int]) -> dict[int, Features]:
        """What a ranker is given, by post."""
        rows = await fetch(self._pool, WITHIN_S, statements.FEATURES, int(user), posts)
        return {row[0]: Features(*row) for row in rows}

    # -- fan-out ----------------------------------------------------------------------------------------------------

    async def take(self, posts: Sequence[PostId]) -> None:
        """These are to reach the lists of their authors' followers, who are told once."""
        await fetch(self._pool, WITHIN_S, statements.TAKE, list(map(int, posts)))

    async def claim(self, most: int) -> list[Fanout]:
        """Posts that nobody else is busy with, for ten seconds from each move on."""
        return [
            Fanout(
                Place(row["at"], row["post"]),
                UserId(str(row["author"])),
                (row["after_at"], row["after_follower"]),
                row["claim"],
                row["told"],
                row["caption"],
                row["width"] or 0,
                row["height"] or 0,
                row["thumbhash"],
            )
            for row in await fetch(self._pool, WITHIN_S, statements.CLAIM, most)
        ]

    async def followers(self, fanout: Fanout, after: tuple[datetime, int], count: int) -> Followers:
        """The next followers of its author."""
        asked = fanout.place.id, *after, count, not fanout.told, int(fanout.author)
        rows = await fetch(self._pool, WITHIN_S, statements.FOLLOWERS, *asked)
        users = [UserId(str(row[1])) for row in rows]
        told = [user for user, row in zip(users, rows, strict=True) if row[2]]
        return Followers(users, told, (rows[-1][0], rows[-1][1]) if len(rows) == count else None)

    async def move_on(self, fanout: Fanout, after: tuple[datetime, int]) -> bool:
        """All up to this follower are done with; False: somebody else has claimed it meanwhile."""
        moved = fanout.place.id, fanout.claim, *after, fanout.told
        return bool(await fetch(self._pool, WITHIN_S, statements.MOVE_ON, *moved))

    async def rewind(self, fanout: Fanout, after: tuple[datetime, int]) -> None:
        """Who is online was told; the lists after this follower could not be written and are tried again soon."""
        await fetch(self._pool, WITHIN_S, statements.REWIND, fanout.place.id, fanout.claim, *after)

    async def done(self, fanout: Fanout) -> None:
        """Everybody has it."""
        await fetch(self._pool, WITHIN_S, statements.DONE, fanout.place.id, fanout.claim)

    async def forget(self) -> int:
        """Drop some of what was done an hour ago. How many."""
        return len(await fetch(self._pool, WITHIN_S, statements.FORGET))

    async def count(self, author: UserId, most: int) -> tuple[int, bool]:
        """Their followers, counted up to `most`, and whether they are a celebrity so far."""
        [row] = await fetch(self._pool, WITHIN_S, statements.COUNT, int(author), most)
        return row[0], row[1]

    async def judge(self, author: UserId, celebrity: bool) -> None:
        """From now on they are a celebrity, or are none any more."""
        await fetch(self._pool, WITHIN_S, statements.JUDGE, int(author), celebrity)

    async def audience(self, post: int, author: UserId, users: Sequence[int]) -> tuple[set[int], set[int]]:
        """Those of these users who follow the author, and those of them who are to be told of the post."""
        [row] = await fetch(self._pool, WITHIN_S, statements.AUDIENCE, post, users, int(author))
        following, apart, is_there = row
        return set(following), set(following).difference(apart) if is_there else set()


def marker_of(followed: Followed, version: int, *, whole: bool = True) -> Marker:
    """What a list that is built from this has to remember."""
    return Marker(followed.edges.newest, version, followed.celebrities, followed.edges.near, whole)
