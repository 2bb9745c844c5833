"""The sweep of the log for pushes: what nobody was told of is found, once, from where the last sweep ended."""

from collections.abc import AsyncIterator

import pytest

from actors.placement import Placement
from persistence.messages import postgres
from persistence.nodes.contract import Life
from protocol.ids import Millis
from protocol.shares import Share
from server.cluster.membership import Membership
from server.messages.pushing import MessagePushes
from server.messages.sweep import AGE_MS, GROUPS, PushSweep
from server.notifications.zones import offset_at
from tests.actors.devices import NOW
from tests.server.messages.chat import Chat, chat

HERE = Life("here.1", "here", "", "", "")
THERE = Life("there.1", "there", "", "", "")


class Sweeper:
    """A node's sweep; `settled` is the database's time and what the test adds to it."""

    def __init__(self, chat: Chat, *nodes: Life) -> None:
        self._chat = chat
        self.pushes = MessagePushes(chat.store, lambda _: None, lambda: 0.0, lambda: NOW, offset_at)
        self._membership = Membership(None, HERE, lambda: 0.0)  # type: ignore[arg-type]
        self._membership.placement = Placement(1, {node.incarnation: node.name for node in (HERE, *nodes)})
        self.sweep = PushSweep(chat.store, self.pushes, self._membership)

    async def looks(self, after_s: float) -> int:
        """How many jobs a sweep so many seconds from now writes."""
        before = self.pushes.written["sweep"]
        now = await self._chat.pool.fetchval("select (extract(epoch from statement_timestamp()) * 1000)::bigint")
        self._membership.settled = Millis(now + round(after_s * 1_000))
        await self.sweep.look()
        return self.pushes.written["sweep"] - before


@pytest.fixture
async def one(database: str) -> AsyncIterator[Chat]:
    async with chat(database) as one:
        yield one


async def test_what_reached_nobody_is_pushed_once_when_it_is_ten_seconds_old(one: Chat) -> None:
    await one.says()
    sweeper = Sweeper(one)
    assert [await sweeper.looks(after_s) for after_s in (9, 10.5, 20, 30)] == [0, 1, 0, 0]
    (job,) = await one.jobs(one.ben)
    assert job["content"].body == "hello"


@pytest.mark.parametrize(
    "columns", [{"delivered_c": 1}, {"read_c": 1}, {"pushed_c": 1}], ids=lambda one: next(iter(one))
)
async def test_what_has_reached_its_reader_is_not_pushed(one: Chat, columns: dict[str, int]) -> None:
    await one.says()
    await one.member(one.ben, **columns)
    assert await Sweeper(one).looks(15) == 0


@pytest.mark.parametrize("reaction", [False, True])
async def test_a_reply_to_a_story_is_swept_and_a_reaction_is_not(one: Chat, *, reaction: bool) -> None:
    await one.says("🔥", share=Share("story", "5", reaction))
    assert await Sweeper(one).looks(15) == (not reaction)


async def test_of_many_messages_the_latest_is_pushed(one: Chat) -> None:
    for text in ("one", "two", "three"):
        await one.says(text)
    assert await Sweeper(one).looks(15) == 1
    (job,) = await one.jobs(one.ben)
    assert (job["content"].body, await one.pushed_c(one.ben)) == ("three", 3)


async def test_it_goes_on_page_by_page(one: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "EVENTS_A_SCAN", 2)
    for place in range(11):
        other = await one.person("Dee")
        one.id = await one.opens(one.ben, other)
        await one.says(by=other if place in (2, 6, 7, 10) else one.ben)
    assert await Sweeper(one).looks(15) == 4


async def test_after_an_outage_it_goes_on_where_it_ended(one: Chat) -> None:
    sweeper = Sweeper(one)
    await sweeper.looks(0)
    await one.says()
    assert await Sweeper(one).looks(3_600) == 1


async def test_what_is_older_than_a_push_lives_is_left_alone(one: Chat) -> None:
    sweeper = Sweeper(one)
    await sweeper.looks(0)
    await one.says()
    assert await Sweeper(one).looks(86_400 + 60) == 0


async def test_a_database_that_was_never_swept_is_looked_through_for_a_minute(one: Chat) -> None:
    await one.says()
    assert await Sweeper(one).looks(60 + AGE_MS / 1_000 + 5) == 0


async def test_each_group_of_shards_is_swept_by_one_node_and_none_is_left_out(one: Chat) -> None:
    here, there = Sweeper(one, THERE), Sweeper(one, THERE)
    there._membership.me = THERE.incarnation
    theirs = [set(sweeper.sweep._groups()) for sweeper in (here, there)]
    assert theirs[0] | theirs[1] == set(range(GROUPS))
    assert not theirs[0] & theirs[1]
    await one.says()
    assert [await here.looks(15), await there.looks(15)] in ([1, 0], [0, 1])


async def test_who_has_no_device_is_left_out_and_may_have_one_later(one: Chat) -> None:
    await one.says(by=one.ben)
    sweeper = Sweeper(one)
    assert await sweeper.looks(15) == 0
    assert await one.jobs(one.ann) == []


async def test_a_mark_of_another_node_that_got_further_stands(one: Chat) -> None:
    now = Millis(await one.pool.fetchval("select (extract(epoch from statement_timestamp()) * 1000)::bigint"))
    await one.store.mark_swept([1, 2], now)
    await one.store.mark_swept([2, 3], Millis(now - 5_000))
    assert await one.store.swept([1, 2]) == now
    assert await one.store.swept([2, 3]) == now - 5_000
    assert await one.store.swept([3, 4]) is None
