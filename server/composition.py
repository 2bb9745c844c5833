"""The composition root of one life of a node, where concrete classes meet."""

import asyncio
import secrets
import time
from collections.abc import Callable
from random import SystemRandom

from prometheus_client import generate_latest

from actors.effects import user_address
from actors.user import User
from config.origins import own_origins, socket_source
from config.settings import Settings
from persistence.conversations.postgres import PostgresConversations
from persistence.faults import UnavailableError
from persistence.graph.postgres import PostgresGraph
from persistence.messages.postgres import PostgresMessagePushes
from persistence.nodes.contract import Life
from persistence.nodes.postgres import PostgresNodes
from persistence.notifications.postgres import PostgresNotifications
from persistence.outbox.postgres import PostgresOutbox
from persistence.people.postgres import PostgresPeople
from persistence.presence.postgres import PostgresSights
from persistence.presence.redis import RedisPresence
from persistence.push.postgres import PostgresDevices, PostgresPush
from protocol.activity import ACTIVITY
from protocol.ids import Millis, UserId
from server.cluster.bus import NatsBus
from server.cluster.cluster import Cluster
from server.committer import Committer
from server.content import Content
from server.gateway import Gateway
from server.host import Host
from server.http.app import make_app
from server.http.page import Page
from server.http.private import make_private_app
from server.http.services import Accounts, Contents, Entry, PushTargets, Relations, Services
from server.kinds import ConversationKind, UserKind
from server.messages.pushing import MessagePushes
from server.messages.sweep import PushSweep
from server.notifications.notifications import Notifications
from server.notifications.zones import offset_at
from server.observe import Metrics
from server.outbox.consumer import Handler
from server.outbox.outbox import Outbox
from server.passwords import Passwords
from server.pools import Pools
from server.population import Population
from server.presence.presence import Presence, standings
from server.push.courier import Courier
from server.push.endpoints import EndpointRules, system_lookup
from server.push.providers import make_providers, make_vapid
from server.push.wishes import Wishes
from server.requests import Beside, Requests
from server.revocations import Revocations
from server.tokens import Caller, Expired, Invalid, Tokens
from server.web import Door, Web


