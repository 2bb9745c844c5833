"""Membership: a lease that is kept, missed or lost, and by which placement a node acts, on a virtual clock."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from actors.placement import Placement
from persistence.conversations.database import ConnectionLost, Database, Point
from persistence.nodes.contract import LEASE_MS, RENEW_MS, Ended, Life
from persistence.nodes.memory import Leases, MemoryNodes
from protocol.ids import EPOCH, Millis
from server.cluster.membership import Evicted, Membership
from tests.simulation.loop import run

LEASE_S = LEASE_MS / 1_000


class Node:
    """A membership that notes what it tells; while `away`, its database does not answer."""

    def __init__(self, name: str, database: Database, leases: Leases) -> None:
        self.away = False
        self.placements: list[Placement] = []
        self.agreements: list[Millis] = []
        self.ended: list[str] = []
        self.news = 0
        loop = asyncio.get_running_loop()
        store = MemoryNodes(database, leases, lambda _: None, self._fault)
        self.membership = Membership(store, Life(f"{name}.1", name, f"ws://{name}", "", ""), loop.time)
        self.membership.attend(self)

    async def _fault(self, statement: str, point: Point) -> None:
        if self.away and point == "before":
            raise ConnectionLost(statement)

    def placed(self, placement: Placement, ended: Sequence[Ended]) -> None:
        self.placements.append(placement)
        self.ended = [life.incarnation for life in ended]

    def agreed(self, since: Millis) -> None:
        self.agreements.append(since)

    def announce(self) -> None:
        self.news += 1

    async def begin(self) -> "asyncio.Task[None]":
        await self.membership.join()
        return asyncio.get_running_loop().create_task(self.membership.run())


def with_nodes(test: Callable[[Node, Node, MemoryNodes], Awaitable[None]]) -> None:
    """Two nodes that are members, and the store as their supervisor has it."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        database, leases = Database(lambda: Millis(EPOCH + 10**9 + round(loop.time() * 1_000))), Leases()
        a, b = Node("a", database, leases), Node("b", database, leases)
        tasks = [await a.begin(), await b.begin()]
        await asyncio.sleep(3)
        await test(a, b, MemoryNodes(database, leases, lambda _: None))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main())


def test_both_come_to_act_by_one_placement_and_learn_that_they_do() -> None:
    async def test(a: Node, b: Node, _: MemoryNodes) -> None:
        assert a.membership.placement.version == b.membership.placement.version == 2
        assert set(a.membership.placement.nodes) == {"a.1", "b.1"}
        assert len(b.agreements) == 1
        shards = [a.membership.placement.count(node) for node in ("a.1", "b.1")]
        assert sum(shards) == 8_192

    with_nodes(test)


def test_a_home_is_here_or_the_other_node_and_both_say_the_same() -> None:
    async def test(a: Node, b: Node, _: MemoryNodes) -> None:
        for shard in range(0, 8_192, 97):
            user = str(1 << 40 | shard << 10)
            homes = [node.membership.home(user) or node.membership.node for node in (a, b)]
            assert homes[0] == homes[1]

    with_nodes(test)


def test_a_change_is_seen_within_a_second_without_any_news_of_it() -> None:
    async def test(a: Node, _: Node, supervisor: MemoryNodes) -> None:
        await supervisor.remove("b")
        assert not a.membership.placement.alone
        await asyncio.sleep(RENEW_MS / 1_000 + 0.05)
        assert a.membership.placement.alone

    with_nodes(test)


def test_news_has_a_change_seen_at_once() -> None:
    async def test(a: Node, b: Node, supervisor: MemoryNodes) -> None:
        await supervisor.remove("b")
        a.membership.hasten()
        await asyncio.sleep(0.05)
        assert a.membership.placement.alone
        assert a.ended == ["b.1"]
        assert a.news

    with_nodes(test)


def test_a_node_that_does_not_renew_is_gone_after_its_lease_and_not_before() -> None:
    async def test(a: Node, b: Node, _: MemoryNodes) -> None:
        b.away = True
        await asyncio.sleep(LEASE_S - 1.2)
        assert not a.membership.placement.alone
        await asyncio.sleep(2.5)
        assert a.membership.placement.alone

    with_nodes(test)


def test_a_lease_is_held_until_it_may_have_run_out_and_again_once_it_is_renewed() -> None:
    async def test(a: Node, b: Node, _: MemoryNodes) -> None:
        a.away = b.away = True
        await asyncio.sleep(LEASE_S - 1.2)
        assert a.membership.held
        await asyncio.sleep(1.5)
        assert not a.membership.held
        a.away = b.away = False
        await asyncio.sleep(1.2)
        assert a.membership.held
        assert a.membership.placement.version == 2

    with_nodes(test)


def test_after_an_outage_of_the_database_nobody_is_gone_before_one_whole_lease() -> None:
    async def test(a: Node, b: Node, _: MemoryNodes) -> None:
        a.away = b.away = True
        await asyncio.sleep(10)
        a.away = False
        await asyncio.sleep(LEASE_S - 0.5)
        assert not a.membership.placement.alone
        await asyncio.sleep(3)
        assert a.membership.placement.alone

    with_nodes(test)


@pytest.mark.parametrize("how", ["removed", "replaced by another life"])
def test_a_life_whose_lease_is_gone_is_over(how: str) -> None:
    async def test(a: Node, b: Node, supervisor: MemoryNodes) -> None:
        if how == "removed":
            await supervisor.remove("a")
        else:
            await supervisor.join(Life("a.2", "a", "ws://a", "", ""))
        with pytest.raises(Evicted):
            await a.membership._renew()

    with_nodes(test)


def test_who_leaves_is_gone_for_the_others_with_the_news() -> None:
    async def test(a: Node, b: Node, _: MemoryNodes) -> None:
        await b.membership.leave()
        assert b.news
        a.membership.hasten()
        await asyncio.sleep(0.05)
        assert a.membership.placement.alone

    with_nodes(test)
