"""What is told of whom, as nodes, Redis and rights come and go: hours of it in a moment."""

import asyncio

import pytest

from persistence.presence.contract import News
from protocol.ids import UserId
from server.load import Sheds
from tests.server.presence.nodes import PresenceNode, World, with_two_nodes


def test_a_change_on_one_node_is_told_on_the_other() -> None:
    async def test(_: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        assert await a.watch(ada, ben) == ["offline"]
        b.stand(ben, "online")
        await asyncio.sleep(0.2)
        b.stand(ben, "offline", 7_000)
        await asyncio.sleep(0.2)
        assert [(to, event.state, event.last_active_at or 0) for to, event in a.told] == [
            (ada, "online", a.told[0][1].last_active_at or 0),
            (ada, "offline", 7_000),
        ]

    with_two_nodes(test)


@pytest.mark.parametrize("sheds", list(Sheds))
def test_a_node_that_is_late_lets_go_of_presence_after_typing_and_tells_the_last_of_it_later(sheds: Sheds) -> None:
    async def test(_: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        assert await a.watch(ada, ben) == ["offline"]
        a.load.sheds = sheds
        for state in ("online", "idle"):
            b.stand(ben, state)
            await asyncio.sleep(1)
        assert a.states() == (["online", "idle"] if sheds < Sheds.PRESENCE else [])
        a.load.sheds = Sheds.NOTHING
        await asyncio.sleep(1)
        assert a.states() == ([] if sheds < Sheds.PRESENCE else ["idle"])

    with_two_nodes(test)


def test_that_nothing_is_known_any_more_is_let_go_of_too_and_told_later() -> None:
    async def test(world: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        b.stand(ben, "online")
        await asyncio.sleep(1)
        assert await a.watch(ada, ben) == ["online"]
        a.load.sheds = Sheds.PRESENCE
        world.shelf.leave()
        await asyncio.sleep(10)
        assert a.states() == []
        a.load.sheds = Sheds.TYPING
        await asyncio.sleep(1)
        assert a.states() == ["unknown"]

    with_two_nodes(test)


def test_who_comes_while_nobody_watches_is_found() -> None:
    async def test(_: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        b.stand(ben, "online")
        assert await b.watch(ben, ada) == ["offline"]
        await asyncio.sleep(0.2)
        assert await a.watch(ada, ben) == ["online"]

    with_two_nodes(test)


def test_a_short_absence_of_redis_is_told_to_nobody_and_a_longer_one_once() -> None:
    async def test(world: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        b.stand(ben, "online")
        await asyncio.sleep(1)
        assert await a.watch(ada, ben) == ["online"]
        world.shelf.leave()
        await asyncio.sleep(1)
        world.shelf.away = False
        await asyncio.sleep(10)
        assert a.states() == []
        world.shelf.leave()
        await asyncio.sleep(10)
        assert a.states() == ["unknown"]
        assert await a.watch(ada, ben) == ["unknown"]
        b.stand(ben, "idle", 5)
        world.shelf.flush()
        world.shelf.away = False
        await asyncio.sleep(5)
        assert a.states() == ["idle"]

    with_two_nodes(test)


def test_after_flushall_everything_is_written_again_and_nothing_is_told() -> None:
    async def test(world: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        b.stand(ben, "online")
        await asyncio.sleep(1)
        assert await a.watch(ada, ben) == ["online"]
        for _ in range(20):
            world.shelf.flush()
            await asyncio.sleep(13.1)
        assert a.states() == []
        assert await a.watch(ada, ben) == ["online"]
        assert world.shelf.records[ben].state == "online"

    with_two_nodes(test)


def test_who_goes_while_everybody_is_written_again_stays_gone() -> None:
    async def test(world: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        for number in range(1, 501):
            b.stand(UserId(str(int(ben) + number)), "online")
        b.stand(ben, "online")
        await asyncio.sleep(5)
        assert await a.watch(ada, ben) == ["online"]
        # A minute after the node began; hundreds are written before Ben's turn.
        await asyncio.sleep(35.01)
        b.stand(ben, "offline", 7)
        await asyncio.sleep(5)
        assert world.shelf.records[ben].state == "offline"
        assert a.states() == ["offline"]

    with_two_nodes(test)


def test_news_that_went_astray_are_missed_by_their_numbers() -> None:
    async def test(world: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        assert await a.watch(ada, ben) == ["offline"]
        publish, world.shelf.publish = world.shelf.publish, lost  # type: ignore[method-assign, assignment]
        b.stand(ben, "online")
        await asyncio.sleep(0.2)
        world.shelf.publish = publish  # type: ignore[method-assign]
        assert a.states() == []
        await asyncio.sleep(3)
        assert a.states() == ["online"]

    with_two_nodes(test)


def lost(_: News) -> None:
    """Nobody hears it."""


def test_users_of_a_node_that_is_gone_go_offline_all_at_once_and_not_before_they_could_come_back() -> None:
    async def test(world: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        b.stand(ben, "online")
        await asyncio.sleep(1)
        assert await a.watch(ada, ben) == ["online"]
        world.lose("b")
        await asyncio.sleep(9)
        assert a.states() == []
        await asyncio.sleep(5)
        assert a.states() == ["offline"]
        a.stand(ben, "online")
        await asyncio.sleep(0.2)
        assert a.states() == ["online"]

    with_two_nodes(test)


def test_a_node_that_cannot_write_makes_its_users_unknown() -> None:
    async def test(world: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        b.stand(ben, "online")
        await asyncio.sleep(1)
        assert await a.watch(ada, ben) == ["online"]
        b.crash()
        await asyncio.sleep(12)
        assert a.states() == ["unknown"]

    with_two_nodes(test)


def test_a_block_is_heeded_though_nobody_told_of_it_and_nothing_more_is_told() -> None:
    async def test(world: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        b.stand(ben, "online")
        await asyncio.sleep(1)
        assert await a.watch(ada, ben) == ["online"]
        world.sights.blocks[ben, ada] = world.clock()
        b.stand(ben, "idle", 9)
        await asyncio.sleep(3)
        assert {(event.state, event.last_active_at or None) for _, event in a.told} == {("offline", None)}
        assert await a.watch(ada, ben) == ["offline"]

    with_two_nodes(test)


def test_what_is_told_of_a_relation_is_looked_at_on_every_node() -> None:
    async def test(world: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        b.stand(ben, "online")
        await asyncio.sleep(1)
        assert await a.watch(ada, ben) == ["online"]
        world.sights.follows.discard((ben, ada))
        b.presence.related(ben, ada)
        await asyncio.sleep(0.2)
        assert a.states() == ["offline"]

    with_two_nodes(test)


def test_a_stranger_a_blocker_and_a_nobody_are_alike_whatever_happens() -> None:
    async def test(world: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        nobody, stranger = UserId(str(int(ben) + 1)), UserId(str(int(ben) + 2))
        world.sights.blocks[ben, ada] = world.clock()
        for user in (ben, stranger):
            b.stand(user, "online")
        await asyncio.sleep(1)
        people = (ben, nobody, stranger)
        assert await a.watch(ada, *people) == ["offline"] * 3
        world.shelf.leave()
        await asyncio.sleep(10)
        assert await a.watch(ada, *people) == ["unknown"] * 3
        world.shelf.away = False
        for user in (ben, stranger):
            b.stand(user, "idle", 9)
        await asyncio.sleep(10)
        assert await a.watch(ada, *people) == ["offline"] * 3
        told = {user: [e for _, e in a.told if e.user == user] for user in people}
        shapes = {user: {(e.state, e.last_active_at or None) for e in events} for user, events in told.items()}
        assert shapes[ben] == shapes[nobody] == shapes[stranger] == {("unknown", None), ("offline", None)}

    with_two_nodes(test)


def test_who_is_watched_no_more_is_forgotten_and_so_is_whoever_left_without_a_word() -> None:
    async def test(_: World, a: PresenceNode, b: PresenceNode, ada: UserId, ben: UserId) -> None:
        await a.watch(ada, ben)
        del a.standings[ada]
        await asyncio.sleep(90)
        assert a.presence.interests.pairs == 0
        assert list(a.presence.interests) == []

    with_two_nodes(test)
