"""Stories over HTTP: posting, deleting and showing them, and who has seen mine."""

from collections.abc import Awaitable, Callable, Mapping

from protocol.errors import UNAVAILABLE
from server.http.services import Answer, Call, Handler, Services
from server.stories.posting import StoryPosting
from server.tokens import Caller


def _handler(answer: Callable[[StoryPosting, Caller, Call], Awaitable[Answer]]) -> Handler:
    async def handle(services: Services, caller: Caller, call: Call) -> Answer:
        return UNAVAILABLE if services.stories is None else await answer(services.stories, caller, call)

    return handle


STORY_HANDLERS: Mapping[str, Handler] = {
    "story.create": _handler(lambda stories, caller, call: stories.create(caller.user, call.body)),
    "story.get": _handler(lambda stories, caller, call: stories.show(caller.user, call.place.id)),
    "story.delete": _handler(lambda stories, caller, call: stories.delete(caller.user, call.place.id)),
    "story.viewers": _handler(lambda stories, caller, call: stories.viewers(caller.user, call.place.id, call.query)),
    "story.of": _handler(lambda stories, caller, call: stories.of(caller.user, call.place.id)),
    "story.mine": _handler(lambda stories, caller, call: stories.mine(caller.user, call.query)),
}
