"""What the HTTP interface needs from the node, a group for each capability."""

from collections.abc import Awaitable, Callable, Collection, Sequence

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
from server.http.rates import Rates
from server.media.pictures import Pictures
from server.passwords import Passwords
from server.posts.posting import Posting
from server.push.endpoints import EndpointRules
from server.revocations import Revocations
from server.stories.posting import StoryPosting
from server.stories.relating import Relating
from server.tokens import Caller, Tokens
from server.uploads.uploads import Uploads


class Entry(Struct, frozen=True, kw_only=True):
    """Who may come in: browsers from `origins`, addresses told by `trusted_proxies`, as often as `rates` say. A
    request's body must be there within `body_s`."""

    origins: frozenset[str] = frozenset()
    trusted_proxies: tuple[Network, ...] = ()
    rates: Rates = Rates()
    body_s: float = 10.0


class Accounts(Struct, frozen=True, kw_only=True):
    """`random` is a cryptographic source of bytes. A refresh token unused for `refresh_s` is void."""

    people: PeopleStore
    tokens: Tokens
    passwords: Passwords
    revocations: Revocations
    random: Callable[[int], bytes]
    refresh_s: int


class Relations(Struct, frozen=True, kw_only=True):
    """`changed` is told that two people, or one and anybody, have become something else to each other, `fenced` which
    conversations have to learn of a block, `trays` what that makes of who sees whose stories. Who has nobody else to be
    suggested is suggested those called `introduce`."""

    graph: GraphStore
    changed: Callable[[UserId, UserId | None], None]
    fenced: Callable[[Collection[ConversationId]], None]
    trays: Relating
    introduce: Sequence[str] = ()


class PushTargets(Struct, frozen=True, kw_only=True):
    """`vapid_key` is what browsers subscribe with, empty while no Web Push is sent."""

    devices: DeviceStore
    endpoints: EndpointRules
    vapid_key: str = ""


class Contents(Struct, frozen=True, kw_only=True):
    """What people show each other."""

    posts: Posting
    engagement: Engagement
    stories: StoryPosting
    uploads: Uploads
    pictures: Pictures


class Services(Struct, frozen=True, kw_only=True):
    """`ask` carries out an op for a caller, `home` is the node where a user's sockets belong.

    `ready` says why the node cannot do its job, or None when it can.
    `clock` is milliseconds since 1970, `monotonic` seconds.
    """

    accounts: Accounts
    relations: Relations
    push: PushTargets
    contents: Contents
    ask: Callable[[Caller, AnyRequest], Awaitable[Ok | Refusal]]
    home: Callable[[UserId], Life]
    ready: Callable[[], Awaitable[str | None]]
    clock: Callable[[], Millis]
    monotonic: Callable[[], float]
    entry: Entry = Entry()
