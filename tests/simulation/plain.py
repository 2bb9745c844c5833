"""A device by the client rules on a simulated connection."""

from typing import Any

from actors.stream import Numbered
from bench.devices.device import Device
from protocol.codec import Encoded
from tests.simulation.network import Connection


class PlainDevice(Device):
    """Takes what the simulated network carries: structs, not bytes."""

    def received(self, connection: Connection, message: Any) -> None:
        match message:
            case (id, result):
                self.replied(connection, id, result)
            case Numbered():
                self.told(connection, message.u, message.encoded.event)
            case Encoded():
                self.told(connection, None, message.event)
