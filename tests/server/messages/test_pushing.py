"""Pushes for messages: who has one, what it says, and that it is once; on a real Postgres."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors.effects import Asked
from actors.user import User
from actors.user_commands import SetBackground
from persistence.messages.contract import Recipient
from persistence.messages.postgres import PostgresMessagePushes
from persistence.notifications.postgres import PostgresNotifications
from protocol.events import MessageSent, ReadMoved
from protocol.ids import ConversationId, UserId
from protocol.preferences import PreferencesChange, QuietHours
from protocol.shares import Share
from server.messages.pushing import MessagePushes
from server.messages.waiting import HOLD_S
from server.notifications.zones import offset_at
from tests.actors.devices import NOW, POLICY, attach
from tests.server.messages.chat import Chat, chat, place_of
from tests.until import until


class Home:
    """The home of some users, by a clock that the test moves; `front` are those with a screen before them."""

    def __init__(self, chat: Chat) -> None:
        self.time = 100.0
        self.actors: dict[UserId, User] = {}
        self.pushes = MessagePushes(chat.store, self.actors.get, lambda: self.time, lambda: NOW, offset_at)

    def connects(self, user: UserId, *, background: bool = False) -> None:
        actor = self.actors[user] = User(user, "e", POLICY)
        actor.handle(attach(1, background=background), NOW)

    def hides(self, user: UserId) -> None:
        """Their application goes to the background."""
        self.actors[user].handle(SetBackground(Asked(1, 2), True), NOW)

    async def tell(self, chat: Chat, message: MessageSent, *users: UserId) -> None:
        self.pushes.told(users or (chat.ann, chat.ben), message)
        await self.settle()

    async def settle(self) -> None:
        """Write what is due by now."""
        await self.pushes.write_due()


@pytest.fixture
async def one(module_database: str) -> AsyncIterator[Chat]:
    async with chat(module_database) as one:
        yield one


async def test_a_message_for_somebody_who_is_away_is_a_job_that_is_due(one: Chat) -> None:
    message = await one.says("hello, Ben")
    await Home(one).tell(one, message)
    (job,) = await one.jobs(one.ben)
    assert (job["key"], job["collapse"], job["kind"]) == (place_of(one.id, 1), f"conversation:{one.id}", "message")
    assert (job["sender"], job["conversation"], job["c"]) == (int(one.ann), int(one.id), 1)
    content = job["content"]
    assert (content.title, content.body, content.plain, content.badge) == ("Ann", "hello, Ben", "New message", 1)
    assert content.urgent
    assert job["hold_s"] == 0
    assert await one.jobs(one.ann) == []
    assert await one.pushed_c(one.ben) == 1


async def test_a_reaction_to_a_story_is_no_job_and_a_reply_is_one(one: Chat) -> None:
    home = Home(one)
    await home.tell(one, await one.says("🔥", share=Share("story", "5", reaction=True)))
    assert await one.jobs(one.ben) == []
    await home.tell(one, await one.says("and what is that?", share=Share("story", "5")))
    (job,) = await one.jobs(one.ben)
    assert job["content"].body == "and what is that?"


async def test_a_message_that_is_told_again_is_pushed_once(one: Chat) -> None:
    message, home = await one.says(), Home(one)
    for _ in range(3):
        await home.tell(one, message)
    await Home(one).tell(one, message)
    assert len(await one.jobs(one.ben)) == 1


async def test_two_nodes_that_tell_the_same_at_once_write_one_job(one: Chat) -> None:
    message, homes = await one.says(), [Home(one) for _ in range(4)]
    await asyncio.gather(*(home.tell(one, message) for home in homes))
    assert len(await one.jobs(one.ben)) == 1


async def test_somebody_without_a_device_has_no_job_and_is_not_asked_about_again_at_once(one: Chat) -> None:
    message, home = await one.says(by=one.ben), Home(one)
    await home.tell(one, message)
    assert await one.jobs(one.ann) == []
    assert not home.pushes.waiting.reachable(one.ann)
    await one.registers(one.ann)
    for _ in range(3):
        home.time += 3
        await home.settle()
    await home.tell(one, message)
    assert len(await one.jobs(one.ann)) == 1


MUTED = json.dumps({"mute_until": round(time.time() * 1_000) + 3_600_000})
MUTED_ONCE = json.dumps({"mute_until": 1_000})


@pytest.mark.parametrize(
    ("columns", "count"),
    [
        ({"read_c": 1}, 0),
        ({"left_c": 1}, 0),
        ({"joined_c": 2}, 0),
        ({"settings": MUTED}, 0),
        ({"pushed_c": 1}, 0),
        ({"settings": MUTED_ONCE}, 1),
        ({"delivered_c": 1}, 1),
    ],
    ids=["read", "left", "joined later", "muted", "pushed", "no longer muted", "delivered"],
)
async def test_who_does_not_need_a_push_has_none(one: Chat, columns: dict[str, Any], count: int) -> None:
    message = await one.says()
    await one.member(one.ben, **columns)
    await Home(one).tell(one, message)
    assert len(await one.jobs(one.ben)) == count


@pytest.mark.parametrize("kind", ["block", "mute", "restrict"])
async def test_of_whom_somebody_does_not_want_to_hear_nothing_is_pushed(one: Chat, kind: str) -> None:
    await one.relates(one.ben, kind, one.ann)
    await Home(one).tell(one, await one.says())
    assert await one.jobs(one.ben) == []


async def test_a_request_is_told_without_its_text_and_once_until_it_is_looked_at(one: Chat) -> None:
    home = Home(one)
    await one.member(one.ben, folder="requests")
    await one.pool.execute("update account set settings = $2 where id = $1", int(one.ben), '{"locale": "de-AT"}')
    await home.tell(one, await one.says("buy now"))
    await home.tell(one, await one.says("buy now!"))
    (job,) = await one.jobs(one.ben)
    assert job["kind"] == "message_request"
    content = job["content"]
    assert (content.title, content.body, content.plain) == ("Ann", *["Neue Nachrichtenanfrage"] * 2)
    assert not content.urgent
    await one.member(one.ben, read_c=2)
    await home.tell(one, await one.says("buy now!!"))
    assert [job["c"] for job in await one.jobs(one.ben)] == [1, 3]


async def test_in_a_group_who_spoke_stands_before_the_text_and_who_is_named_has_a_mention(module_database: str) -> None:
    async with chat(module_database, group="Climbing") as one:
        await one.registers(one.cyd)
        message = await one.says("rope?", mentions=(one.cyd,))
        await Home(one).tell(one, message, one.ann, one.ben, one.cyd)
        ((ben,), (cyd,)) = await one.jobs(one.ben), await one.jobs(one.cyd)
        assert (ben["kind"], cyd["kind"]) == ("message", "mention")
        assert (ben["content"].title, ben["content"].body) == ("Climbing", "Ann: rope?")


async def test_of_a_quiet_night_the_latest_message_of_a_conversation_alerts_and_only_when_it_is_over(one: Chat) -> None:
    minute = NOW // 60_000 % 1_440
    quiet = QuietHours("UTC", minute, (minute + 30) % 1_440)
    await PostgresNotifications(one.pool).prefer(one.ben, PreferencesChange(quiet=quiet))
    home = Home(one)
    for text in ("good night", "are you asleep?"):
        await home.tell(one, await one.says(text))
    first, second = await one.jobs(one.ben)
    assert (first["state"], first["reason"]) == ("dropped", "superseded")
    assert (second["state"], second["content"].body) == ("waiting", "are you asleep?")
    assert 29 * 60 < second["hold_s"] <= 30 * 60


async def test_who_wants_no_push_for_messages_has_no_job(one: Chat) -> None:
    await PostgresNotifications(one.pool).prefer(one.ben, PreferencesChange({"message": {"push": False}}))
    await Home(one).tell(one, await one.says())
    assert await one.jobs(one.ben) == []


async def test_who_wants_mail_needs_no_device(one: Chat) -> None:
    change = PreferencesChange({"message": {"push": False, "email": True}})
    await PostgresNotifications(one.pool).prefer(one.ben, change)
    await one.pool.execute("delete from device where user_id = $1", int(one.ben))
    await Home(one).tell(one, await one.says())
    assert [job["channels"] for job in await one.jobs(one.ben)] == [["email"]]


async def test_to_somebody_at_a_screen_it_is_held_and_pushed_when_they_do_not_read(one: Chat) -> None:
    message, home = await one.says(), Home(one)
    home.connects(one.ben)
    await home.tell(one, message)
    home.time += HOLD_S - 0.01
    await home.settle()
    assert await one.jobs(one.ben) == []
    home.time += 0.02
    await home.settle()
    assert len(await one.jobs(one.ben)) == 1
    assert home.pushes.waiting.held == 1


@pytest.mark.parametrize("heard", [True, False], ids=["and this node hears", "unheard"])
async def test_what_is_read_while_it_is_held_is_not_pushed(one: Chat, heard: bool) -> None:
    message, home = await one.says(), Home(one)
    home.connects(one.ben)
    await home.tell(one, message)
    await one.member(one.ben, read_c=1)
    if heard:
        home.pushes.told([one.ben], ReadMoved(one.id, 1))
    home.time += HOLD_S + 0.01
    await home.settle()
    assert await one.jobs(one.ben) == []


async def test_a_device_in_the_background_holds_nothing(one: Chat) -> None:
    home = Home(one)
    home.connects(one.ben, background=True)
    await home.tell(one, await one.says())
    home.connects(one.ben)
    await home.tell(one, await one.says())
    assert len(await one.jobs(one.ben)) == 1
    home.hides(one.ben)
    await home.tell(one, await one.says("what was held goes along"))
    assert [job["c"] for job in await one.jobs(one.ben)] == [1, 3]


async def test_a_node_that_ends_writes_what_is_held_due_when_its_hold_is_over(one: Chat) -> None:
    home = Home(one)
    home.connects(one.ben)
    await home.tell(one, await one.says())
    home.time += 2
    await home.pushes.drain()
    (job,) = await one.jobs(one.ben)
    assert job["hold_s"] == pytest.approx(HOLD_S - 2, abs=0.01)


async def test_a_member_whose_marks_are_being_written_is_asked_again_and_nobody_waits(one: Chat) -> None:
    message, home = await one.says(), Home(one)
    async with one.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "update member set delivered_c = 1 where conversation = $1 and user_id = $2", int(one.id), int(one.ben)
        )
        again = await home.pushes.push([Recipient(one.ben, message, 1)], "live")
        assert [recipient.user for recipient in again] == [one.ben]
    assert await one.jobs(one.ben) == []
    assert await home.pushes.push(again, "live") == []
    assert len(await one.jobs(one.ben)) == 1


async def test_the_badge_counts_conversations_in_which_somebody_else_has_said_something_unread(one: Chat) -> None:
    home = Home(one)
    await home.tell(one, await one.says())
    assert (await one.jobs(one.ben))[-1]["content"].badge == 1
    first, one.id = one.id, ConversationId("0")
    one.id = await one.opens(one.ben, one.cyd)
    await one.says(by=one.cyd)
    one.id = await one.opens(one.ben, await one.person("Dee"))
    await one.says(by=one.ben)
    one.id = first
    await home.tell(one, await one.says())
    assert (await one.jobs(one.ben))[-1]["content"].badge == 2


async def test_the_badge_counts_what_others_said_before_oneself_and_nothing_but_messages(one: Chat) -> None:
    home, first = Home(one), one.id
    one.id = await one.opens(one.ben, one.cyd)
    await one.says(by=one.cyd)
    await one.says(by=one.ben)
    one.id = await one.opens(one.ben, dee := await one.person("Dee"))
    await one.says(by=dee)
    await one.pool.execute("update event set kind = 2 where conversation = $1", int(one.id))
    one.id = first
    await home.tell(one, await one.says())
    assert (await one.jobs(one.ben))[-1]["content"].badge == 2


async def test_the_badge_counts_an_old_conversation_beside_hundreds_of_newer_ones(one: Chat) -> None:
    await one.pool.execute(
        "with made as (insert into conversation (id, kind, at) select $1::bigint + (n << 33), 'group', 0"
        " from generate_series(1, 300) n returning id)"
        " insert into member (conversation, user_id, role) select id, $2, 'member' from made",
        int(one.id),
        int(one.ben),
    )
    home = Home(one)
    await home.tell(one, await one.says())
    assert (await one.jobs(one.ben))[-1]["content"].badge == 1


async def test_a_job_is_written_within_a_second_once_the_database_is_back(one: Chat) -> None:
    away, asked = itertools.count(), Home(one)
    store = PostgresMessagePushes(one.pool, one.pool, lambda: next(away) > 0)
    pushes = MessagePushes(store, lambda _: None, lambda: asked.time, lambda: NOW, offset_at)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(pushes.run())
        pushes.told([one.ben], await one.says())
        await until(lambda: pushes.written["live"] == 1)
        task.cancel()
    assert len(await one.jobs(one.ben)) == 1


async def test_more_members_than_one_statement_takes_have_their_jobs(module_database: str) -> None:
    async with chat(module_database, group="All") as one:
        members = [await one.person("Guest") for _ in range(300)]
        for member in members:
            await one.registers(member)
            await one.pool.execute(
                "insert into member (conversation, user_id, role) values ($1, $2, 'member')", int(one.id), int(member)
            )
        home = Home(one)
        await home.tell(one, await one.says(), *members)
        count = await one.pool.fetchval("select count(*) from push_job where conversation = $1", int(one.id))
        assert count == home.pushes.written["live"] == 300
