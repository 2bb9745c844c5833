"""A gateway with no node around it."""

import time
from collections.abc import Callable

from config.sections import Gateway as Granted
from protocol.ids import Millis
from server.gateway import Gateway
from server.observe import Metrics
from server.tokens import Caller, Expired, Invalid


def nobody(token: str) -> Invalid:
    """No token is good."""
    return Invalid()


def bare_gateway(verify: Callable[[str], Caller | Expired | Invalid] = nobody) -> Gateway:
    """It takes ten sockets, as fast as they come."""
    granted = Granted(max_connections=10, typing_ms=0)
    return Gateway(granted, frozenset(), verify, lambda: Millis(0), time.monotonic, Metrics())