def clock() -> Millis:
    """Now, in milliseconds since 1970."""
    return Millis(time.time_ns() // 1_000_000)


class Parts:
    """The parts of one life of a node, wired together; none of them runs. `stopping` is set when it begins to drain."""

    def __init__(self, settings: Settings, pools: Pools, node: Life, number: int) -> None:
        self.settings = settings
        self.number = number
        self.stopping = asyncio.Event()
        self.metrics = Metrics(name=node.name)
        self._people = PostgresPeople(pools.questions)
        self._graph = PostgresGraph(pools.questions)
        self._make_courier(pools)
        self._make_gateway()
        self._make_cluster(node, pools)
        membership, router = self.cluster.membership, self.cluster.router
        conversations = self._conversations = PostgresConversations(pools.questions, may=self._may_write)
        lanes = [PostgresConversations(lane, may=self._may_write) for lane in pools.lanes]
        self.committer = Committer([lane.commit for lane in lanes], self.metrics)
        self.content = Content(
            settings,
            pools,
            self.cluster,
            self.gateway,
            self._user,
            self._users,
            conversations.open,
            clock,
            time.monotonic,
        )
        users = UserKind(self.gateway.policy, lambda: secrets.token_urlsafe(8), self.gateway.attached)
        kinds = ConversationKind(conversations, settings.actors.conversation_idle_ms), users
        self.host = Host(Population(kinds, clock), router, self.committer, clock)
        self._make_outbox(node, pools)
        self.requests = Requests(router.tell, conversations, self._people, router.reply, self._beside())
        self.bus = NatsBus(str(settings.nats.url), node.incarnation, self.cluster)
        self._make_pushes(pools)
        self._make_presence(pools)
        told = self.message_pushes.told
        self.cluster.join(self.host, self.requests, self.gateway, self.bus, self._user, told, self.presence)
        self.passwords = Passwords()
        self._make_web()
        entered = self.content.feed.entered
        self.gateway.join(self.host, self.requests, membership.home, self.web.take, entered)

    def _make_courier(self, pools: Pools) -> None:
        self._devices_of = PostgresDevices(pools.questions)
        self._endpoints = EndpointRules(system_lookup())
        wishes = Wishes(clock, offset_at)
        providers = make_providers(self.settings.push, self._endpoints, clock)
        self.courier = Courier(PostgresPush(pools.questions), providers, time.monotonic, SystemRandom(), wishes)

    def _make_gateway(self) -> None:
        settings = self.settings
        self._tokens = Tokens(settings.tokens.secrets, settings.tokens.access_s, clock)
        own = own_origins(settings.node, self.number)
        self.gateway = Gateway(settings.gateway, own, self._verify, clock, time.monotonic, self.metrics)
        self.revocations = Revocations(self._people, self.gateway.revoke, settings.tokens.access_s, time.monotonic)

    def _make_cluster(self, node: Life, pools: Pools) -> None:
        log, gateway = PostgresConversations(pools.scans), self.gateway
        self.cluster = Cluster(node, PostgresNodes(pools.nodes), log, gateway, gateway.load, time.monotonic)

    def _make_outbox(self, node: Life, pools: Pools) -> None:
        store = PostgresNotifications(pools.questions, may=self._may_write)
        self.notifications = Notifications(store, self.cluster.router, lambda user: self._user(user) is not None)
        handlers: dict[str, tuple[str, Handler]] = {
            "notifications": (ACTIVITY, self.notifications.folding),
            **self.content.handlers,
        }
        url, hastened = str(self.settings.nats.url), self.content.hastened
        self.outbox = Outbox(PostgresOutbox(pools.outbox), handlers, url, node.incarnation, hastened)

    def _make_pushes(self, pools: Pools) -> None:
        pushes = PostgresMessagePushes(pools.questions, pools.scans, self._may_write)
        self.message_pushes = MessagePushes(pushes, self._user, time.monotonic, clock, offset_at)
        self.push_sweep = PushSweep(pushes, self.message_pushes, self.cluster.membership)

    def _make_presence(self, pools: Pools) -> None:
        standings_of = RedisPresence(pools.redis) if pools.redis else None
        sights = PostgresSights(pools.questions)
        membership, load = self.cluster.membership, self.gateway.load
        self.presence = Presence(standings_of, sights, membership, load, clock, time.monotonic)
        self.presence.join(
            lambda: standings(self.host.population),
            lambda address, see: self.host.tell(address, see, activate=False),
        )

    def _make_web(self) -> None:
        private = make_private_app(self._ready, self._exposition())
        app = make_app(self._services())
        Page(socket_source(self.settings.node, self.number)).add_to(app)
        self.web = Web(app, private, self.gateway, self.settings.gateway.max_http)

    def _beside(self) -> Beside:
        content = self.content
        return Beside(
            notifications=self.notifications.answering,
            stories=content.stories.answering,
            feed=content.feed.pages.page,
            watching=content.engagement.watching,
            sees=content.sees,
        )

    def _may_write(self) -> bool:
        return self.cluster.membership.held

    def _user(self, user: UserId) -> User | None:
        activation = self.host.population.get(user_address(user))
        return activation.actor if activation and isinstance(activation.actor, User) else None

    def _users(self) -> list[User]:
        return [actor for actor in self.host.population.actors("user") if isinstance(actor, User)]

    def _related(self, a: UserId, b: UserId | None) -> None:
        self.presence.related(a, b)
        self.content.feed.related(a, b)

    def _services(self) -> Services:
        settings = self.settings
        vapid = make_vapid(settings.push, clock)
        content, membership = self.content, self.cluster.membership
        return Services(
            accounts=Accounts(
                people=self._people,
                tokens=self._tokens,
                passwords=self.passwords,
                revocations=self.revocations,
                random=secrets.token_bytes,
                refresh_s=settings.tokens.refresh_s,
            ),
            relations=Relations(
                graph=self._graph,
                changed=self._related,
                fenced=self.requests.fenced,
                trays=content.stories.relating,
                introduce=settings.feed.introduce,
            ),
            push=PushTargets(
                devices=self._devices_of, endpoints=self._endpoints, vapid_key=vapid.public if vapid else ""
            ),
            contents=Contents(
                posts=content.posting,
                engagement=content.engagement,
                stories=content.stories.posting,
                uploads=content.uploads,
                pictures=content.pictures,
            ),
            ask=Door(self.gateway, self.requests).ask,
            home=lambda user: membership.home(user) or membership.node,
            ready=self._ready,
            clock=clock,
            monotonic=time.monotonic,
            entry=Entry(origins=self.gateway.origins, trusted_proxies=settings.node.trusted_proxies),
        )

    def _verify(self, token: str) -> Caller | Expired | Invalid:
        caller = self._tokens.verify(token, clock())
        return Invalid() if isinstance(caller, Caller) and self.revocations.is_revoked(caller.login) else caller

    def _exposition(self) -> Callable[[], bytes]:
        gauges = self.metrics.gauges
        gauges["tidings_connections"] = ("Open sockets", lambda: len(self.gateway))
        gauges["tidings_actors"] = ("Live activations", lambda: len(self.host.population))
        gauges["tidings_sessions"] = ("Devices here, or away and allowed to resume", self._devices)
        gauges["tidings_mailbox_depth"] = ("Commands in all mailboxes", self.host.population.waiting)
        gauges["tidings_http_connections"] = ("Connections that speak HTTP", lambda: self.web.connections)
        gauges["tidings_relays"] = ("Sockets relayed to their home", lambda: len(self.gateway.relays))
        self.cluster.expose(self.metrics)
        self.outbox.expose(self.metrics)
        self.metrics.families.append(self.courier.figures.collect)
        self.notifications.expose(self.metrics)
        self.message_pushes.expose(self.metrics)
        self.presence.expose(self.metrics)
        self.content.expose(self.metrics)
        registry = self.metrics.registry()
        return lambda: generate_latest(registry)

    def _devices(self) -> int:
        return sum(user.devices for user in self._users())

    async def _ready(self) -> str | None:
        """Why this node cannot do its job, if it cannot."""
        if self.stopping.is_set():
            return "draining"
        try:
            # A commit of nothing: what would fail for a message fails here too.
            await self._conversations.commit([], wait=False)
        except UnavailableError:
            return "Postgres does not answer"
        return None
