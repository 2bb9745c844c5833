"""The database in memory fails as Postgres does: what each fault leaves behind."""

import asyncio

import pytest

from persistence.conversations.contract import Outcome, Unit
from persistence.conversations.database import ConnectionLost, Database, Point
from persistence.conversations.memory import MemoryConversations
from protocol.events import MessageSent
from protocol.facts import Said
from protocol.ids import EPOCH, ConversationId, Millis, UserId
from tests.contracts.grounds import opened

ME, OTHER = UserId("1024"), UserId("2048")


class Faults:
    """Loses the connection at one point of a statement, or holds the statement up there."""

    def __init__(self, statement: str, point: Point, *, hold: bool = False) -> None:
        self._at = (statement, point)
        self._hold = hold
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, statement: str, point: Point) -> None:
        if (statement, point) != self._at:
            return
        self.reached.set()
        if not self._hold:
            raise ConnectionLost(f"{statement}: {point}")
        await self.go_on.wait()


class Scene:
    """One conversation, its activation, and a client to whom faults happen."""

    def __init__(self, faults: Faults) -> None:
        self.database = Database(lambda: Millis(EPOCH + 1))
        self.calm = MemoryConversations(self.database)
        self.struck = MemoryConversations(self.database, faults)
        self.id = ConversationId("")

    async def prepare(self) -> None:
        self.id = await opened(self.calm, ME, OTHER)

    def unit(self, fence: int = 0) -> Unit:
        event = MessageSent(conversation=self.id, c=1, sender=ME, cid="cid", at=Millis(1), text="hello")
        return Unit(self.id, fence, 0, (Said(event, 0),))

    @property
    def events(self) -> int:
        return len(self.database.tables.events.get(self.id, []))


async def scene(faults: Faults) -> Scene:
    scene = Scene(faults)
    await scene.prepare()
    return scene


@pytest.mark.parametrize(
    ("point", "stored"),
    [("before", 0), ("sent", 1), ("locked", 0), ("before commit", 0), ("after commit", 1), ("answered", 1)],
)
async def test_a_lost_connection_leaves_the_commit_done_or_undone(point: Point, stored: int) -> None:
    one = await scene(Faults("commit", point))
    with pytest.raises(ConnectionLost):
        await one.struck.commit([one.unit()], wait=False)
    await one.database.settle()
    assert one.events == stored
    again: list[Outcome] = ["known"] if stored else ["committed"]
    assert await one.calm.commit([one.unit()], wait=False) == again


async def test_a_commit_runs_on_when_its_caller_is_gone_and_is_fenced_off_by_the_next_activation() -> None:
    faults = Faults("commit", "locked", hold=True)
    one = await scene(faults)
    commit = asyncio.create_task(one.struck.commit([one.unit()], wait=False))
    await faults.reached.wait()
    commit.cancel()
    activation = asyncio.create_task(one.calm.activate(one.id, [ME], [(ME, "cid")], 0))
    assert await one.calm.commit([one.unit()], wait=False) == ["skipped"]
    assert not activation.done()
    faults.go_on.set()
    state = await activation
    assert commit.cancelled()
    assert state
    assert (state.last_c, [known.c for known in state.known], len(state.missed)) == (1, [1], 1)


async def test_an_activation_before_a_delayed_commit_voids_it() -> None:
    faults = Faults("commit", "before", hold=True)
    one = await scene(faults)
    commit = asyncio.create_task(one.struck.commit([one.unit()], wait=False))
    await faults.reached.wait()
    await one.calm.activate(one.id, [ME], [], None)
    faults.go_on.set()
    assert await commit == ["lost"]
    assert one.events == 0


async def test_those_who_wait_for_a_row_get_it_in_turn_and_see_what_was_committed_before_them() -> None:
    faults = Faults("commit", "before commit", hold=True)
    one = await scene(faults)
    first = asyncio.create_task(one.struck.commit([one.unit()], wait=True))
    await faults.reached.wait()
    rivals = [asyncio.create_task(one.calm.commit([one.unit()], wait=True)) for _ in range(3)]
    assert await one.calm.commit([one.unit()], wait=False) == ["skipped"]
    faults.go_on.set()
    assert [await each for each in (first, *rivals)] == [["committed"], ["lost"], ["lost"], ["lost"]]


@pytest.mark.parametrize(("point", "stored"), [("locked", 0), ("before commit", 0), ("after commit", 1)])
async def test_a_crash_keeps_what_was_committed_and_nothing_else(point: Point, stored: int) -> None:
    faults = Faults("commit", point, hold=True)
    one = await scene(faults)
    commit = asyncio.create_task(one.struck.commit([one.unit()], wait=False))
    await faults.reached.wait()
    waiting = asyncio.create_task(one.calm.activate(one.id, [ME], [], None))
    if not stored:
        assert await one.calm.commit([one.unit()], wait=False) == ["skipped"]
    one.database.crash()
    with pytest.raises(ConnectionLost):
        await commit
    if not stored:
        with pytest.raises(ConnectionLost):
            await waiting
    faults.go_on.set()
    await asyncio.gather(waiting, return_exceptions=True)
    await one.database.settle()
    assert one.events == stored
    assert (await one.calm.commit([one.unit()], wait=False)) == (["known"] if stored else ["committed"])


async def test_ids_do_not_run_out_while_the_clock_stands_still() -> None:
    database = Database(lambda: Millis(EPOCH))
    ids = [int(database.next_id(5)) for _ in range(5_000)]
    assert len(set(ids)) == 5_000
    assert ids == sorted(ids)
    assert {id >> 10 & 8_191 for id in ids} == {5}
