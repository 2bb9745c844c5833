"""What a push would be shown in vain for is looked at when it is expanded, and again when it is claimed."""

from collections.abc import AsyncIterator
from typing import cast

import pytest

from persistence.conversations.postgres import PostgresConversations
from persistence.notifications.postgres import PostgresNotifications
from persistence.people.contract import ProfileChange, SignedIn
from protocol.ids import ConversationId
from protocol.preferences import PreferencesChange
from tests.contracts.grounds import opened
from tests.contracts.notification_grounds import Desk, likes
from tests.contracts.push_grounds import PostgresPushGround, a_push, a_token, push_ground

REASONS = [
    ("update member set read_c = 5 where user_id = $1", "read"),
    ("update member set left_c = 4 where user_id = $1", "left"),
    ("delete from member where user_id = $1", "left"),
    ("update member set folder = 'requests' where user_id = $1", "not accepted"),
    (
        "update member set settings = jsonb_build_object('mute_until',"
        " (extract(epoch from now()) * 1000)::bigint + 60000) where user_id = $1",
        "muted",
    ),
    ("insert into relation (user_id, kind, target) values ($1, 'block', $2)", "unwanted"),
    ("insert into relation (user_id, kind, target) values ($1, 'mute', $2)", "unwanted"),
    ("insert into relation (user_id, kind, target) values ($1, 'restrict', $2)", "unwanted"),
    ("insert into relation (user_id, kind, target) values ($2, 'block', $1)", "unwanted"),
]
WANTED = [
    "update member set read_c = 4 where user_id = $1",
    "update member set settings = '{\"mute_until\": 1}' where user_id = $1",
    "insert into relation (user_id, kind, target) values ($2, 'mute', $1)",
    "insert into relation (user_id, kind, target) values ($1, 'close_friend', $2)",
]


@pytest.fixture
async def ground(module_database: str) -> AsyncIterator[PostgresPushGround]:
    async with push_ground(module_database) as ground:
        yield cast(PostgresPushGround, ground)


@pytest.fixture
async def ada(ground: PostgresPushGround) -> SignedIn:
    ada = await ground.person()
    await ground.devices.register(ada.user, ada.login, a_token(), None)
    return ada


@pytest.fixture
async def bob(ground: PostgresPushGround) -> SignedIn:
    return await ground.person()


@pytest.fixture
async def talk(ground: PostgresPushGround, ada: SignedIn, bob: SignedIn) -> ConversationId:
    """A push of c 5 of their conversation waits."""
    talk = await opened(PostgresConversations(ground.pool), bob.user, ada.user)
    await ground.pool.execute("update member set folder = 'inbox' where conversation = $1", int(talk))
    await ground.pushes.request([a_push(ada.user, conversation=talk, c=5, sender=bob.user)])
    return talk


async def happens(ground: PostgresPushGround, statement: str, ada: SignedIn, bob: SignedIn) -> None:
    people = (int(ada.user), int(bob.user)) if "$2" in statement else (int(ada.user),)
    await ground.pool.execute(statement, *people)


@pytest.mark.parametrize(("statement", "reason"), REASONS)
async def test_what_happened_before_a_job_was_due_drops_it(
    ground: PostgresPushGround, ada: SignedIn, bob: SignedIn, talk: ConversationId, statement: str, reason: str
) -> None:
    await happens(ground, statement, ada, bob)
    assert await ground.pushes.expand(9) == {reason: 1}


@pytest.mark.parametrize(("statement", "reason"), REASONS)
async def test_what_happened_before_an_attempt_drops_the_delivery(
    ground: PostgresPushGround, ada: SignedIn, bob: SignedIn, talk: ConversationId, statement: str, reason: str
) -> None:
    assert await ground.pushes.expand(9) == {"expanded": 1}
    await happens(ground, statement, ada, bob)
    assert await ground.pushes.claim("apns", 9, 1_000) == ([], {reason: 1})


