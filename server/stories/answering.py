"""The operations on stories: the tray, what was seen, and where a reaction goes."""

from collections.abc import Awaitable, Callable

from msgspec import Struct

from persistence.stories.postgres import PostgresStories
from protocol.errors import Refusal
from protocol.ids import ConversationId, UserId
from protocol.live import TrayChanged
from protocol.replies import Done, Result
from protocol.requests import ReactToStory, SeeStory, StoryTray
from protocol.trays import Tray
from server.stories.showing import cut

FIRST_BYTES = 32 * 1024
"""The tray that goes with a snapshot, which has as much room left."""
TRAY_BYTES = 240 * 1024

NO_SUCH_STORY = Refusal("not_found", "there is no such story")
OWN_STORY = Refusal("bad_request", "story: that is yours: react to somebody else's")

Open = Callable[[UserId, UserId], Awaitable[ConversationId | None]]
"""The one conversation of two people, made if absent; None where one blocks the other."""


class Aimed(Struct, frozen=True, gc=False):
    """The conversation that a reaction goes to; not `visible`: only one that went there before is answered."""

    conversation: ConversationId
    visible: bool


class Answering:
    """Answers what users ask. `tell` reaches the user's devices."""

    def __init__(self, store: PostgresStories, tell: Callable[[UserId, TrayChanged], None], open: Open) -> None:
        self._store = store
        self._tell = tell
        self._open = open

    async def answer(self, user: UserId, request: StoryTray | SeeStory) -> Result:
        """Raises `UnavailableError`."""
        if isinstance(request, StoryTray):
            return cut(await self._store.tray(user), TRAY_BYTES)
        view = await self._store.see(user, request.story)
        if view is None:
            return NO_SUCH_STORY
        if view.fresh:
            self._tell(user, TrayChanged("seen", view.author, (view.story,)))
        return Done()

    async def first_tray(self, user: UserId) -> Tray:
        """What a client starts from. Raises `UnavailableError`."""
        return cut(await self._store.tray(user), FIRST_BYTES)

    async def aim(self, user: UserId, request: ReactToStory) -> Aimed | Refusal:
        """Note the reaction, and say where its message goes. Raises `UnavailableError`.

        The reaction is there before its message: whoever has no answer asks again, and a message never lacks it.
        """
        found = await self._store.react(user, request.story, request.emoji, request.cid)
        if found is None:
            return NO_SUCH_STORY
        if found.author == user:
            return OWN_STORY if found.visible else NO_SUCH_STORY
        conversation = found.conversation
        if conversation is None and found.visible:
            conversation = await self._open(user, found.author)
        return NO_SUCH_STORY if conversation is None else Aimed(conversation, found.visible)
