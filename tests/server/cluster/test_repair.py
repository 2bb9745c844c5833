"""The log scan: what other nodes made durable and did not tell reaches the users here, whatever the reason is."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from msgspec import UNSET

from actors.effects import user_address
from persistence.conversations.database import ConnectionLost, Point
from persistence.nodes.contract import RECENT_MS
from protocol.codec import Encoded
from protocol.events import MessageSent, ReadMoved, ReceiptMoved, SettingsChanged
from protocol.facts import Choice
from protocol.ids import ConversationId, UserId
from server.cluster.frames import ToUsers
from tests.contracts.grounds import chosen, marked, opened, said
from tests.server.part import LEASE_S, THERE, Part, with_part


class Talk:
    """A conversation of somebody here, who is connected, with somebody at home elsewhere."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.here, self.there = part.at_home(here=True), part.at_home(here=False)
        self.id = ConversationId("")

    async def begin(self) -> "Talk":
        self.id = await self.part.open(self.here, self.there)
        self.part.attach(self.here)
        await asyncio.sleep(0.1)
        return self

    async def said(self, c: int) -> None:
        await self.part.stored(self.id, self.there, said(self.id, c, self.there))

    @property
    def heard(self) -> list[int]:
        return [event.c for _, event in self.part.sockets.told if isinstance(event, MessageSent)]


async def _hole(part: Part) -> None:
    part.hears(2)


async def _silence(part: Part) -> None:
    part.silence()


async def _no_bus(part: Part) -> None:
    part.line.connected = False
    part.cluster.bus_lost()


async def _death(part: Part) -> None:
    await part.leases.remove(THERE.name)
    part.cluster.hasten()


REASONS: dict[str, Callable[[Part], Awaitable[None]]] = {
    "a hole": _hole,
    "a silent node": _silence,
    "no bus": _no_bus,
    "a node that was seen to die": _death,
}


@pytest.mark.parametrize("reason", REASONS)
def test_what_was_stored_untold_is_told_within_two_seconds(reason: str) -> None:
    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        await talk.said(1)
        await asyncio.sleep(1)
        assert not talk.heard
        await REASONS[reason](part)
        await asyncio.sleep(2.5)
        assert talk.heard == [1]
        assert part.cluster.repair.events == 1

    with_part(test)


@pytest.mark.parametrize("reason", ["a silent node", "no bus"])
def test_as_long_as_it_lasts_what_comes_later_is_told_too(reason: str) -> None:
    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        await REASONS[reason](part)
        for c in range(1, 6):
            await talk.said(c)
            await asyncio.sleep(2.5)
            assert talk.heard == list(range(1, c + 1))

    with_part(test)


def test_what_is_told_by_a_link_is_not_told_again() -> None:
    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        await talk.said(1)
        part.hears(1, ToUsers((talk.here,), Encoded(said(talk.id, 1, talk.there).event).msgpack))
        await asyncio.sleep(0.1)
        assert talk.heard == [1]
        part.hears(3)
        await asyncio.sleep(2)
        assert talk.heard == [1]
        assert part.cluster.repair.scans > 0
        assert part.cluster.repair.events == 0

    with_part(test)


def test_the_connections_of_a_dead_life_are_ended_before_the_log_is_read() -> None:
    scans: list[list[str]] = []

    async def test(part: Part) -> None:
        scan = part.cluster.repair._store.scan

        async def noted(*asked: object) -> object:
            scans.append(list(part.ended))
            return await scan(*asked)  # type: ignore[arg-type]

        part.cluster.repair._store.scan = noted  # type: ignore[method-assign, assignment]
        await _death(part)
        await asyncio.sleep(1)
        assert scans
        assert all(THERE.incarnation in ended for ended in scans)

    with_part(test)


def test_a_node_that_does_not_renew_is_gone_after_its_lease_and_what_it_left_is_told() -> None:
    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        await talk.said(1)
        renew = part.leases.renew

        async def renewed(incarnation: str, confirmed: int) -> object:
            return None if incarnation == THERE.incarnation else await renew(incarnation, confirmed)

        part.leases.renew = renewed  # type: ignore[method-assign, assignment]
        await asyncio.sleep(LEASE_S + 2.5)
        assert part.cluster.membership.placement.alone
        assert talk.heard == [1]

    with_part(test)


def test_what_a_node_never_knew_that_it_had_stored_is_told_after_its_end_however_long_ago_it_was() -> None:
    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        part.told = part.database.now()
        await talk.said(1)
        await asyncio.sleep(60)
        assert not talk.heard
        await _death(part)
        await asyncio.sleep(2.5)
        assert talk.heard == [1]

    with_part(test)


def test_what_was_stored_while_a_placement_spread_is_told_when_all_have_agreed() -> None:
    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        await talk.said(1)
        part.cluster.agreed(part.database.now())
        await asyncio.sleep(0.5)
        assert talk.heard == [1]

    with_part(test)


def test_who_is_no_member_at_that_place_is_not_told() -> None:
    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        stranger = UserId(str(int(talk.here) + 1))
        part.attach(stranger, connection=2)
        await talk.said(1)
        await _hole(part)
        await asyncio.sleep(1.5)
        assert [connection for connection, _ in part.sockets.told] == [1]

    with_part(test)


