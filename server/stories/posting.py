"""Stories over HTTP: posting, deleting and showing them."""

from collections.abc import Callable

from msgspec import UNSET

from persistence.stories.postgres import PostgresStories, StoryRefusal
from persistence.stories.statements import LIVE
from protocol.errors import ID_REUSED, Refusal
from protocol.graph import PeopleQuery
from protocol.ids import UserId
from protocol.replies import Done
from protocol.stories import ArchiveQuery, NewStory, Stories, Story, Viewers
from protocol.trays import StoryId
from protocol.unset import or_none
from server.refusals import NO_SUCH_USER
from server.stories.answering import NO_SUCH_STORY
from server.stories.showing import StoryShowing

_REFUSALS: dict[StoryRefusal, Refusal] = {
    "no media": Refusal("not_found", "media: there is no such picture of yours"),
    "rejected": Refusal("conflict_state", "media: this picture was rejected and cannot be shown"),
    "too many": Refusal("conflict_state", f"you have {LIVE} stories now, the most there may be: delete one, or wait"),
}


class StoryPosting:
    """What a signed-in user asks over HTTP. Every method raises `UnavailableError`. `published` is called when there
    may be one more story to tell of."""

    def __init__(self, store: PostgresStories, showing: StoryShowing, published: Callable[[], None]) -> None:
        self._store = store
        self._published = published
        self._showing = showing

    async def create(self, me: UserId, new: NewStory) -> Story | Refusal:
        """Post a story; a repeat is answered with what the first one made, as it is now."""
        close_friends = new.audience == "close_friends"
        made = await self._store.create(me, new.cid, new.digest(), new.media, close_friends=close_friends)
        if isinstance(made, str):
            return _REFUSALS[made]
        if made.digest != new.digest():
            return ID_REUSED
        self._published()
        shown = await self._store.get(me, made.id)
        return NO_SUCH_STORY if shown is None else self._showing.story(me, shown, dup=made.again)

    async def delete(self, me: UserId, id: StoryId) -> Done | Refusal:
        """A repeat changes nothing."""
        return Done() if await self._store.delete(me, id) else NO_SUCH_STORY

    async def show(self, me: UserId, id: StoryId) -> Story | Refusal:
        """One story, if it is there for me now."""
        shown = await self._store.get(me, id)
        return NO_SUCH_STORY if shown is None else self._showing.story(me, shown)

    async def of(self, me: UserId, author: UserId) -> Stories | Refusal:
        """What there is of somebody for me now."""
        found = await self._store.of(me, author)
        return NO_SUCH_USER if found is None else Stories([self._showing.story(me, one) for one in found])

    async def mine(self, me: UserId, query: ArchiveQuery) -> Stories:
        """A page of my archive."""
        found = await self._store.archive(me, or_none(query.before), query.limit + 1)
        items = [self._showing.story(me, one) for one in found[: query.limit]]
        return Stories(items, items[-1].id if len(found) > query.limit else UNSET)

    async def viewers(self, me: UserId, id: StoryId, query: PeopleQuery) -> Viewers | Refusal:
        """Who has seen a story of mine."""
        return await self._store.viewers(me, id, or_none(query.before), query.limit) or NO_SUCH_STORY
