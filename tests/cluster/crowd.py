"""Many thin devices in this process: what they share, what none of them should have seen, and how busy they keep it."""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, Self

from bench.frames import upgrade
from bench.machine import raise_descriptors
from bench.wire import Frame, decode_opened
from tests.cluster.device import HOST, Device

ACK_EVERY_S = 0.4


class Crowd:
    """`async with Crowd(port) as crowd`: devices come to that port unless they are sent elsewhere.

    `faults` counts breaches of the contract by the server.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.request = upgrade(HOST, port)
        self.random = Random(1).random
        self.faults: Counter[str] = Counter()
        self.owing: set[Device] = set()
        self.devices: list[Device] = []
        self.over = False

    async def __aenter__(self) -> Self:
        raise_descriptors()
        self._began = time.monotonic(), time.process_time()
        self._tasks = {asyncio.create_task(self._tick())}
        return self

    async def __aexit__(self, *error: Any) -> None:
        self.over = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for device in self.devices:
            if device.line is not None:
                device.line.abandon()
        await asyncio.sleep(0)

    @property
    def busy(self) -> float:
        """The share of one core that this process has used."""
        wall, used = self._began
        return (time.process_time() - used) / (time.monotonic() - wall)

    def add(self, person: dict[str, Any], within_s: float = 0.0) -> Device:
        """A device of this person, which comes some time within so many seconds."""
        device = Device(self, person)
        self.devices.append(device)
        self.connect(device, self.port, within_s * self.random())
        return device

    def connect(self, device: Device, port: int, after_s: float) -> None:
        task = asyncio.get_running_loop().create_task(device.connect(port, after_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def opened(self, device: Device, user: str) -> str:
        """The conversation of the two. Raises ValueError: it is refused."""
        found: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        device.ask("conversation.open", found.set_result, user=user)
        frame = await found
        if frame.err is not None:
            raise ValueError(f"conversation.open: {frame.err}")
        return decode_opened(frame.ok).conversation.id

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(ACK_EVERY_S)
            owing, self.owing = self.owing, set()
            for device in owing:
                device.ack()
            now = time.monotonic()
            for device in self.devices:
                device.sends.tick(now)


def shares(times: Sequence[float]) -> str:
    """p50, p99 and the most, in seconds."""
    ordered = sorted(times)
    return f"p50 {ordered[len(ordered) // 2]:.2f} s, p99 {p99(times):.2f} s, max {ordered[-1]:.2f} s"


def p99(times: Sequence[float]) -> float:
    return sorted(times)[math.ceil(0.99 * len(times)) - 1]
