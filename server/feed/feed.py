"""The feed of one life of a node: what reads, what fans out and what tells, wired together."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from actors.effects import Address, user_address
from actors.user import User
from actors.user_commands import Related
from persistence.feed.lists import FeedLists
from persistence.feed.postgres import FeedStore
from protocol.codec import Encoded
from protocol.ids import Millis, UserId
from protocol.posts import PostId
from server.feed.candidates import Candidates
from server.feed.fanning import Fanning
from server.feed.pages import Pages
from server.feed.ranking import rank
from server.feed.telling import Sockets, Telling
from server.feed.withdrawing import Withdrawing
from server.load import Load, Sheds
from server.observe import Metrics


class Ways(Protocol):
    """How users are reached wherever their home is, and what a node is told for those at home there."""

    def deliver(self, audience: tuple[Address, ...], body: Any) -> None: ...

    def tell(self, address: Address, command: Any) -> None: ...

    def to_interested(self, encoded: Encoded) -> None: ...

    def follows_changed(self, user: UserId) -> None: ...

    def withdrawn(self, post: PostId) -> None: ...

    def tell_feed(
        self,
        interested: Callable[[Encoded], None],
        follows: Callable[[UserId], None],
        withdrawn: Callable[[PostId], None],
    ) -> None: ...


class Feed:
    """`fanning` is the handler of the topic POST, `pages` answers. `lists` is None where there is no Redis. `user`
    finds an actor here, `users` has all; `clock` is milliseconds since 1970, `now` monotonic seconds."""

    def __init__(
        self,
        store: FeedStore,
        lists: FeedLists | None,
        ways: Ways,
        load: Load,
        sockets: Sockets,
        user: Callable[[UserId], User | None],
        users: Callable[[], Sequence[User]],
        fanout_followers: int,
        clock: Callable[[], Millis],
        now: Callable[[], float],
    ) -> None:
        self._ways = ways
        self._user = user
        self._candidates = Candidates(store, lists, now)
        self.pages = Pages(self._candidates, store, lists, rank, clock, now)
        self._telling = Telling(store, sockets, ways.tell, lambda: load.sheds >= Sheds.FEED, now)
        self._withdrawing = Withdrawing(users, ways.tell)
        self.fanning = Fanning(store, lists, fanout_followers, ways.deliver, ways.to_interested, ways.withdrawn)
        ways.tell_feed(self._telling.interested, self._changed, self._gone)

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """What runs as long as the node does."""
        fanning, telling = self.fanning, self._telling
        return [
            self.pages.run(),
            fanning.run(),
            fanning.forget(),
            telling.run(),
            telling.sweep(),
            self._withdrawing.run(),
        ]

    def entered(self, connection: int) -> None:
        """Somebody is here on this connection."""
        self._telling.interests.appear(connection)

    def related(self, a: UserId, b: UserId | None) -> None:
        """These two, or `a` and anybody, have become something else to each other."""
        self._ways.follows_changed(a)
        if b is not None:
            self._ways.follows_changed(b)

    def _changed(self, user: UserId) -> None:
        """Somebody at home here may follow others, and may not be shown some any more who wait for their sockets."""
        if actor := self._user(user):
            self._telling.interests.change(actor.connections)
            self._ways.tell(user_address(user), Related())

    def _gone(self, post: PostId) -> None:
        """Nobody here is to hear any more that it is new."""
        self._telling.withdrawn(post)
        self._withdrawing.gone(post)

    def expose(self, metrics: Metrics) -> None:
        """Have what it does be seen."""
        candidates, pages, fanning, telling = self._candidates, self.pages, self.fanning, self._telling
        metrics.gauges["tidings_feed_interests"] = (
            "Pairs of a connection here and a celebrity whom its user is known to follow",
            lambda: telling.interests.pairs,
        )
        metrics.counters |= {
            "tidings_feed_fanouts": ("Posts that were put into the lists of followers", lambda: fanning.fanned_out),
            "tidings_feed_celebrity_posts": ("Posts of celebrities, which no list gets", lambda: fanning.celebrated),
            "tidings_feed_writes": ("Followers whose lists a post was given to", lambda: fanning.written),
            "tidings_feed_lists_rebuilt": ("Lists rebuilt from Postgres", lambda: candidates.rebuilt),
            "tidings_feed_straight": ("Pages read without Redis", lambda: candidates.straight),
            "tidings_feed_ranker_fallbacks": ("Ranked pages in the order of time", lambda: pages.fallbacks),
            "tidings_feed_told": ("Connections that were told of a celebrity's post", lambda: telling.told),
            "tidings_feed_let_go": (
                "Posts of celebrities that were not told, of too much to do",
                lambda: telling.let_go,
            ),
        }