@pytest.mark.parametrize("statement", WANTED)
async def test_what_does_not_concern_it_leaves_it(
    ground: PostgresPushGround, ada: SignedIn, bob: SignedIn, talk: ConversationId, statement: str
) -> None:
    await happens(ground, statement, ada, bob)
    assert await ground.pushes.expand(9) == {"expanded": 1}
    assert len((await ground.pushes.claim("apns", 9, 1_000))[0]) == 1


async def test_a_request_that_was_declined_is_not_pushed(
    ground: PostgresPushGround, ada: SignedIn, bob: SignedIn, talk: ConversationId
) -> None:
    await happens(ground, "update member set folder = 'declined' where user_id = $1", ada, bob)
    request = a_push(ada.user, "request", kind="message_request", conversation=talk, c=5, sender=bob.user)
    await ground.pushes.request([request])
    assert await ground.pushes.expand(9) == {"not accepted": 2}


async def test_what_its_reader_has_set_comes_with_a_message(
    ground: PostgresPushGround, ada: SignedIn, bob: SignedIn, talk: ConversationId
) -> None:
    change = PreferencesChange({"message": {"push": False}})
    preferences = await PostgresNotifications(ground.pool).prefer(ada.user, change)
    await ground.pool.execute("insert into follow (follower, followee) values ($1, $2)", int(ada.user), int(bob.user))
    await ground.pushes.expand(9)
    [delivery], _ = await ground.pushes.claim("apns", 9, 1_000)
    assert (delivery.preferences, delivery.sender, delivery.follows) == (preferences, bob.user, True)


async def test_a_notification_that_was_seen_or_is_gone_is_not_pushed(ground: PostgresPushGround, ada: SignedIn) -> None:
    for id in ("78", "79", "80"):
        await ground.notify(ada.user, id)
        await ground.pushes.request([a_push(ada.user, id, notification=id)])
    await ground.pool.execute("update notification set seen = true where id = 78")
    assert await ground.pushes.expand(9) == {"seen": 1, "expanded": 2}
    await ground.pool.execute("delete from notification where id = 79")
    [delivery], dropped = await ground.pushes.claim("apns", 9, 1_000)
    assert (delivery.notification, dropped) == ("80", {"seen": 1})


async def test_a_push_for_several_notifications_goes_out_until_all_of_them_are_seen_or_gone(
    ground: PostgresPushGround, ada: SignedIn, bob: SignedIn
) -> None:
    desk, cyd = Desk(PostgresNotifications(ground.pool)), await ground.person()
    await desk.fold(*likes([bob.user], ada.user, "one"), *likes([cyd.user], ada.user, "two"))
    await ground.pool.execute("update notification set held = true, due_at = 0 where user_id = $1", int(ada.user))
    await desk.close()
    assert await ground.pushes.expand(9) == {"expanded": 1}
    (_, seen), (_, gone) = desk.told
    await ground.pool.execute("update notification set seen = true where id = $1", seen)
    [delivery], _ = await ground.pushes.claim("apns", 9, 0)
    assert (delivery.collapse, delivery.notification) == ("notifications", None)
    await ground.pool.execute("delete from notification where id = $1", gone)
    assert await ground.pushes.claim("apns", 9, 0) == ([], {"seen": 1})


async def test_a_message_request_is_pushed_though_it_is_not_accepted(
    ground: PostgresPushGround, ada: SignedIn, bob: SignedIn, talk: ConversationId
) -> None:
    await happens(ground, "update member set folder = 'requests' where user_id = $1", ada, bob)
    request = a_push(ada.user, "request", kind="message_request", conversation=talk, c=5, sender=bob.user)
    await ground.pushes.request([request])
    assert await ground.pushes.expand(9) == {"expanded": 1, "not accepted": 1}


async def test_who_wants_no_content_on_a_locked_screen_gets_plain_pushes(
    ground: PostgresPushGround, ada: SignedIn
) -> None:
    for setting, plain in ((True, False), (False, True)):
        await ground.people.change(ada.user, ProfileChange(settings={"push_content": setting}))
        await ground.pushes.request([a_push(ada.user, str(plain))])
        await ground.pushes.expand(9)
        [delivery], _ = await ground.pushes.claim("apns", 9, 60_000)
        assert delivery.plain is plain
