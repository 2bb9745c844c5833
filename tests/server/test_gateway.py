"""What is corked leaves at the end of the turn, whatever becomes of one socket."""

import asyncio
import time
from typing import Any

from structlog.testing import capture_logs

from protocol.ids import Millis
from server.admission import Admission
from server.connection import Connection
from server.gateway import Gateway
from server.observe import Metrics
from server.tokens import Invalid
from tests.actors.devices import POLICY


class Transport(asyncio.Transport):
    def __init__(self, *, broken: bool = False) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False
        self._broken = broken

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def write(self, data: Any) -> None:
        if self._broken:
            raise RuntimeError("closed behind our back")
        self.written += data

    def abort(self) -> None:
        self.aborted = True


async def test_a_write_that_fails_ends_its_connection_and_holds_up_no_other() -> None:
    gateway = Gateway(
        policy=POLICY,
        admission=Admission(1, 1, time.monotonic),
        origins=frozenset(),
        max_connections=10,
        hello_ms=10_000,
        typing_ms=0,
        verify=lambda _: Invalid(),
        clock=lambda: Millis(0),
        now=time.monotonic,
        metrics=Metrics(),
    )
    broken, sound = Transport(broken=True), Transport()
    with capture_logs() as lines:
        for transport in (broken, sound):
            connection = Connection(gateway)
            connection.connection_made(transport)
            connection.send(b"{}")
        await asyncio.sleep(0)
    assert broken.aborted
    assert (sound.written, sound.aborted) == (b"\x81\x02{}", False)
    assert [line["event"] for line in lines] == ["write failed"]
