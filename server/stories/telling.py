"""Telling: trays that are open hear of stories that begin and end, and close friends are notified."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from actors.effects import Address, user_address
from persistence.outbox.contract import Event
from persistence.stories.moving import Moved, PostgresMovingStories
from protocol.activity import ACTIVITY, Activity
from protocol.ids import Millis, UserId
from protocol.live import TrayChanged
from protocol.media import MediaSettled
from protocol.stories import LIFE_MS, StoryShared
from protocol.trays import StoryId

AT_ONCE = 400
"""Activities that are written at once."""
LOOKED_AT = 50
"""Stories that are looked at by one statement, which may count 10,000 followers of each."""
TELLING_S = 3.0
"""How long is told live of one message from the outbox, of the time that a handler has: what is beyond is in trays."""

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
        self.told = self.let_go = 0

    async def settled(self, events: Sequence[Event]) -> None:
        """Pictures are ready, or never will be."""
        await self._store.settle([_settled(event.body).media for event in events])
        self._published()

    async def moved(self, events: Sequence[Event]) -> None:
        """Stories were published or deleted. Close friends are notified of all; live is told what there is time for."""
        ids = list(dict.fromkeys(StoryId(event.body.decode("ascii")) for event in events))
        recent = list[Moved]()
        for start in range(0, len(ids), LOOKED_AT):
            looked = await self._store.look(ids[start : start + LOOKED_AT], self._most + 1)
            changed = [moved for moved in looked if moved.there or moved.deleted]
            await self._notify([moved for moved in changed if moved.story.close_friends])
            recent += [moved for moved in changed if moved.recent]
        until = asyncio.get_running_loop().time() + TELLING_S
        for number, moved in enumerate(recent):
            if asyncio.get_running_loop().time() > until:
                self.let_go += len(recent) - number
                return
            await self.tell(moved)

    async def ended(self, id: StoryId) -> None:
        """It is over."""
        for moved in await self._store.look([id], self._most + 1):
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

    async def _notify(self, stories: Sequence[Moved]) -> None:
        """A notification for each close friend who follows, or its end."""
        bodies = list[bytes]()
        for moved in stories:
            async for some in self._store.audience(moved, there=moved.there):
                bodies += [_begun(moved, user) for user in some.users]
                while len(bodies) >= AT_ONCE:
                    await self._add(ACTIVITY, bodies[:AT_ONCE])
                    del bodies[:AT_ONCE]
        if bodies:
            await self._add(ACTIVITY, bodies)


def _begun(moved: Moved, user: UserId) -> bytes:
    """Told to a close friend, or taken back."""
    return _encode(
        Activity(
            kind="close_friend_post",
            actor=moved.author,
            recipient=user,
            target=moved.story.id,
            at=Millis(moved.story.expires_at - LIFE_MS),
            undone=moved.deleted,
        )
    )


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
