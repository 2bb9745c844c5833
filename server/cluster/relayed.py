"""A socket whose session may live elsewhere: what its far end, there, does with it."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from persistence.nodes.contract import Life
from protocol.errors import TOO_SLOW
from server.socket import Socket
from server.stage import Stage

if TYPE_CHECKING:
    from server.gateway import Gateway

LOOK_EVERY_S = 10.0


class Relayed(Socket):
    """All of this is without effect unless the stage is RELAYING."""

    __slots__ = ("_alive", "_unsent")

    def __init__(self, gateway: "Gateway") -> None:
        super().__init__(gateway)
        # Since the last look something was acked or drained.
        self._alive = False
        # Bytes that the transport held at the last look; None when nothing is due after it.
        self._unsent: int | None = None

    @property
    def home(self) -> Life | None:
        """The node that it is relayed to; None when its session lives here."""
        return self._gateway.relays.home(self.number)

    def pass_on(self, frames: bytes) -> None:
        """What the home says: whole frames."""
        if self._stage is Stage.RELAYING:
            self._put(frames)

    def read(self, on: bool) -> None:
        """Whether the home takes what the client says."""
        if self._stage is not Stage.RELAYING or self._transport.is_closing():
            return
        if on and not self.full:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def finish(self) -> None:
        """The home has closed, and said so: nothing may follow that, not even an answer to the client's own close."""
        if self._stage is Stage.RELAYING:
            self.uncork()
            self.read(True)
            self._socket = None
            self._move(Stage.CLOSING)
            self._linger()

    @abstractmethod
    def _flow(self) -> None:
        """The far end is read as fast as the client reads."""
        if self._stage is Stage.RELAYING:
            self._alive = True
            self._gateway.relays.flow(self.number)

    @abstractmethod
    def _leave(self, *, goodbye: bool) -> None:
        """The far end goes too. The client's answer to a close is to be seen, whatever the home took."""
        if self._stage is Stage.RELAYING:
            self._gateway.relays.left(self.number, goodbye=goodbye)
            self.read(True)

    @abstractmethod
    def _overdue(self) -> None:
        """Pings and their acks are the home's. That it has given up a slow reader is not seen while we do not read."""
        if self._stage is not Stage.RELAYING:
            return
        unsent = self._transport.get_write_buffer_size()
        if self.full and not self._alive and self._unsent is not None and unsent >= self._unsent:
            self.close(TOO_SLOW)
            return
        self._alive, self._unsent = False, unsent
        self._due = self._gateway.wheel.after(LOOK_EVERY_S)
