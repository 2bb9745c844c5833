"""What is corked leaves at the end of the turn, whatever becomes of one socket."""

import asyncio
from typing import Any

from structlog.testing import capture_logs

from server.connection import Connection
from tests.server.bare_gateway import bare_gateway


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
    gateway = bare_gateway()
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
