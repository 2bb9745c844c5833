"""Messages that share a story: its author hears of a reply or a reaction exactly as surely as the message is there."""

from collections.abc import AsyncIterator

import asyncpg
import msgspec
import pytest

from persistence.conversations.contract import Unit
from persistence.conversations.postgres import PostgresConversations
from persistence.outbox.contract import Event
from persistence.pool import open_pool
from protocol.activity import Activity
from protocol.events import MessageSent
from protocol.facts import Said
from protocol.ids import ConversationId, Millis, UserId
from protocol.shares import Share
from protocol.stories import StoryShared
from tests.story_ground import StoryGround

_shared = msgspec.msgpack.Decoder(StoryShared).decode
_activity = msgspec.msgpack.Decoder(Activity).decode


@pytest.fixture
async def ground(database: str) -> AsyncIterator[StoryGround]:
    async with open_pool(database, 2) as pool:
        yield StoryGround(pool)


def unit(id: ConversationId, fence: int, c: int, sender: UserId, share: Share, text: str = "x" * 4_000) -> Unit:
    """The next message of a conversation."""
    event = MessageSent(conversation=id, c=c, sender=sender, cid=f"cid {c}", at=Millis(7), text=text, share=share)
    return Unit(id, fence, c - 1, (Said(event, 0),))


async def told(ground: StoryGround) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await ground.pool.fetch(
        "select id, body from outbox where topic = 'story_share' order by id"
    )
    return rows


async def test_what_is_told_is_told_by_the_commit_and_only_if_it_counts(ground: StoryGround) -> None:
    ada, bob = await ground.person(), await ground.person()
    story = await ground.post(ada)
    store = PostgresConversations(ground.pool)
    id = await store.open(bob, ada)
    assert id
    at = await store.activate(id, [bob], [], None)
    assert at
    first = unit(id, at.fence, 1, bob, Share("story", story))
    assert await store.commit([first], wait=True) == ["committed"]
    assert await store.commit([first], wait=True) == ["known"]
    assert await store.commit([unit(id, at.fence - 1, 2, bob, Share("story", story))], wait=True) == ["lost"]
    assert await store.commit([unit(id, at.fence, 2, bob, Share("post", story))], wait=True) == ["committed"]
    [row] = await told(ground)
    shared = _shared(row["body"])
    assert (shared.story, shared.conversation, shared.c, shared.sender, shared.reaction) == (story, id, 1, bob, False)
    assert len(shared.text) == 200


async def test_its_author_has_one_activity_for_each_reply_and_one_for_all_reactions(ground: StoryGround) -> None:
    ada, bob, eve = await ground.person(), await ground.person(), await ground.person()
    story, other = await ground.post(ada), await ground.post(eve)
    store = PostgresConversations(ground.pool)
    id = await store.open(bob, ada)
    assert id
    at = await store.activate(id, [bob], [], None)
    assert at
    said = [
        (bob, Share("story", story, reaction=True), "🔥"),
        (bob, Share("story", story), "where?"),
        # Her own story, and somebody else's, are no replies to her.
        (ada, Share("story", story), "there"),
        (bob, Share("story", other), "and this?"),
        (bob, Share("story", story, reaction=True), "❤️"),
    ]
    units = [unit(id, at.fence, c, *one) for c, one in enumerate(said, 1)]
    for one in units:
        assert await store.commit([one], wait=True) == ["committed"]
    events = [Event(row["id"], Millis(0), row["body"]) for row in await told(ground)]
    for _ in range(2):
        await ground.telling.shared(events)
    activities = [_activity(body) for _, body in ground.added]
    keys = [(one.kind, one.actor, one.recipient, one.target, one.deed, one.text) for one in activities]
    assert keys == 2 * [
        ("story_reaction", bob, ada, story, "", "🔥"),
        ("story_reply", bob, ada, story, f"{id}:2", "where?"),
        ("story_reaction", bob, ada, story, "", "❤️"),
    ]
