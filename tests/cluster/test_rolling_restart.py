"""All nodes are started anew, one after the other, under load: nobody notices more than a reconnect."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.cluster.crowd import Crowd
from tests.cluster.device import Device
from tests.cluster.looking import apart
from tests.cluster.talker import Talker, check
from tests.server.running import Installation
from tests.until import until

PAIRS = 50
PER_S = 1_000
UNDISTURBED = 1_500
"""Messages that are acknowledged before, and after."""
TEXTS, TEXTS_PER_S = 100, 8
WITHIN_S = 90.0
RECONNECTS = {"4001", "4002", "4010", "ConnectionRefusedError"}
"""How connections may end: drained, moved, the home of a relay gone; and one that was tried while no node listened."""
ACKED_AGAIN_WITHIN_S = 10.0
SETTLED_WITHIN_S = 40.0
"""Of a machine that does much else; alone it takes twenty."""


class Pairs:
    """Two devices each in one conversation; all together say `PER_S` messages a second, whatever becomes of them."""

    def __init__(self, crowd: Crowd, installation: Installation) -> None:
        self.crowd = crowd
        self.devices = [crowd.add(person, within_s=1.0) for person in installation.mint(2 * PAIRS, "pair")]
        self.said: dict[Device, list[str]] = {device: [] for device in self.devices}
        self.conversations: dict[Device, str] = {}

    async def open(self) -> None:
        await until(lambda: all(device.up_to_date for device in self.devices), SETTLED_WITHIN_S)
        for one, other in zip(self.devices[::2], self.devices[1::2], strict=True):
            self.conversations[one] = self.conversations[other] = await self.crowd.opened(one, other.user)

    async def talk(self, over: asyncio.Event) -> None:
        """Until it is over and all is decided and has been heard."""
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        while not over.is_set():
            await asyncio.sleep(0.005)
            while number < (loop.time() - began) * PER_S:
                device = self.devices[number % len(self.devices)]
                self._say(device)
                number += 1
        await until(lambda: all(not device.sends.waiting for device in self.devices), SETTLED_WITHIN_S)
        await until(lambda: all(self._has_heard(device) for device in self.devices), SETTLED_WITHIN_S)

    def _say(self, device: Device) -> None:
        cid = f"{device.user} {len(self.said[device])}"
        self.said[device].append(cid)
        device.sends.say(self.conversations[device], cid)

    def _has_heard(self, device: Device) -> bool:
        places = [c for other in self._both(device) for c in other.sends.acked.values()]
        return len(device.logs.get(self.conversations[device], ())) == max(places)

    def _both(self, device: Device) -> list[Device]:
        first = self.devices.index(device) // 2 * 2
        return self.devices[first : first + 2]

    def check(self) -> None:
        """Everything is there once, at the place that was acknowledged, in its sender's order, on both sides."""
        for one, other in zip(self.devices[::2], self.devices[1::2], strict=True):
            log = one.logs[self.conversations[one]]
            assert other.logs[self.conversations[one]] == log
            for device in (one, other):
                assert device.sends.errors == []
                assert [cid for cid in log if cid.startswith(f"{device.user} ")] == self.said[device]
                assert device.sends.acked == {cid: log.index(cid) + 1 for cid in self.said[device]}
            assert len(log) == len(self.said[one]) + len(self.said[other])

        assert set(self.ends) <= RECONNECTS, self.ends
        assert max(device.sends.silence for device in self.devices) < ACKED_AGAIN_WITHIN_S

    @property
    def acked(self) -> int:
        """How many messages are acknowledged by now."""
        return sum(len(device.sends.acked) for device in self.devices)

    @property
    def ends(self) -> Counter[str]:
        return sum((device.ends for device in self.devices), Counter[str]())

    def told(self) -> str:
        sends = [device.sends for device in self.devices]
        return (
            f"{self.acked} acked ({sum(one.dups for one in sends)} of them again, "
            f"{sum(one.refused for one in sends)} put off), ends of connections {dict(self.ends)}, "
            f"longest without an ack {max(one.silence for one in sends):.2f} s"
        )


async def restarted(installation: Installation) -> float:
    """Seconds that it took."""
    command = ["-m", "server.cli", "restart", "--rolling", "--data", str(installation.data)]
    loop = asyncio.get_running_loop()
    began = loop.time()
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    return loop.time() - began


@pytest.mark.verify
@pytest.mark.parametrize("nodes", [2, 3])
async def test_a_rolling_restart_under_load_shows_nothing_but_reconnects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], nodes: int
) -> None:
    installation = Installation(tmp_path, nodes=nodes).start()
    try:
        pids = installation.node_pids()
        people = apart(installation)[:2]
        applications = [
            Talker(installation.url, person["access_token"], person["username"], TEXTS, TEXTS_PER_S)
            for person in people
        ]
        async with asyncio.timeout(WITHIN_S), Crowd(installation.port) as crowd, asyncio.TaskGroup() as group:
            pairs, over = Pairs(crowd, installation), asyncio.Event()
            await pairs.open()
            load = group.create_task(pairs.talk(over))
            group.create_task(converse(applications, people[1]["user"]))
            await until(lambda: pairs.acked >= UNDISTURBED, SETTLED_WITHIN_S)
            took = await restarted(installation)
            so_far = pairs.acked
            await until(lambda: pairs.acked >= so_far + UNDISTURBED, SETTLED_WITHIN_S)
            over.set()
            await load
            with capsys.disabled():
                print(f"\n{nodes} nodes anew in {took:.1f} s: {pairs.told()}; this process {crowd.busy:.0%} busy")
            assert crowd.faults == {}
            pairs.check()
        check(*applications)
        assert not set(pids.values()) & set(installation.node_pids().values())
    finally:
        installation.stop()


async def converse(talkers: list[Talker], user: str) -> None:
    """Two applications that use the SDK: whatever it raises ends the test."""
    async with talkers[0].client, talkers[1].client, asyncio.TaskGroup() as group:
        conversation = (await talkers[0].client.open(user)).id
        for talker in talkers:
            group.create_task(talker.talk(conversation))
            group.create_task(talker.listen(2 * TEXTS))
