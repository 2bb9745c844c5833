"""Where a user's sockets belong."""

from collections.abc import Mapping

from protocol.people import SocketRoute
from server.http.handling import Answer, Call, Handler
from server.http.services import Services
from server.tokens import Caller


async def _show_route(services: Services, caller: Caller, call: Call) -> Answer:
    home = services.home(caller.user)
    return SocketRoute(home.url, home.name)


HOME_HANDLERS: Mapping[str, Handler] = {"socket.route": _show_route}
