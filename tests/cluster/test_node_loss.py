"""A node is killed that was home to a thousand users with stored state: they go on elsewhere (docs/reliability.md)."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from actors.placement import Placement
from tests.cluster.crowd import Crowd, p99, shares
from tests.cluster.device import Device
from tests.cluster.looking import figures
from tests.cluster.sending import Send
from tests.server.running import Installation
from tests.until import until

USERS, PARTNERS = 1_000, 50
WITHIN_S = 5.0
LOST = 2
SETTLED_WITHIN_S = 40.0


def at_home(installation: Installation, people: list[dict[str, Any]]) -> Callable[[int], list[dict[str, Any]]]:
    """Those of a node, by its number."""
    names = {str(number): f"127.0.0.1:{installation.port + number}" for number in range(1, installation.nodes + 1)}
    placement = Placement(0, names)
    return lambda number: [person for person in people if placement.node_of(person["user"]) == str(number)]


class Thousand:
    """The users of the node that will be lost, and their partners elsewhere, each of whom has talked with twenty."""

    def __init__(self, crowd: Crowd, users: list[dict[str, Any]], partners: list[dict[str, Any]]) -> None:
        self.crowd = crowd
        self.partners = [crowd.add(person, within_s=1.0) for person in partners]
        self.users = [crowd.add(person, within_s=1.5) for person in users]
        self.conversations: dict[Device, str] = {}
        self.said: dict[Device, list[Send]] = {user: [] for user in self.users}

    async def befriend(self) -> None:
        """One message to each, stored by all."""
        await until(lambda: all(device.up_to_date for device in self.crowd.devices), SETTLED_WITHIN_S)

        async def speak(partner: Device, users: list[Device]) -> None:
            for user in users:
                self.conversations[user] = await self.crowd.opened(partner, user.user)
                self.say(partner, user)

        async with asyncio.TaskGroup() as group:
            for number, partner in enumerate(self.partners):
                group.create_task(speak(partner, self.users[number :: len(self.partners)]))
        await until(lambda: self.heard(self.users) and not self.crowd.owing, SETTLED_WITHIN_S)

    def say(self, partner: Device, user: Device) -> None:
        conversation = self.conversations[user]
        self.said[user].append(partner.sends.say(conversation, f"{conversation} {len(self.said[user])}"))

    def say_more(self) -> None:
        """One more message to every second user."""
        for number, user in list(enumerate(self.users))[::2]:
            self.say(self.partners[number % len(self.partners)], user)

    def heard(self, users: list[Device]) -> bool:
        """Each has all that was said to it, and only that."""
        return all(
            user.logs.get(self.conversations[user]) == [send.cid for send in self.said[user]]
            and all(send.acked_at for send in self.said[user])
            for user in users
        )

    def acked_before(self, user: Device) -> int:
        """How much of what was said to it was acknowledged before it said the first hello that brought it back."""
        return sum(0 < send.acked_at < user.arrivals[0].asked for send in self.said[user])

    def check_first_arrivals(self) -> None:
        """Whoever was back had all that was acknowledged before."""
        for user in self.users:
            assert user.arrivals[0].heads[self.conversations[user]] >= self.acked_before(user)

    def told(self, killed: float) -> str:
        """The figures. An end with a name of its own is a connection that could not be had."""
        users = self.users
        back = shares([user.arrivals[0].at - killed for user in users])
        home = shares([user.arrivals[-1].at - killed for user in users])
        outcomes = Counter(user.arrivals[0].outcome for user in users)
        met = sum(self.acked_before(user) > 1 for user in users)
        again = sum(len(user.arrivals) > 1 for user in users)
        ends = sum((user.ends for user in users), Counter[str]())
        return (
            f"{len(users)} back after a kill: {back} ({dict(outcomes)}, {met} met what was said while they were away); "
            f"{again} moved again, all at home: {home}; ends {dict(ends)}"
        )


@pytest.mark.verify
async def test_a_thousand_users_of_a_killed_node_go_on_elsewhere_within_five_seconds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    installation = Installation(tmp_path, nodes=3).start()
    try:
        of = at_home(installation, installation.mint(USERS * 7 // 2, "many"))
        assert len(of(LOST)) >= USERS
        async with Crowd(installation.port) as crowd:
            thousand = Thousand(crowd, of(LOST)[:USERS], [*of(1)[: PARTNERS // 2], *of(3)[: PARTNERS // 2]])
            await thousand.befriend()
            assert await asyncio.to_thread(hosted, installation) == USERS
            for user in thousand.users:
                user.arrivals, user.ends = [], Counter()
            killed = await lose(installation, thousand)
            told = thousand.told(killed)
            with capsys.disabled():
                print(f"\n{told}; this process {crowd.busy:.0%} busy")
            thousand.check_first_arrivals()
            assert crowd.faults == {}
            assert p99([user.arrivals[0].at - killed for user in thousand.users]) < WITHIN_S
    finally:
        installation.stop()


async def lose(installation: Installation, thousand: Thousand) -> float:
    """Kill the node, say something meanwhile, and return when all are at home again; the time of the kill."""
    pid, killed = installation.node_pid(LOST), monotonic()
    installation.kill_node(LOST)
    thousand.say_more()
    await asyncio.to_thread(installation.await_node, LOST, pid)
    # Rarely: to be looked at costs the node something, too.
    await until(lambda: hosted(installation) >= USERS, SETTLED_WITHIN_S, blocks=True, every_s=0.2)
    users = thousand.users
    await until(lambda: all(user.up_to_date for user in users) and thousand.heard(users), SETTLED_WITHIN_S)
    return killed


def hosted(installation: Installation) -> float:
    """How many sockets the node has, now or again."""
    return figures(f"http://127.0.0.1:{installation.port + 100 + LOST}").get("tidings_connections", 0.0)
