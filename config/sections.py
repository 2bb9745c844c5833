"""Every setting as one frozen struct of sections; `config/example.toml` explains each, `config.settings` loads them.

A setting `gateway.ping_ms` stands in TOML as `ping_ms` under `[gateway]` and in the environment as
`TIDINGS_GATEWAY__PING_MS`. Names end in their unit; sizes without one are bytes.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from config.objects import Media, Objects, Uploads
from config.push import Push
from config.values import (
    Address,
    NatsUrl,
    Network,
    Origin,
    PeerAddress,
    PostgresUrl,
    RedisUrl,
    SigningKey,
    SocketUrl,
    Username,
)

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Bytes = Annotated[int, Meta(ge=4_096, le=1 << 40)]
MAX_SERVER_MESSAGE = 262_144


class Node(Struct, frozen=True, kw_only=True):
    """Where a node listens, how others reach it, and whom it believes about a client's address.

    A supervisor's nodes have numbers from 1 and share `listen`; number 0 is a node without a supervisor.
    """

    listen: Address = Address("127.0.0.1:8080")
    private: Address = Address("127.0.0.1:8180")
    url: SocketUrl = SocketUrl("")
    address: PeerAddress = PeerAddress("")
    trusted_proxies: tuple[Network, ...] = ()

    def own_port(self, number: int) -> int:
        """The port on which the node of that number alone accepts sockets."""
        return self.listen.port + number

    def address_of(self, number: int) -> Address:
        """Where the other nodes reach the sockets of the node of that number; also its name."""
        port = self.own_port(number)
        return self.address.of(port) if self.address else self.listen.at(port)

    def url_of(self, number: int) -> SocketUrl:
        """Where clients are sent who shall reach the node of that number."""
        port = self.own_port(number)
        return self.url.of(port) or SocketUrl(f"ws://{self.listen.at(port)}/v1/socket")

    def private_of(self, number: int) -> Address:
        """Where the node of that number, from 1, listens privately when a supervisor runs it."""
        return self.private.at(self.listen.port + 100 + number)


class Postgres(Struct, frozen=True, kw_only=True):
    """The database that is the truth."""

    url: PostgresUrl = PostgresUrl("")
    connections: Annotated[int, Meta(ge=10, le=500)] = 16


class Nats(Struct, frozen=True, kw_only=True):
    """The bus between the nodes, which only hastens: without one they read the log every second, and the outbox too."""

    url: NatsUrl = NatsUrl("")


class Redis(Struct, frozen=True, kw_only=True):
    """Where presence is shared between nodes: without one it is unknown."""

    url: RedisUrl = RedisUrl("")


class Tokens(Struct, frozen=True, kw_only=True):
    """What access tokens are signed with, the first key signing and all of them verifying, and how long they live."""

    keys: tuple[SigningKey, ...] = ()
    access_s: Annotated[int, Meta(ge=1, le=86_400)] = 900
    refresh_s: Annotated[int, Meta(ge=60, le=31_536_000)] = 2_592_000

    @property
    def secrets(self) -> list[tuple[str, bytes]]:
        """The id and the secret of each key."""
        return [(key.kid, key.secret_bytes) for key in self.keys]


class Gateway(Struct, frozen=True, kw_only=True):
    """What one node grants its sockets. The wire contract (§3, §7) gives each figure its meaning."""

    origins: tuple[Origin, ...] = ()
    max_connections: Count = 19_000
    max_http: Count = 500
    ping_ms: Annotated[int, Meta(ge=50, le=100_000)] = 25_000
    background_ping_ms: Annotated[int, Meta(ge=50, le=100_000)] = 50_000
    hello_ms: Annotated[int, Meta(ge=50, le=60_000)] = 10_000
    resume_ms: Annotated[int, Meta(ge=0, le=86_400_000)] = 300_000
    resumes_per_s: Count = 5_000
    fresh_per_s: Count = 2_000
    requests_per_s: Count = 20
    burst: Count = 200
    typing_ms: Annotated[int, Meta(ge=0, le=60_000)] = 3_000
    send_budget: Annotated[int, Meta(ge=MAX_SERVER_MESSAGE, le=1 << 30)] = 524_288
    ring_bytes: Bytes = 1_048_576
    node_ring_bytes: Bytes = 268_435_456


class Actors(Struct, frozen=True, kw_only=True):
    """How long a node keeps in memory what it could load again."""

    conversation_idle_ms: Annotated[int, Meta(ge=100, le=86_400_000)] = 30_000


class Feed(Struct, frozen=True, kw_only=True):
    """Whose posts go into each follower's list: authors with no more followers than that; and whom newcomers are
    suggested."""

    fanout_followers: Annotated[int, Meta(ge=1, le=100_000)] = 10_000
    introduce: Annotated[tuple[Username, ...], Meta(max_length=20)] = ()


class Log(Struct, frozen=True, kw_only=True):
    """What is written to the log."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Settings(Struct, frozen=True, kw_only=True):
    """Every setting of a node. Frozen: a change needs a restart."""

    node: Node = Node()
    postgres: Postgres = Postgres()
    nats: Nats = Nats()
    redis: Redis = Redis()
    tokens: Tokens = Tokens()
    gateway: Gateway = Gateway()
    actors: Actors = Actors()
    push: Push = Push()
    objects: Objects = Objects()
    uploads: Uploads = Uploads()
    media: Media = Media()
    feed: Feed = Feed()
    log: Log = Log()
