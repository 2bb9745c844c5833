"""Posts over HTTP."""

from collections.abc import Mapping

from server.http.handling import Handler

POST_HANDLERS: Mapping[str, Handler] = {
    "post.make": lambda services, caller, call: services.contents.posts.make(caller.user, call.body),
    "post.get": lambda services, caller, call: services.contents.posts.get(caller.user, call.place.id),
    "post.change": lambda services, caller, call: services.contents.posts.change(caller.user, call.place.id, call.body),
    "post.delete": lambda services, caller, call: services.contents.posts.delete(caller.user, call.place.id),
    "post.list": lambda services, caller, call: services.contents.posts.list(caller.user, call.place.id, call.query),
    "post.mine": lambda services, caller, call: services.contents.posts.mine(caller.user, call.query),
    "post.untag": lambda services, caller, call: services.contents.posts.untag(caller.user, call.place.id),
}
