"""One simulated person: talks, answers, follows back, posts, likes, comments, tells and watches stories."""

import asyncio
import random
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from server.demo.figures import Figures
from server.demo.people import CAPTIONS, COMMENTS, EMOJI, GREETINGS, LINES
from server.demo.pictures import STORY, draw
from tidings_client import Client, Graph, Login, Message, Notification, Offline, TidingsError, new_cid
from tidings_client.engagement import Engagement
from tidings_client.feed import Feed
from tidings_client.posts import Posts
from tidings_client.stories import Stories
from tidings_client.uploads import Uploads

THINKS_S = 2.5
LOOKS_S = 20.0
"""How often somebody looks at their feed and at the stories."""
SHOWS_S = 20.0
"""How often anybody of all of them posts or tells a story: each costs a core half a second to make its sizes."""
FAULTS = (TidingsError, OSError)
"""What may happen to anything while nodes are restarted; it is done another time then."""

# One at a time: each takes a core, and 100 MB while it is drawn.
_DRAWING = ThreadPoolExecutor(1, "drawing")


async def _drawn(size: tuple[int, int] | None = None) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(_DRAWING, draw, random.getrandbits(48), size)


class Person:
    """Somebody of `people` (their ids) who knows `friends`, who are some of them."""

    def __init__(
        self, url: str, name: str, login: Login, friends: Sequence[str], people: Iterable[str], figures: Figures
    ) -> None:
        self.user = login.tokens.user
        self._known = set(people)
        self._client = Client(url, token_source=login, device=f"demo-{name}", app="tidings demo")
        self._friends = friends
        self._figures = figures
        self._graph, self._posts = Graph(login), Posts(login)
        self._feed, self._engagement = Feed(login), Engagement(login)
        self._stories, self._uploads = Stories(login), Uploads(login)
        self._looked_at: set[str] = set()

    async def live(self, shows_s: float) -> None:
        """Until cancelled; post or tell a story every `shows_s` seconds or so."""
        async with self._client as client, asyncio.TaskGroup() as group:
            self._figures.online += 1
            try:
                group.create_task(self._listen(client))
                group.create_task(self._look(client))
                group.create_task(self._show(shows_s))
                while True:
                    await asyncio.sleep(random.expovariate(1 / THINKS_S))
                    with suppress(*FAULTS):
                        conversation = await client.open(random.choice(self._friends))
                        await self._say(client, conversation.id, random.choice(LINES))
            finally:
                self._figures.online -= 1

    async def befriend(self) -> None:
        """Follow whom one knows; to follow again changes nothing."""
        for friend in self._friends:
            with suppress(*FAULTS):
                await self._graph.follow(friend)

    async def post(self) -> None:
        """A picture with some words."""
        with suppress(*FAULTS):
            jpeg = await _drawn()
            await self._posts.create([await self._uploads.upload(jpeg)], random.choice(CAPTIONS))
            self._figures.posts += 1

    async def tell(self) -> None:
        """A story."""
        with suppress(*FAULTS):
            jpeg = await _drawn(STORY)
            await self._stories.post(await self._uploads.upload(jpeg), cid=new_cid())
            self._figures.stories += 1

    async def look_at_feed(self) -> None:
        """Like and comment what is new there."""
        with suppress(*FAULTS):
            for post in (await self._feed.page(limit=10)).items:
                if post.id not in self._looked_at:
                    self._looked_at.add(post.id)
                    await self._judge(post.id)

    async def _judge(self, post: str) -> None:
        if random.random() < 0.6:
            await self._engagement.like(post)
            self._figures.likes += 1
        if random.random() < 0.2:
            await self._engagement.comment(post, random.choice(COMMENTS))
            self._figures.comments += 1

    async def _look(self, client: Client) -> None:
        while True:
            await asyncio.sleep(random.expovariate(1 / LOOKS_S))
            await self.look_at_feed()
            await self._watch_stories(client)

    async def _watch_stories(self, client: Client) -> None:
        with suppress(*FAULTS):
            for entry in (await client.tray()).entries[:5]:
                for story in entry.stories:
                    if story.seen or entry.author == self.user:
                        continue
                    await client.see_story(story.id)
                    self._figures.seen += 1
                    if random.random() < 0.1:
                        await client.react(story.id, random.choice(EMOJI))

    async def _show(self, shows_s: float) -> None:
        while True:
            await asyncio.sleep(random.expovariate(1 / shows_s))
            await (self.post() if random.random() < 0.7 else self.tell())

    async def _listen(self, client: Client) -> None:
        async for event in client.events():
            match event:
                case Message() if event.sender != client.user:
                    self._figures.arrived += 1
                    await self._answer(client, event)
                case Notification(kind="follow"):
                    for newcomer in set(event.actors) - self._known:
                        await self._greet(client, newcomer)
                case Offline():
                    self._figures.reconnects += 1

    async def _answer(self, client: Client, message: Message) -> None:
        with suppress(*FAULTS):
            await client.read(message.conversation, message.c)
        if random.random() < 0.3:
            await self._say(client, message.conversation, random.choice(LINES))

    async def _greet(self, client: Client, newcomer: str) -> None:
        """Follow back, once, say hello, and show something: it comes while they look."""
        self._known.add(newcomer)
        with suppress(*FAULTS):
            # They are named again with whoever comes after them, also to a demo that was started since.
            if (await self._graph.relation(newcomer)).state != "none":
                return
            await self._graph.follow(newcomer)
            conversation = await client.open(newcomer)
            await self._say(client, conversation.id, random.choice(GREETINGS))
        await self.post()

    async def _say(self, client: Client, conversation: str, words: str) -> None:
        with suppress(*FAULTS):
            await client.typing(conversation)
            began = time.monotonic()
            await client.send(conversation, words)
            self._figures.acked(time.monotonic() - began)
