"""The router: where everything that leaves an actor goes: a connection or an actor here, another node, the store."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, assert_never

import msgspec
import structlog
from msgspec import UNSET

from actors.conversation_commands import Mailed
from actors.effects import PRESENCE_STORE, Address, Asked, conversation_address, user_address
from actors.stream import Numbered
from actors.user_commands import Delivered
from protocol.codec import Encoded
from protocol.errors import UNAVAILABLE
from protocol.events import MessageSent, ReadMoved, ReceiptMoved, SettingsChanged
from protocol.facts import Choice
from protocol.groups import GroupsTouched
from protocol.ids import ConversationId, UserId
from protocol.live import FeedNew
from protocol.posts import PostId
from protocol.replies import Result
from server.cluster.frames import (
    HOPS,
    FollowsChanged,
    Item,
    PostWithdrawn,
    Replied,
    ToConversation,
    ToInterested,
    ToUsers,
    Unread,
    replied,
)
from server.cluster.links import Links
from server.cluster.membership import Membership
from server.cluster.told import Told
from server.host import Host
from server.load import Load, Sheds
from server.outage import Outage
from server.presence.presence import Presence
from server.requests import Requests

Watcher = Callable[[Sequence[UserId], MessageSent | ReadMoved], None]
"""Is shown which users here are told a message, or how far they have read; also those who are not active."""

log = structlog.get_logger()


class Sockets(Protocol):
    """The connections of this node."""

    def reply(self, request: Asked, result: Result) -> None: ...

    def write(self, audience: tuple[Address, ...], body: Numbered | Encoded) -> None:
        """An event of one user to connections."""

    def tell(self, address: Address, command: Any) -> None: ...


class Router:
    """`Outside` of the host, and what `links` hand their items to. `unread` counts those that were not understood."""

    def __init__(
        self, membership: Membership, links: Links, sockets: Sockets, load: Load, now: Callable[[], float]
    ) -> None:
        self._membership = membership
        self._links = links
        self._sockets = sockets
        self._load = load
        self._told = Told(now)
        self._watcher: Watcher | None = None
        self._newer = Outage("other nodes say what is not understood here: they may be of a newer release")
        self.unread = 0

    def join(
        self, host: Host, requests: Requests, watcher: Watcher | None = None, presence: Presence | None = None
    ) -> None:
        """Called once, before anything is routed."""
        self._host = host
        self._requests = requests
        self._presence = presence
        self._watcher = watcher

    def tell_groups(self, touched: Callable[[UserId, Sequence[int]], None]) -> None:
        """Who hears which groups of a user changed whose home is here. Called once, before anything is routed."""
        self._touched = touched

    def tell_feed(
        self,
        interested: Callable[[Encoded], None],
        follows: Callable[[UserId], None],
        withdrawn: Callable[[PostId], None],
    ) -> None:
        """Who tells a `feed.new` to those here who are interested, and hears of whom a user here may follow anew, and
        of posts that are gone. Called once, before anything is routed."""
        self._interested = interested
        self._follows = follows
        self._withdrawn = withdrawn

    def to_interested(self, encoded: Encoded) -> None:
        """To whoever is interested, on every node: one item for each."""
        self._to_others(ToInterested(encoded.msgpack))
        self._interested(encoded)

    def withdrawn(self, post: PostId) -> None:
        """The post is gone: on every node."""
        self._to_others(PostWithdrawn(post))
        self._withdrawn(post)

    def _to_others(self, item: Item) -> None:
        for node in self._membership.placement.nodes:
            if node != self._membership.me:
                self._links.send(node, item)

    def follows_changed(self, user: UserId) -> None:
        """Whom this user follows has changed: their home looks again."""
        home = self._membership.home(user)
        if home is None:
            self._follows(user)
        else:
            self._links.send(home.incarnation, FollowsChanged(user))

    def reply(self, request: Asked, result: Result) -> None:
        if not request.node:
            self._sockets.reply(request, result)
        elif request.node == self._membership.me:
            self._answered(request, result)
        else:
            self._links.send(request.node, replied(request._replace(node=""), result))

    def _answered(self, ticket: Asked, result: Result) -> None:
        """Whoever has been told that nobody knows is told nothing more."""
        if asked := self._links.answered(ticket):
            self._sockets.reply(asked, result)

    def deliver(self, audience: tuple[Address, ...], body: Any) -> None:
        """A user's message to connections, or an event to users, encoded once per codec, whoever receives it.

        Others' receipts may wait for the next one, or the next look, when there is too much to do.
        """
        if type(body) is Numbered or type(body) is Encoded:
            self._sockets.write(audience, body)
        elif type(body) is not ReceiptMoved or self._load.sheds < Sheds.RECEIPTS:
            self._to_users([UserId(str(address.key)) for address in audience], Encoded(body), 0)

    def tell(self, address: Address, command: Any) -> None:
        """To a connection, or to an actor wherever it lives."""
        if address.kind == "connection":
            self._sockets.tell(address, command)
        elif address.kind == "conversation":
            self._to_conversation(ConversationId(str(address.key)), command, 0)
        elif address.kind == "presence":
            if self._presence:
                self._presence.tell(command)
        else:
            self._host.tell(address, command)

    async def ask(self, address: Address, question: Any) -> Any:
        if address == PRESENCE_STORE and self._presence:
            return await self._presence.ask(question)
        return await self._requests.ask(question)

    def take(self, sender: str, items: Sequence[Item]) -> None:
        """What came over a link."""
        for item in items:
            try:
                self._take(item)
            except msgspec.DecodeError as fault:
                self._not_understood(fault)
            except Exception:
                log.exception("an item failed", sender=sender, item=type(item).__name__)

    def _take(self, item: Item) -> None:
        match item:
            case ToUsers():
                self._to_users(item.users, item.encoded(), item.hops + 1)
            case ToConversation():
                self._to_conversation(item.conversation, item.command, item.hops + 1)
            case Replied():
                self._answered(item.asked, item.result)
            case ToInterested():
                self._interested(item.encoded())
            case FollowsChanged():
                self._follows(item.user)
            case PostWithdrawn():
                self._withdrawn(item.post)
            case Unread():
                raise msgspec.DecodeError(item.why)
            case _:
                assert_never(item)

    def _not_understood(self, fault: msgspec.DecodeError) -> None:
        """A newer release says more, for as long as an upgrade takes: passed over, and said once."""
        self.unread += 1
        self._newer.goes_on(fault)

    def _to_users(self, users: Sequence[UserId], encoded: Encoded, hops: int) -> None:
        placement, me = self._membership.placement, self._membership.me
        if not self._membership.shared:
            event = encoded.event
            if isinstance(event, GroupsTouched):
                self.tell_here(users, encoded)
                return
            if isinstance(event, Choice):
                self._tell_choice(users, event.told(event.names))
            else:
                self._tell_users(users, encoded)
            return
        here: list[UserId] = []
        elsewhere: dict[str, list[UserId]] = {}
        for user in users:
            if hops > HOPS or (node := placement.node_of(user)) == me:
                here.append(user)
            else:
                elsewhere.setdefault(node, []).append(user)
        self.tell_here(here, encoded)
        for node, theirs in elsewhere.items():
            self._links.send(node, ToUsers(tuple(theirs), encoded.msgpack, hops))

    def tell_here(self, users: Sequence[UserId], encoded: Encoded) -> None:
        """To users at home here, except for what would take back what was told since."""
        event = encoded.event
        if isinstance(event, ReceiptMoved) and users:
            rising = self._told.rising(event)
            if rising is None:
                return
            encoded = encoded if rising is event else Encoded(rising)
        elif isinstance(event, ReadMoved):
            users = [user for user in users if self._told.rising_own(user, event)]
        elif isinstance(event, Choice):
            for user in users:
                if changed := self._told.latest(user, event):
                    self._tell_choice([user], changed)
            return
        elif isinstance(event, GroupsTouched):
            for user in users:
                self._touched(user, event.ids)
            return
        self._tell_users(users, encoded)

    def _tell_choice(self, users: Sequence[UserId], changed: SettingsChanged) -> None:
        """Whoever accepts or declines may see, and be seen by, other people from then on."""
        self._tell_users(users, Encoded(changed))
        if changed.folder is not UNSET and self._presence:
            for user in users:
                self._presence.related(user, None)

    def _tell_users(self, users: Sequence[UserId], encoded: Encoded) -> None:
        if type(encoded.event) is FeedNew and self._load.sheds >= Sheds.FEED:
            return
        delivered = Delivered(encoded)
        for user in users:
            self._host.tell(user_address(user), delivered, activate=False)
        if self._watcher and isinstance(encoded.event, (MessageSent, ReadMoved)):
            self._watcher(users, encoded.event)

    def _to_conversation(self, id: ConversationId, command: Mailed, hops: int) -> None:
        """To its node, or to an actor here while that one is not heard: two of them are legal, the store decides."""
        placement, me = self._membership.placement, self._membership.me
        if placement.alone or hops > HOPS or (node := placement.node_of(id)) == me or not self._links.passes(node):
            self._host.tell(conversation_address(id), command)
            return
        asked = command.request
        if asked is None:
            self._links.send(node, ToConversation(id, command, hops))
        elif self._host.draining:
            self.reply(asked, UNAVAILABLE)
        elif asked.node:
            self._links.send(node, ToConversation(id, command, hops))
        else:
            command = msgspec.structs.replace(command, request=self._links.ask(node, asked))
            self._links.send(node, ToConversation(id, command, hops))
