"""Twins of the ops: the request struct is put together from path, query and body, and asked like on a socket."""

from typing import cast

from msgspec import UNSET, Struct

from protocol.requests import AnyRequest
from protocol.route import Route
from server.http.handling import Answer, Call, Handler
from server.http.services import Services
from server.tokens import Caller


def twin_handler(route: Route) -> Handler:
    """Carries out the op of the route; what it answers and refuses is the answer."""
    ops = dict(zip(route.bodies, route.ops, strict=True)) if route.bodies else {}

    async def handle(services: Services, caller: Caller, call: Call) -> Answer:
        op = ops[type(call.body)] if ops else route.ops[0]
        fields = _fields(call.query) | _fields(call.body)
        if call.place is not None:
            fields["conversation"] = call.place.id
        return await services.ask(caller, cast(AnyRequest, op(id=1, **fields)))

    return handle


def _fields(part: Struct | None) -> dict[str, object]:
    names = () if part is None else part.__struct_fields__
    return {name: value for name in names if (value := getattr(part, name)) is not UNSET}
