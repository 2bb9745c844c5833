"""The stories of one life of a node: what posts, what answers and what tells, wired together."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from actors.effects import user_address
from persistence.outbox.contract import OutboxStore
from persistence.stories.moving import PostgresMovingStories
from persistence.stories.postgres import PostgresStories
from protocol.ids import UserId
from protocol.live import TrayChanged
from protocol.media import MEDIA
from protocol.stories import STORY, STORY_SHARED
from server.clearing import Clearing
from server.media.addresses import MediaAddresses
from server.observe import Metrics
from server.outbox.consumer import Handler
from server.stories.answering import Answering, Open
from server.stories.ending import Ending
from server.stories.posting import StoryPosting
from server.stories.relating import Relating
from server.stories.showing import StoryShowing
from server.stories.telling import Deliver, Telling


class Stories:
    """`handlers` are those of the outbox. `deliver` reaches users wherever they are, `open` finds conversations.
    `published` is called when there may be a story to tell of. Of whoever has more than `fanout_followers` only
    close friends are told live."""

    def __init__(
        self,
        stories: PostgresStories,
        moving: PostgresMovingStories,
        outbox: OutboxStore,
        addresses: MediaAddresses,
        deliver: Deliver,
        open: Open,
        published: Callable[[], None],
        fanout_followers: int,
    ) -> None:
        def tell(user: UserId, event: TrayChanged) -> None:
            deliver((user_address(user),), event)

        self._telling = Telling(moving, deliver, outbox.add, published, fanout_followers)
        self._ending = Ending(moving, self._telling.ended)
        self._clearing = Clearing(moving.clear, "deleted stories are not cleared away")
        self.relating = Relating(stories, moving, tell)
        self.answering = Answering(stories, tell, open)
        self.posting = StoryPosting(stories, StoryShowing(addresses), published)
        self.handlers: Mapping[str, tuple[str, Handler]] = {
            "stories": (STORY, self._telling.moved),
            "story_media": (MEDIA, self._telling.settled),
            "story_shares": (STORY_SHARED, self._telling.shared),
        }

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """What runs as long as the node does."""
        return [self._ending.run(), self._clearing.run(), self.relating.run()]

    def expose(self, metrics: Metrics) -> None:
        """Have what it does be seen."""
        telling, ending, clearing = self._telling, self._ending, self._clearing
        counted: dict[str, tuple[str, Callable[[], int]]] = {
            "tidings_stories_told": ("Followers who were told of a story's beginning or end", lambda: telling.told),
            "tidings_stories_let_go": ("Stories of which was not told live, of too many", lambda: telling.let_go),
            "tidings_stories_ended": ("Stories whose end was told here", lambda: ending.ended),
            "tidings_stories_cleared": ("Parts of deleted stories cleared away", lambda: clearing.parts),
        }
        metrics.counters |= counted
