"""The client for applications: everything a user can do, typed."""

from __future__ import annotations

import random as chance
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Any, Final, Literal, Self

from .addresses import socket_url
from .closing import DETACH, GOODBYE
from .codec import JSON, MSGPACK
from .conversations import (
    History,
    Marks,
    Page,
    Sent,
    read_conversation,
    read_history,
    read_marks,
    read_page,
    read_sent,
)
from .credential import TokenSource
from .driver import Driver
from .errors import AuthenticationFailed
from .event_reading import read_post_count, read_presence, read_tray
from .events import Conversation, Event, Notifications, PostCount, Presence, Share, Tray
from .greeting import APP, PLATFORM, described
from .notifications import read_notifications
from .reading import map_of, maps_of
from .settings import Settings
from .store import MemoryStore, Store, Unsent

EVENTS: Final = 1_024


class Client:
    """One device of one user, connected as long as the `async with` block lasts.

        async with Client("http://127.0.0.1:8080", token=token) as client:
            conversation = await client.open(friend)
            await client.send(conversation.id, "hello")
            async for event in client.events():
                ...

    Entering waits until the server has accepted the token, for ever if it cannot be reached (use `asyncio.timeout`);
    why it waits is said by the logger `tidings_client`. Lost connections come back by themselves; requests wait for
    them. Requests raise Refused (final), OutcomeUnknown (ask again with the same `cid`), QueueFull, the Stopped that
    ended the client, Malformed if the answer makes no sense, or ValueError for what no message can carry. A cancelled
    request that is no send is withdrawn; a cancelled send goes on, and what becomes of it is told by SendEnded.

    An application that is behind misses nothing and may make requests from inside its loop over `events()`: `queue`
    events wait for it, eight times as many while a request is under way, and with those what one more message of the
    server brings. Then the connection is left unread. If no event is taken for 5 s (0.5 s with a request under way),
    what comes is left with the server, while replies are read on, and fetched once half the queue is free.

    `url`: `http(s)://host[:port]`, or the full `ws(s)://` address. `token`: an access token that is good for as long as
    the client; or `token_source`: a coroutine function that gives one, and is told the token that is no longer
    accepted, or None (`accounts.Login` is one); Stopped and Refused from it end the client, OSError, TimeoutError and
    Malformed are tried again. `device`: names this instance, and its place in the stream: give the same one again
    together with the same `store`, but never to two clients at a time. `store`: a MemoryStore unless given; one that
    fails ends the client. `queue`: 0 if nobody will iterate `events()`. `pipeline`: how many sends of one conversation
    may be under way at once, in order all the same. `follow`: False for who cannot reach the nodes' own addresses, and
    is relayed. `background`: whether the application begins there. `codec`: how messages are written. `platform`,
    `app`: shown with the user's logins. `random` gives [0, 1), for the delays of reconnects.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        token_source: TokenSource | None = None,
        device: str | None = None,
        platform: str = PLATFORM,
        app: str = APP,
        store: Store | None = None,
        codec: Literal["msgpack", "json"] = "msgpack",
        follow: bool = True,
        background: bool = False,
        pipeline: int = 1,
        queue: int = EVENTS,
        random: Callable[[], float] = chance.random,
    ) -> None:
        if (token is None) == (token_source is None):
            raise ValueError("give a token or a token_source")
        if pipeline < 1 or queue < 0:
            raise ValueError("a pipeline has room for one at least, and a queue for none")
        self._url = socket_url(url)
        self._codec = {"msgpack": MSGPACK, "json": JSON}[codec]
        self._token_source = token_source or _only(token or "")
        about = described(device or secrets.token_hex(8), platform, app)
        self._settings = Settings(about, follow=follow, background=background, pipeline=pipeline, queue=queue)
        self._store = store or MemoryStore()
        self._random = random
        self._driver: Driver | None = None

    async def __aenter__(self) -> Self:
        """Connects; raises AuthenticationFailed and the other kinds of Stopped."""
        if self._driver is not None and not self._driver.ended:
            raise RuntimeError("the client is open already")
        driver = Driver(self._url, self._codec, self._token_source, self._settings, self._store, self._random)
        await driver.start()
        self._driver = driver
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._running.queue.done()
        await self.close()

    async def close(self) -> None:
        """Says goodbye: offline at once. Whoever still waits gets Closed; unsent messages stay in the store, and events
        that nobody took come again to the next client with it. Raises what made the client fail, if it did."""
        await self._running.leave(GOODBYE)

    async def detach(self) -> None:
        """Leaves as one who comes back: the server holds this device's place for some minutes."""
        await self._running.leave(DETACH)

    @property
    def user(self) -> str:
        """My user id."""
        return self._running.user

    @property
    def outcome(self) -> str:
        """How the last hello was answered: `fresh`, `resumed` or `resync`."""
        return self._running.outcome

    @property
    def position(self) -> tuple[str | None, int]:
        """(epoch, u) of the last event received."""
        return self._running.session.position

    @property
    def heads(self) -> dict[str, int]:
        """Per conversation the place `c` of the last event handed on."""
        return self._running.session.heads

    async def online(self) -> None:
        """Waits until connected; raises the error that stopped the client."""
        await self._running.online()

    def events(self) -> AsyncIterator[Event]:
        """The events, in order, for one reader at a time. Asking for the next says that the last one is dealt with:
        only then is it acknowledged and remembered. Ends when the client is closed; raises any other Stopped."""
        if self._settings.queue == 0:
            raise ValueError("this client was made with queue=0 and keeps no events")
        return self._running.queue

    async def open(self, user: str) -> Conversation:
        """The one direct conversation with this user, made if there is none."""
        return read_conversation(map_of(await self.request("conversation.open", user=user), "conversation"))

    async def create(self, members: Iterable[str], title: str | None = None, *, cid: str | None = None) -> Conversation:
        """A new group of me and these users."""
        fields: dict[str, Any] = {"cid": cid or new_cid(), "members": list(members)}
        if title is not None:
            fields["title"] = title
        return read_conversation(map_of(await self.request("conversation.create", **fields), "conversation"))

    async def get(self, conversation: str) -> Conversation:
        """A conversation's state."""
        return read_conversation(await self.request("conversation.get", conversation=conversation))

    async def conversations(
        self, folder: Literal["inbox", "requests", "archive"] = "inbox", *, before: Any = None, limit: int = 50
    ) -> Page:
        """A page of conversations, newest first; `before` is the `next` of the page before."""
        fields: dict[str, Any] = {"folder": folder, "limit": limit}
        if before is not None:
            fields["before"] = before
        return read_page(await self.request("conversation.list", **fields))

    async def send(
        self,
        conversation: str,
        text: str | None = None,
        *,
        share: Share | None = None,
        cid: str | None = None,
        **content: Any,
    ) -> Sent:
        """Sends a message; returns when it is durable. Sends of one conversation keep the order of these calls.

        `share` is something that I may see; then no text is needed. Raises Refused (`not_found`) if I may not.
        `content`: further fields of `message.send` (`reply_to`, `mentions`, `media`, …), but for `after`, which is the
        client's own. Repeating a call with the `cid` of an earlier one and the same content never sends twice.
        """
        cid = cid or new_cid()
        if text is not None:
            content["text"] = text
        if share is not None:
            content["share"] = {"kind": share.kind, "id": share.id}
        return read_sent(conversation, cid, await self._running.send(Unsent(conversation, cid, content)))

    async def history(
        self, conversation: str, *, after: int | None = None, before: int | None = None, limit: int = 50
    ) -> History:
        """At most `limit` (≤ 100) events after or before a place, exclusive; with neither, the newest ones."""
        fields: dict[str, Any] = {"conversation": conversation, "limit": limit}
        if after is not None:
            fields["after"] = after
        if before is not None:
            fields["before"] = before
        return read_history(await self.request("message.history", **fields))

    async def read(self, conversation: str, c: int) -> None:
        """I have read up to here."""
        await self.request("message.read", conversation=conversation, c=c)

    async def typing(self, conversation: str, kind: Literal["text", "voice", "media", "stop"] = "text") -> None:
        """I type. Never waits and is never answered; dropped while offline and above the server's limit."""
        self._running.typing(conversation, kind)

    async def watch(self, users: Iterable[str], *, conversation: str | None = None) -> tuple[Presence, ...]:
        """Who is on screen, at most 200, in place of those before: how they stand, and `Presence` whenever it changes.

        `conversation`: the one on screen; its other members may see that I look at it. Holds until the next watch: on
        each new connection, and after the background, the client asks again and hands on all as `Presence`."""
        fields: dict[str, Any] = {"users": list(users)}
        if conversation is not None:
            fields["conversation"] = conversation
        answer = await self.request("presence.watch", **fields)
        return tuple(read_presence(person) for person in maps_of(answer, "users"))

    async def watch_posts(self, posts: Iterable[str]) -> tuple[PostCount, ...]:
        """The posts on screen, at most 50, in place of those before: the totals of those that I may see, and
        `PostCount` or `PostRemoved` whenever that changes. Ends with the connection: watch again upon `Online`."""
        answer = await self.request("post.watch", posts=list(posts))
        return tuple(read_post_count(count) for count in maps_of(answer, "posts"))

    async def set_visible(self, visible: bool) -> None:
        """Whether others see when I am here, until it is set again. Who is not visible sees nobody either."""
        await self.request("presence.set", visible=visible)

    async def settings(self, conversation: str, **changes: Any) -> None:
        """Changes my own settings: `mute_until`, `pinned`, `archived`, `send_receipts`, `draft`."""
        await self.request("conversation.settings", conversation=conversation, **changes)

    async def accept(self, conversation: str) -> None:
        """Accepts a request: it moves to my inbox, and from now on the others see how far I have got. Sending does too.

        What I had declined comes back with all that was said meanwhile."""
        await self.request("conversation.accept", conversation=conversation)

    async def decline(self, conversation: str) -> None:
        """Declines a request: it leaves my lists, and no more of it reaches me; nobody is told. Raises Refused
        (`conflict_state`) for what is no request any more."""
        await self.request("conversation.decline", conversation=conversation)

    async def receipts(self, conversation: str) -> tuple[Marks, ...]:
        """How far every member has received and read."""
        return read_marks(await self.request("conversation.receipts", conversation=conversation))

    async def notifications(self, *, before: str | None = None, limit: int = 20) -> Notifications:
        """A page of my notifications, something new first; `before` is the `next` of the page before."""
        fields: dict[str, Any] = {"limit": limit} if before is None else {"limit": limit, "before": before}
        return read_notifications(await self.request("notification.list", **fields))

    async def see(self, up_to: int) -> None:
        """I have seen all notifications whose `updated_at` is not after `up_to`."""
        await self.request("notification.seen", up_to=up_to)

    async def preferences(self, **changes: Any) -> dict[str, Any]:
        """Which notifications I want, after these changes: `channels`, `audience`, `quiet`, `muted`, `pause_until`."""
        return await self.request("notification.preferences", **({"set": changes} if changes else {}))

    async def background(self, on: bool) -> None:
        """The application went to the background: no live events, rarer pings, pushes armed. Kept over reconnects."""
        await self._running.background(on)

    async def tray(self) -> Tray:
        """Whose stories there are for me now."""
        return read_tray(await self.request("story.tray"))

    async def see_story(self, story: str) -> None:
        """I have seen it. Raises Refused (`not_found`) if it is not there for me any more."""
        await self.request("story.seen", story=story)

    async def react(self, story: str, emoji: str, *, cid: str | None = None) -> str:
        """React to somebody's story, which is a message to them; returns its `cid`, with which a repeat says it once.
        Raises Refused (`not_found`) if the story is not there for me any more."""
        cid = cid or new_cid()
        await self.request("story.react", story=story, emoji=emoji, cid=cid)
        return cid

    async def request(self, op: str, **fields: Any) -> dict[str, Any]:
        """Any other operation of the contract; returns its `ok`. What creates needs a `cid` (`new_cid()`)."""
        return await self._running.ask(op, fields)

    def cut(self) -> None:
        """Drops the connection without goodbye, as a tunnel would: for tests of what comes after."""
        self._running.cut()

    @property
    def _running(self) -> Driver:
        if self._driver is None:
            raise RuntimeError("the client is not open: use `async with`")
        return self._driver


def new_cid() -> str:
    """A name for one request and all its retries: 128 random bits."""
    return secrets.token_hex(16)


def _only(token: str) -> TokenSource:
    async def source(stale: str | None) -> str:
        if stale is not None:
            raise AuthenticationFailed("the token has expired, and there is no source of fresh ones")
        return token

    return source
