"""What people do with posts: the answers of their routes."""

from collections.abc import Callable

import msgspec

from persistence.pool import Pool
from persistence.posts.changing import change, delete, untag
from persistence.posts.lists import State, may_list, page_of
from persistence.posts.making import Unfit, make, stub
from persistence.posts.reading import PostReader
from protocol.errors import ID_REUSED, Refusal
from protocol.ids import UserId
from protocol.posting import MyPostsQuery, NewPost, PostMade, PostPatch, PostsQuery
from protocol.posts import Post, PostId, Posts
from protocol.replies import Done
from protocol.unset import or_none, or_unset
from server.refusals import NO_SUCH_POST

# The same for who does not exist, who blocks me, and who shows what they post only to who follows them.
NO_SUCH_POSTS = Refusal("not_found", "there is no such user, or their posts are not for you")
NOT_PUBLISHED = Refusal("conflict_state", "archived: only what was published can be archived")


class Posting:
    """Makes, changes and lists posts for callers; all raise `UnavailableError`. `published` is called when there may be
    one more to tell of."""

    def __init__(self, pool: Pool, posts: PostReader, published: Callable[[], None]) -> None:
        self._pool = pool
        self._published = published
        self._posts = posts

    async def make(self, me: UserId, new: NewPost) -> PostMade | Refusal:
        made = await make(self._pool, me, new)
        if isinstance(made, Unfit):
            return Refusal("not_found" if made.what == "missing" else "conflict_state", made.why)
        if made.digest != new.digest():
            return ID_REUSED
        self._published()
        shown = [] if made.gone else await self._posts.read(me, [made.id])
        if not shown:
            return await stub(self._pool, made.id)
        return PostMade(**msgspec.structs.asdict(shown[0]), dup=made.again)

    async def get(self, me: UserId, id: PostId) -> Post | Refusal:
        shown = await self._posts.read(me, [id])
        return shown[0] if shown else NO_SUCH_POST

    async def change(self, me: UserId, id: PostId, patch: PostPatch) -> Post | Refusal:
        changed = await change(self._pool, me, id, patch)
        if changed == "unpublished":
            return NOT_PUBLISHED
        return await self.get(me, id) if changed == "done" else NO_SUCH_POST

    async def delete(self, me: UserId, id: PostId) -> Done | Refusal:
        return Done() if await delete(self._pool, me, id) == "done" else NO_SUCH_POST

    async def untag(self, me: UserId, id: PostId) -> Post | Refusal:
        await untag(self._pool, me, id)
        return await self.get(me, id)

    async def list(self, me: UserId, author: UserId, query: PostsQuery) -> Posts | Refusal:
        if not await may_list(self._pool, me, author):
            return NO_SUCH_POSTS
        return await self._page(me, author, "published", query)

    async def mine(self, me: UserId, query: MyPostsQuery) -> Posts:
        return await self._page(me, me, query.state, query)

    async def _page(self, me: UserId, author: UserId, state: State, query: PostsQuery) -> Posts:
        ids, then = await page_of(self._pool, author, state, or_none(query.before), query.limit)
        return Posts(await self._posts.read(me, ids), or_unset(then))
