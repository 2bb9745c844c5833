"""Stories over HTTP: posting, deleting and showing them, and who has seen mine."""

from collections.abc import Mapping

from server.http.handling import Handler

STORY_HANDLERS: Mapping[str, Handler] = {
    "story.create": lambda services, caller, call: services.contents.stories.create(caller.user, call.body),
    "story.get": lambda services, caller, call: services.contents.stories.show(caller.user, call.place.id),
    "story.delete": lambda services, caller, call: services.contents.stories.delete(caller.user, call.place.id),
    "story.viewers": lambda services, caller, call: services.contents.stories.viewers(
        caller.user, call.place.id, call.query
    ),
    "story.of": lambda services, caller, call: services.contents.stories.of(caller.user, call.place.id),
    "story.mine": lambda services, caller, call: services.contents.stories.mine(caller.user, call.query),
}
