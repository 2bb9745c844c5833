"""The HTTP interface with everything real but the database, the clock and the ops behind it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, assert_never, cast

import msgspec
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from argon2 import PasswordHasher
from msgspec import UNSET

from config.objects import Uploads as Granted
from persistence.conversations.database import Database
from persistence.graph.memory import GraphTables, MemoryGraph
from persistence.media.postgres import PostgresMedia
from persistence.nodes.contract import Life
from persistence.objects.local import LocalObjects
from persistence.people.memory import MemoryPeople
from persistence.pool import Pool
from persistence.posts.reading import PostReader
from persistence.push.memory import MemoryDevices
from persistence.stories.moving import PostgresMovingStories
from persistence.stories.postgres import PostgresStories
from persistence.uploads.postgres import PostgresUploads
from protocol.conversations import Conversation, Member, MemberSettings
from protocol.errors import ID_REUSED, NOT_FOUND, Refusal
from protocol.events import AnyLogEvent, MessageSent
from protocol.ids import EPOCH, ConversationId, Millis, UserId
from protocol.notifications import Notifications
from protocol.posts import Posts
from protocol.preferences import DEFAULTS, changed
from protocol.replies import Conversations, Done, History, Marks, Ok, Opened, Receipts, Sent, SyncPage
from protocol.requests import (
    AcceptConversation,
    Ack,
    AnyRequest,
    Background,
    ChangePreferences,
    ChangeSettings,
    CreateConversation,
    DeclineConversation,
    GetConversation,
    GetFeed,
    GetHistory,
    GetReceipts,
    Hello,
    ListConversations,
    ListNotifications,
    MarkRead,
    OpenConversation,
    ReactToStory,
    SeeNotifications,
    SeeStory,
    SendMessage,
    SetPresence,
    StoryTray,
    Sync,
    Type,
    WatchPosts,
    WatchPresence,
)
from protocol.trays import Tray
from server.engagement.engagement import Engagement
from server.engagement.watching import Watching
from server.http import HANDLING, Services, make_app
from server.http.services import Accounts, Contents, Entry, PushTargets, Relations
from server.media.addresses import MediaAddresses
from server.media.pictures import Pictures
from server.passwords import Passwords
from server.posts.posting import Posting
from server.push.endpoints import EndpointRules
from server.revocations import Revocations
from server.stories.posting import StoryPosting
from server.stories.relating import Relating
from server.stories.showing import StoryShowing
from server.tokens import Caller, Tokens
from server.uploads.progress import Progress
from server.uploads.uploads import Uploads
from tests.server.http.empty import EMPTY

KEY = ("1", b"k" * 32)
PASSWORD = "correct horse"
LIFE_S = 900
ORIGIN = "https://app.example.com"
HOME = Life("life", "node-1:8081", "ws://node-1:8081/v1/socket", "node-1:8081", "node-1:8181")

Client = TestClient[web.Request, web.Application]


def posting(pool: Pool) -> Posting:
    """The posts of a database."""
    reader = PostReader(pool, lambda viewer, media: f"/v1/media/{media}/{{variant}}?viewer={viewer}")
    return Posting(pool, reader, lambda: None)


def engagement(pool: Pool) -> Engagement:
    """The likes and comments of a database."""
    watching = Watching(
        pool, lambda connection: None, lambda audience, event: None, lambda user, gone: None, lambda: False
    )
    return Engagement(pool, PostReader(pool, lambda viewer, media: media), watching)


class Talks:
    """Ops on one conversation for each caller and partner, just so far that answers have their real shapes."""

    def __init__(self) -> None:
        self.asked: list[tuple[Caller, AnyRequest]] = []
        self.logs: dict[ConversationId, list[AnyLogEvent]] = {}
        self.refusal: Refusal | None = None
        self.fault: Exception | None = None

    async def ask(self, caller: Caller, request: AnyRequest) -> Ok | Refusal:
        self.asked.append((caller, request))
        if self.fault:
            raise self.fault
        if self.refusal:
            return self.refusal
        match request:
            case OpenConversation():
                return Opened(self._see(caller, self._open(str(max(int(caller.user), int(request.user))))))
            case CreateConversation():
                return Opened(self._see(caller, self._open(str(int.from_bytes(request.cid[:7].encode()) + 1))))
            case ListConversations():
                return Conversations([self._see(caller, id) for id in self.logs][: request.limit])
            case Sync():
                return SyncPage([self._see(caller, id) for id in request.heads if id in self.logs], Millis(EPOCH))
            case Hello() | Background() | WatchPresence() | SetPresence() | WatchPosts() | Type() | Ack():
                return Refusal("bad_request", "op: this one belongs to a socket")
            case ListNotifications():
                return Notifications(0, [])
            case GetFeed():
                return Posts([])
            case SeeNotifications() | SeeStory():
                return Done()
            case StoryTray():
                return Tray([])
            case ReactToStory():
                return Sent(1, Millis(EPOCH))
            case ChangePreferences():
                return DEFAULTS if request.set is UNSET else changed(DEFAULTS, request.set)
            case _ if request.conversation not in self.logs:
                return NOT_FOUND
            case GetConversation():
                return self._see(caller, request.conversation)
            case GetReceipts():
                return Receipts((Marks(caller.user),))
            case GetHistory():
                return History(self.logs[request.conversation][: request.limit], False)
            case SendMessage():
                return self._send(caller, request)
            case MarkRead() | ChangeSettings() | AcceptConversation() | DeclineConversation():
                return Done()
            case _:
                assert_never(request)

    def _open(self, id: str) -> ConversationId:
        self.logs.setdefault(ConversationId(id), [])
        return ConversationId(id)

    def _see(self, caller: Caller, id: ConversationId) -> Conversation:
        return Conversation(
            id=id,
            kind="direct",
            members=(Member(caller.user, "member", 0),),
            last_c=len(self.logs[id]),
            joined_c=0,
            read_c=0,
            unread=0,
            folder="inbox",
            settings=MemberSettings(),
            at=Millis(EPOCH),
        )

    def _send(self, caller: Caller, request: SendMessage) -> Sent | Refusal:
        log = self.logs[request.conversation]
        for event in log:
            if isinstance(event, MessageSent) and (event.sender, event.cid) == (caller.user, request.cid):
                return Sent(event.c, event.at, True) if event.text == request.text else ID_REUSED
        mentions = UNSET if request.mentions is UNSET else tuple(request.mentions)
        log.append(
            MessageSent(
                conversation=request.conversation,
                c=len(log) + 1,
                sender=caller.user,
                cid=request.cid,
                at=Millis(EPOCH),
                text=request.text,
                reply_to=request.reply_to,
                mentions=mentions,
            )
        )
        return Sent(len(log), Millis(EPOCH))


class Stack:
    """`services` may be replaced before `served`; `now_s` moves both clocks."""

    def __init__(self, seed: int = 1) -> None:
        self.now_s = 1_795_219_200.0
        self.ready: str | None = None
        self.home = HOME
        self.talks = Talks()
        self.ended: list[str] = []
        self._random = Random(seed)
        self.people = MemoryPeople(self.clock, self._random)
        self.tables = GraphTables(self.people.accounts)
        self.graph = MemoryGraph(Database(self.clock), self.tables)
        self.tokens = Tokens([KEY], LIFE_S, self.clock)
        self.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.revocations = Revocations(self.people, self.ended.append, LIFE_S, self.monotonic)
        self.addresses = {"push.example.com": ["203.0.114.7"]}
        self.devices = MemoryDevices(self.clock, lambda user, login: not self.revocations.is_revoked(login))
        self.related: list[tuple[UserId, UserId | None]] = []
        self.fences: list[list[ConversationId]] = []
        self.engagement = engagement(EMPTY)
        objects, none = LocalObjects(Path("/nowhere")), cast(Pool, None)
        self.services = Services(
            accounts=Accounts(
                people=self.people,
                tokens=self.tokens,
                passwords=self.passwords,
                revocations=self.revocations,
                random=self._random.randbytes,
                refresh_s=30 * 86_400,
            ),
            relations=Relations(
                graph=self.graph,
                changed=lambda *pair: self.related.append(pair),
                fenced=lambda ids: self.fences.append(list(ids)),
                trays=Relating(
                    PostgresStories(EMPTY), PostgresMovingStories(EMPTY, lambda: True), lambda user, event: None
                ),
            ),
            push=PushTargets(devices=self.devices, endpoints=EndpointRules(self.lookup)),
            contents=Contents(
                posts=posting(EMPTY),
                engagement=self.engagement,
                stories=self._stories(EMPTY),
                # Those by tus are tested on a database; direct ones are refused before it is asked.
                uploads=Uploads(
                    objects,
                    PostgresUploads(none),
                    Progress(lambda audience, event: None),
                    Granted(),
                    self.monotonic,
                ),
                pictures=Pictures(MediaAddresses([KEY], self.clock), PostgresMedia(none), objects),
            ),
            ask=self.talks.ask,
            home=lambda user: self.home,
            ready=self.is_ready,
            clock=self.clock,
            monotonic=self.monotonic,
            entry=Entry(origins=frozenset([ORIGIN])),
        )

    def clock(self) -> Millis:
        return Millis(round(self.now_s * 1_000))

    def monotonic(self) -> float:
        return self.now_s

    async def lookup(self, host: str) -> list[str]:
        """The addresses of a host, as its name server says them."""
        if host not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return self.addresses[host]

    async def is_ready(self) -> str | None:
        return self.ready

    def keep_in(self, pool: Pool) -> None:
        """Posts, stories and engagement in a database. Only before `served`."""
        self.engagement = engagement(pool)
        self.change("contents", posts=posting(pool), stories=self._stories(pool), engagement=self.engagement)

    def _stories(self, pool: Pool) -> StoryPosting:
        return StoryPosting(PostgresStories(pool), StoryShowing(MediaAddresses([KEY], self.clock)), lambda: None)

    def change(self, group: str, **changes: Any) -> None:
        """Replace some services of a group."""
        changed = msgspec.structs.replace(getattr(self.services, group), **changes)
        self.services = msgspec.structs.replace(self.services, **{group: changed})

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """What answers some of the routes runs meanwhile."""
        works = [asyncio.create_task(work) for work in self.engagement.works()]
        yield
        for work in works:
            work.cancel()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Client]:
        server = TestServer(make_app(self.services))
        await server.start_server(**HANDLING)
        async with self.working(), TestClient(server) as client:
            yield client
        self.passwords.close()


class Person:
    """Somebody who is signed in, as their client sees it."""

    def __init__(self, client: Client, username: str, credentials: dict[str, Any]) -> None:
        self._client = client
        self.username = username
        self.user: str = credentials["user"]
        self.token: str = credentials["access_token"]
        self.refresh_token: str = credentials["refresh_token"]

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def call(self, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        """The answer of a request that must end with this status."""
        return await call(self._client, method, path, body, status, **self.headers, **headers)


async def call(client: Client, method: str, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
    async with client.request(method, path, json=body, headers=headers) as response:
        text = await response.text()
        assert response.status == status, text
        return msgspec.json.decode(text) if text else None


@asynccontextmanager
async def connected(client: Client) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare connection, for what no HTTP client would send."""
    reader, writer = await asyncio.open_connection(client.host, client.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def sign_up(client: Client, username: str = "ada") -> Person:
    body = {"username": username, "password": PASSWORD}
    return Person(client, username, await call(client, "POST", "/v1/accounts", body, 201))
