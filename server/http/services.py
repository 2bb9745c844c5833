"""What the HTTP interface needs from the node, and what a handler gets to see of one request."""

from collections.abc import Awaitable, Callable, Collection
from typing import Any

from msgspec import Struct

from config.values import Network
from persistence.graph.contract import GraphStore
from persistence.nodes.contract import Life
from persistence.people.contract import PeopleStore
from persistence.push.devices import DeviceStore
from protocol.errors import Refusal
from protocol.ids import ConversationId, Millis, UserId
from protocol.replies import Ok
from protocol.requests import AnyRequest
from server.engagement.engagement import Engagement
from server.http.rates import Rate
from server.media.pictures import Pictures
from server.passwords import Passwords
from server.posts.posting import Posting
from server.push.endpoints import EndpointRules
from server.revocations import Revocations
from server.stories.posting import StoryPosting
from server.stories.relating import Relating
from server.tokens import Caller, Tokens
from server.uploads.uploads import Uploads

Ask = Callable[[Caller, AnyRequest], Awaitable[Ok | Refusal]]


class Rates(Struct, frozen=True, kw_only=True):
    """How often one may ask: each login; each address without a login; each address, each username, to get one; and
    for pictures each viewer.

    The limit by username slows guessing from many addresses. Who wants to can use it up and so keep its owner from
    signing in anew; logins that exist are not touched, as exchanging a refresh token does not count.
    """

    login: Rate = Rate("login", 200, 20)
    address: Rate = Rate("address", 200, 20)
    sign_up: Rate = Rate("sign-up", 100, 0.1)
    sign_in: Rate = Rate("sign-in", 60, 1)
    viewer: Rate = Rate("viewer", 2_000, 200)
    username: Rate = Rate("username", 10, 1 / 6)


class Services(Struct, frozen=True, kw_only=True):
    """`ask` carries out an op for a caller, `home` is the node where a user's sockets belong.

    `related` is told that two people, or one and anybody, have become something else to each other, `fenced` which
    conversations have to learn of a block.
    `stories` and `trays` are None where nothing of them is served.
    `vapid_key` is what browsers subscribe with, empty while no Web Push is sent.
    `ready` says why the node cannot do its job, or None when it can.
    `clock` is milliseconds since 1970, `monotonic` seconds, `random` a cryptographic source of bytes. A refresh token
    unused for `refresh_s` is void; a request's body must be there within `body_s`.
    """

    people: PeopleStore
    graph: GraphStore
    devices: DeviceStore
    endpoints: EndpointRules
    tokens: Tokens
    passwords: Passwords
    revocations: Revocations
    ask: Ask
    engagement: Engagement
    home: Callable[[UserId], Life]
    related: Callable[[UserId, UserId | None], None]
    fenced: Callable[[Collection[ConversationId]], None]
    uploads: Uploads
    media: Pictures
    ready: Callable[[], Awaitable[str | None]]
    clock: Callable[[], Millis]
    monotonic: Callable[[], float]
    random: Callable[[int], bytes]
    posting: Posting
    refresh_s: int
    stories: StoryPosting | None = None
    trays: Relating | None = None
    vapid_key: str = ""
    origins: frozenset[str] = frozenset()
    trusted_proxies: tuple[Network, ...] = ()
    rates: Rates = Rates()
    body_s: float = 10.0


class Call(Struct, frozen=True):
    """One request, read: `body`, `query` and `place` are of the route's types. `spend_username` counts a sign-in."""

    body: Any
    query: Any
    place: Any
    spend_username: Callable[[str], Refusal | None]


Answer = Struct | bytes | Refusal
"""A struct to be encoded, a document that is encoded, or a refusal."""

OpenHandler = Callable[[Services, Call], Awaitable[Answer]]
Handler = Callable[[Services, Caller, Call], Awaitable[Answer]]
