"""Telling: trays that are open hear of stories that begin and end, and close friends are notified."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from actors.effects import Address, user_address
from persistence.outbox.contract import Event
from persistence.stories.moving import Moved, PostgresMovingStories
from protocol.activity import ACTIVITY, Activity
from protocol.events import TrayChanged
from protocol.ids import Millis, UserId
from protocol.media import MediaSettled
from protocol.stories import LIFE_MS, StoryShared
from protocol.trays import StoryId

AT_ONCE = 400
"""Activities that are written at once."""

Deliver = Callable[[tuple[Address, ...], TrayChanged], None]
Add = Callable[[str, Sequence[bytes]], Awaitable[None]]
"""Writes events of a topic to the outbox."""

_encode = msgspec.msgpack.Encoder().encode
_settled = msgspec.msgpack.Decoder(MediaSettled).decode
_shared = msgspec.msgpack.Decoder(StoryShared).decode


class Telling:
    """The consumer of the topics STORY, MEDIA and STORY_SHARED. Handlers raise `UnavailableError`, and may be called
    again: devices and the notifier know a repeat. `published` is called when there may be a story to tell of, `most` is
    how many followers are told of one: whose author has more finds it on looking."""

    def __init__(
        self,
        store: PostgresMovingStories,
        deliver: Deliver,
        add: Add,
        published: Callable[[], None],
        most: int,
    ) -> None:
        self._store = store
        self._deliver = deliver
        self._add = add
        self._published = published
        self._most = most
        self.told = 0

    async def settled(self, events: Sequence[Event]) -> None:
        """Pictures are ready, or never will be."""
        await self._store.settle([_settled(event.body).media for event in events])
        self._published()

    async def moved(self, events: Sequence[Event]) -> None:
        """Stories were published or deleted."""
        for id in dict.fromkeys(StoryId(event.body.decode("ascii")) for event in events):
            moved = await self._store.look(id, self._most + 1)
            if moved and (moved.there or moved.deleted):
                await self.tell(moved)
                if moved.story.close_friends:
                    await self._notify(moved)

    async def ended(self, id: StoryId) -> None:
        """It is over."""
        if moved := await self._store.look(id, self._most + 1):
            await self.tell(moved)

    async def shared(self, events: Sequence[Event]) -> None:
        """Messages share stories: one to the story's author is a reply, or a reaction. Its cause is the message in the
        log, with which the event was written."""
        shared = [_shared(event.body) for event in events]
        activities = [_answer(one, author) for one, author in await self._store.addressed(shared)]
        if activities:
            await self._add(ACTIVITY, activities)

    async def tell(self, moved: Moved) -> None:
        """Whoever has it in a tray, or is to have it there, as far as they are here."""
        changed = TrayChanged("add" if moved.there else "remove", moved.author, (moved.story,))
        self._deliver((user_address(moved.author),), changed)
        if moved.followers > self._most and not moved.story.close_friends:
            return
        async for some in self._store.audience(moved, there=moved.there):
            users = some.listening if moved.there else some.users
            self.told += len(users)
            if users:
                self._deliver(tuple(map(user_address, users)), changed)

    async def _notify(self, moved: Moved) -> None:
        """A notification for each close friend who follows, or its end."""
        at = Millis(moved.story.expires_at - LIFE_MS)
        async for some in self._store.audience(moved, there=moved.there):
            bodies = [
                _encode(
                    Activity(
                        kind="close_friend_post",
                        actor=moved.author,
                        recipient=user,
                        target=moved.story.id,
                        at=at,
                        undone=moved.deleted,
                    )
                )
                for user in some.users
            ]
            for start in range(0, len(bodies), AT_ONCE):
                await self._add(ACTIVITY, bodies[start : start + AT_ONCE])


def _answer(one: StoryShared, author: UserId) -> bytes:
    """Who reacts again has reacted; every reply is one more."""
    deed = "" if one.reaction else f"{one.conversation}:{one.c}"
    return _encode(
        Activity(
            kind="story_reaction" if one.reaction else "story_reply",
            actor=one.sender,
            recipient=author,
            target=one.story,
            deed=deed,
            at=one.at,
            text=one.text,
        )
    )