def test_marks_and_settings_are_told_and_marks_never_fall() -> None:
    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        await talk.said(1)
        await talk.said(2)
        settings = SettingsChanged(talk.id, draft="later")
        await part.stored(talk.id, talk.there, marked(talk.id, talk.there, 2, 1), chosen(talk.here, settings))
        await part.stored(talk.id, talk.here, marked(talk.id, talk.here, UNSET, 2))
        await _hole(part)
        await asyncio.sleep(2)
        told = [event for _, event in part.sockets.told if not isinstance(event, MessageSent)]
        assert ReceiptMoved(talk.id, talk.there, 2, 1) in told
        assert ReadMoved(talk.id, 2) in told
        # A scan tells all that stands.
        assert SettingsChanged(talk.id, draft="later", folder="inbox") in told
        part.sockets.told.clear()
        late = ReceiptMoved(talk.id, talk.there, 1, 1)
        part.cluster.router.deliver((user_address(talk.here),), late)
        part.hears(9)
        await asyncio.sleep(2)
        assert not [event for _, event in part.sockets.told if isinstance(event, ReceiptMoved | ReadMoved)]

    with_part(test)


def test_who_has_read_nothing_by_an_older_look_is_not_told_to_have_read_nothing() -> None:
    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        router = part.cluster.router
        router.deliver((user_address(talk.here),), ReceiptMoved(talk.id, talk.there, UNSET, 5))
        router.tell_here([talk.here], Encoded(ReceiptMoved(talk.id, talk.there, 4, 0)))
        await asyncio.sleep(0.1)
        told = [event for _, event in part.sockets.told if isinstance(event, ReceiptMoved)]
        assert told == [ReceiptMoved(talk.id, talk.there, UNSET, 5), ReceiptMoved(talk.id, talk.there, 4)]

    with_part(test)


@pytest.mark.parametrize("scanned", [True, False], ids=["a scan", "a writer"])
def test_what_is_told_late_brings_back_nothing_that_was_set_before(scanned: bool) -> None:
    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        earlier, later = Choice(talk.id, pinned=True, draft="to", v=1), Choice(talk.id, draft="to ben", v=2)
        part.cluster.router.deliver((user_address(talk.here),), later)
        if scanned:
            part.cluster.router.tell_here([talk.here], Encoded(earlier))
        else:
            part.hears(1, ToUsers((talk.here,), Encoded(earlier).msgpack))
        part.cluster.router.deliver((user_address(talk.here),), later)
        await asyncio.sleep(0.1)
        told = [event for _, event in part.sockets.told if isinstance(event, SettingsChanged)]
        assert told == [SettingsChanged(talk.id, draft="to ben"), SettingsChanged(talk.id, pinned=True)]

    with_part(test)


def test_a_scan_tells_the_settings_that_stand_and_not_again_what_was_told_since() -> None:
    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        first, second = SettingsChanged(talk.id, pinned=True, draft="to"), SettingsChanged(talk.id, draft="to ben")
        await part.stored(talk.id, talk.there, chosen(talk.here, first), chosen(talk.here, second, 2))
        part.cluster.router.deliver((user_address(talk.here),), Choice(talk.id, draft="to carl", v=3))
        await _hole(part)
        await asyncio.sleep(2)
        told = [event for _, event in part.sockets.told if isinstance(event, SettingsChanged)]
        stands = SettingsChanged(talk.id, pinned=True, folder="inbox")
        assert told == [SettingsChanged(talk.id, draft="to carl"), stands]

    with_part(test)


def test_a_scan_tells_what_became_of_a_request_to_the_devices_of_who_judged_it_and_of_one_that_waits_nothing() -> None:
    async def test(part: Part) -> None:
        here, there = part.at_home(here=True), part.at_home(here=False)
        waits = await opened(part.store, there, here)
        declined = (await part.store.create(there, "group", [here], None, 0, True)).event.conversation  # type: ignore[union-attr]
        part.attach(here)
        await part.stored(waits, there, marked(waits, here, 0, 0, shown=False))
        await part.stored(declined, here, chosen(here, SettingsChanged(declined, folder="declined")))
        await _hole(part)
        await asyncio.sleep(2)
        told = [event for _, event in part.sockets.told if isinstance(event, SettingsChanged)]
        assert told == [SettingsChanged(declined, folder="declined")]

    with_part(test)


def test_choices_have_no_number_for_whoever_is_told_of_them_by_a_node_that_is_alone() -> None:
    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        await _death(part)
        await asyncio.sleep(RECENT_MS / 1_000 + 2)
        assert not part.cluster.membership.shared
        part.cluster.router.deliver((user_address(talk.here),), Choice(talk.id, draft="to", v=3))
        await asyncio.sleep(0.1)
        assert [event for _, event in part.sockets.told] == [SettingsChanged(talk.id, draft="to")]

    with_part(test)


def test_what_a_scan_has_found_lets_no_marks_fall_that_the_last_node_has_told_since() -> None:
    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        await talk.said(1)
        await _death(part)
        await asyncio.sleep(1)
        assert part.cluster.membership.placement.alone
        later, earlier = ReceiptMoved(talk.id, talk.there, 4), ReceiptMoved(talk.id, talk.there, 2)
        part.cluster.router.deliver((user_address(talk.here),), later)
        part.cluster.router.tell_here([talk.here], Encoded(earlier))
        await asyncio.sleep(0.1)
        assert [event for _, event in part.sockets.told if isinstance(event, ReceiptMoved)] == [later]

    with_part(test)


def test_a_scan_that_fails_is_made_again() -> None:
    failures = iter(range(3))

    async def away(statement: str, point: Point) -> None:
        if statement == "scan" and point == "before" and next(failures, None) is not None:
            raise ConnectionLost(statement)

    async def test(part: Part) -> None:
        talk = await Talk(part).begin()
        await talk.said(1)
        await _hole(part)
        await asyncio.sleep(5)
        assert talk.heard == [1]
        assert next(failures, None) is None

    with_part(test, away)
