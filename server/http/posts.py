"""Posts over HTTP."""

from collections.abc import Mapping

from server.http.services import Answer, Call, Handler, Services
from server.tokens import Caller


async def _make(services: Services, caller: Caller, call: Call) -> Answer:
    return await services.posting.make(caller.user, call.body)


async def _get(services: Services, caller: Caller, call: Call) -> Answer:
    return await services.posting.get(caller.user, call.place.id)


async def _change(services: Services, caller: Caller, call: Call) -> Answer:
    return await services.posting.change(caller.user, call.place.id, call.body)


async def _delete(services: Services, caller: Caller, call: Call) -> Answer:
    return await services.posting.delete(caller.user, call.place.id)


async def _untag(services: Services, caller: Caller, call: Call) -> Answer:
    return await services.posting.untag(caller.user, call.place.id)


async def _list(services: Services, caller: Caller, call: Call) -> Answer:
    return await services.posting.list(caller.user, call.place.id, call.query)


async def _mine(services: Services, caller: Caller, call: Call) -> Answer:
    return await services.posting.mine(caller.user, call.query, call.query.state)


POST_HANDLERS: Mapping[str, Handler] = {
    "post.make": _make,
    "post.get": _get,
    "post.change": _change,
    "post.delete": _delete,
    "post.untag": _untag,
    "post.list": _list,
    "post.mine": _mine,
}
