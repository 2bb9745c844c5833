"""A gateway with no node around it."""

import time
from collections.abc import Callable

from protocol.ids import Millis
from server.admission import Admission
from server.gateway import Gateway
from server.observe import Metrics
from server.tokens import Caller, Expired, Invalid
from tests.actors.devices import POLICY


def nobody(token: str) -> Invalid:
    """No token is good."""
    return Invalid()


def bare_gateway(verify: Callable[[str], Caller | Expired | Invalid] = nobody) -> Gateway:
    """It takes ten sockets, as fast as they come."""
    return Gateway(
        policy=POLICY,
        admission=Admission(1_000, 1_000, time.monotonic),
        origins=frozenset(),
        max_connections=10,
        hello_ms=10_000,
        typing_ms=0,
        verify=verify,
        clock=lambda: Millis(0),
        now=time.monotonic,
        metrics=Metrics(),
    )
