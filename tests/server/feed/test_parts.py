"""What of the feed needs no store: merging, ranking, and who is asked about a celebrity's post."""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

import pytest

from actors.effects import Address, user_address
from actors.user import User
from actors.user_commands import Delivered, Filled, PostGone, Related
from persistence.feed.places import Place
from protocol.codec import Encoded
from protocol.ids import Millis, UserId
from protocol.live import FeedNew, PostRemoved, Preview
from protocol.posts import PostId
from server.feed import interests as module
from server.feed.feed import Feed
from server.feed.interests import KEPT_S, Interests
from server.feed.merging import Source, merged
from server.feed.ranking import HALVES_US, Candidate, rank
from server.feed.withdrawing import Withdrawing
from tests.actors import devices

ADA, BEN, EVE, STAR = map(UserId, ("1", "2", "3", "9"))


def test_what_is_merged_ends_where_something_may_be_missing_in_between() -> None:
    places = [Place(at, at) for at in range(10)]
    whole, cut = Source(places[1::2][::-1], True), Source([places[8], places[6]], False)
    assert merged([whole, cut]) == ([places[9], places[8], places[7], places[6]], False)
    assert merged([whole, Source([places[8]], True), whole]) == ([places[n] for n in (9, 8, 7, 5, 3, 1)], True)
    assert merged([]) == ([], True)


def test_the_newer_the_closer_and_the_more_liked_come_first_and_nobody_fills_a_page() -> None:
    now = 10 * HALVES_US
    plain = Candidate(Place(now - HALVES_US, 1), 1)
    newer = Candidate(Place(now, 2), 2)
    liked = Candidate(Place(now - HALVES_US, 3), 3, likes=1_000)
    closer = Candidate(Place(now - HALVES_US, 4), 4, affinity=16)
    assert rank([plain, newer], now)[0] is newer
    assert rank([plain, liked], now)[0] is liked
    assert rank([plain, closer], now)[0] is closer
    again = [Candidate(Place(now, 10 + n), 5) for n in range(3)]
    assert [one.author for one in rank([*again, plain], now)] == [5, 5, 1, 5]


def test_every_candidate_is_ranked_once() -> None:
    random = Random(1)
    given = [
        Candidate(
            Place(random.randrange(10**15), n), random.randrange(9), random.randrange(99), 0, random.randrange(17)
        )
        for n in range(150)
    ]
    assert sorted(rank(given, 10**15), key=lambda one: one.place.id) == given


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_first_everybody_is_asked_about_then_those_who_follow_and_those_who_came_or_changed_since() -> None:
    clock = Clock()
    interests = Interests(clock)
    for connection in (1, 2, 3):
        interests.appear(connection)
    first = interests.audience(STAR)
    assert set(first.connections) == {1, 2, 3}
    interests.learn(STAR, first.connections, [2, 3])
    interests.learned(STAR, first)
    assert interests.audience(STAR).connections == [1]
    assert interests.pairs == 1
    interests.change([3, 4])
    assert interests.audience(STAR).connections == [1, 3]
    interests.keep(lambda connection: connection != 1)
    assert interests.audience(STAR).connections == [3]
    clock.now = KEPT_S + 1
    assert set(interests.audience(STAR).connections) == {2, 3}


def test_who_was_found_to_follow_is_not_forgotten_while_others_are_asked_about() -> None:
    clock = Clock()
    interests = Interests(clock)
    for connection in (1, 2):
        interests.appear(connection)
    first = interests.audience(STAR)
    interests.learn(STAR, [1, 2], [1, 2])
    interests.learned(STAR, first)
    interests.change([1, 2])
    clock.now = KEPT_S
    audience = interests.audience(STAR)
    interests.learn(STAR, [1], [])
    clock.now = KEPT_S + 0.1
    interests.learn(STAR, [2], [])
    interests.learned(STAR, audience)
    clock.now = KEPT_S
    assert set(interests.audience(STAR).connections) == {1, 2}


def test_what_is_old_is_forgotten_and_while_it_is_asked_about_nobody_who_follows_is_missed() -> None:
    clock = Clock()
    interests = Interests(clock)
    for connection in (1, 2):
        interests.appear(connection)
    audience = interests.audience(STAR)
    interests.learn(STAR, [1], [])
    assert interests.pairs == 1
    clock.now = KEPT_S + 1
    interests.keep(lambda connection: True)
    assert interests.pairs == 0
    interests.learn(STAR, [2], [])
    interests.learned(STAR, audience)
    assert interests.pairs == 0
    assert set(interests.audience(STAR).connections) == {1, 2}


def test_beyond_so_many_pairs_the_author_who_was_known_for_longest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PAIRS", 2)
    interests = Interests(Clock())
    for connection in (1, 2):
        interests.appear(connection)
    for star in (STAR, EVE):
        audience = interests.audience(star)
        interests.learn(star, audience.connections, [] if star == STAR else [2])
        interests.learned(star, audience)
    assert interests.pairs == 1
    assert (interests.audience(EVE).connections, set(interests.audience(STAR).connections)) == ([1], {1, 2})


def test_who_was_not_asked_about_as_the_database_was_away_is_asked_about_with_the_next_post() -> None:
    interests = Interests(Clock())
    interests.appear(1)
    interests.audience(STAR)
    assert interests.audience(STAR).connections == [1]


class Ways:
    """What leaves a feed, and how the router reaches it."""

    def __init__(self) -> None:
        self.told: list[tuple[Address, Any]] = []

    def deliver(self, audience: tuple[Address, ...], body: Any) -> None: ...

    def tell(self, address: Address, command: Any) -> None:
        self.told.append((address, command))

    def to_interested(self, encoded: Encoded) -> None: ...

    def follows_changed(self, user: UserId) -> None:
        """Both are at home here."""
        self._follows(user)

    def withdrawn(self, post: PostId) -> None: ...

    def tell_feed(
        self,
        interested: Callable[[Encoded], None],
        follows: Callable[[UserId], None],
        withdrawn: Callable[[PostId], None],
    ) -> None:
        self._follows, self.gone = follows, withdrawn


class Quiet:
    """Nothing else is to be done."""

    sheds = 0


class Line:
    """A connection of a user here, and what was written to it."""

    def __init__(self, number: int, user: UserId, *, takes_live: bool = True, background: bool = False) -> None:
        self.number, self.user = number, user
        self.takes_live, self.background = takes_live, background
        self.written: list[Any] = []


class Sockets:
    def __init__(self, *lines: Line) -> None:
        self.lines = {line.number: line for line in lines}

    def find(self, number: int) -> Any:
        return self.lines.get(number)

    def write_live(self, connections: Iterable[Line], encoded: Encoded) -> None:
        for line in connections:
            line.written.append(encoded)


class Edges:
    """Who follows whom, and the one who mutes everybody."""

    def __init__(self, follow: set[int], mute: set[int]) -> None:
        self.follow, self.mute = follow, mute
        self.asked: list[list[int]] = []

    async def audience(self, post: int, author: UserId, users: Sequence[int]) -> tuple[set[int], set[int]]:
        self.asked.append([*users])
        following = self.follow.intersection(users)
        found = following, following - self.mute
        self.meanwhile()
        return found

    def meanwhile(self) -> None:
        """What happens after the database has answered."""


async def test_a_frame_goes_straight_to_sockets_that_take_it_and_through_their_actor_to_those_that_do_not() -> None:
    phone, full, away = Line(1, ADA), Line(2, ADA, takes_live=False), Line(3, ADA, takes_live=False, background=True)
    muting, stranger, gone = Line(4, BEN), Line(5, EVE), Line(6, ADA)
    sockets, ways, edges = Sockets(phone, full, away, muting, stranger), Ways(), Edges({int(ADA), int(BEN)}, {int(BEN)})
    nothing: Any = None
    feed = Feed(nothing, None, ways, Quiet(), sockets, nothing, nothing, 1, lambda: Millis(0), Clock())  # type: ignore[arg-type]
    telling = feed._telling
    telling._store = edges  # type: ignore[assignment]
    for line in (phone, full, away, muting, stranger, gone):
        feed.entered(line.number)
    new = Encoded(FeedNew(STAR, "7", Millis(0), Preview(1, 1)))
    await telling.tell(new)
    assert [len(line.written) for line in (phone, full, away, muting, stranger, gone)] == [1, 0, 0, 0, 0, 0]
    assert ways.told == [(user_address(ADA), Delivered(new, only=2))]
    assert telling.told == 2
    await telling.tell(new)
    assert [len(asked) for asked in edges.asked] == [5, 4]


async def test_who_unfollows_or_is_blocked_after_the_database_was_asked_is_not_told_on_what_it_said_then() -> None:
    """They are asked about once more: who has only followed somebody else is told."""
    ada, ben, ways = Line(1, ADA), Line(2, BEN), Ways()
    here, edges = (
        {line.user: User(line.user, "e", devices.POLICY) for line in (ada, ben)},
        Edges({int(ADA), int(BEN)}, set()),
    )
    for line in (ada, ben):
        here[line.user].handle(devices.attach(line.number), devices.NOW)
    nothing: Any = None
    feed = Feed(nothing, None, ways, Quiet(), Sockets(ada, ben), here.get, nothing, 1, lambda: Millis(0), Clock())  # type: ignore[arg-type]
    feed._telling._store = edges  # type: ignore[assignment]
    for line in (ada, ben):
        feed.entered(line.number)

    def related() -> None:
        edges.follow.discard(int(ADA))
        edges.meanwhile = lambda: None  # type: ignore[method-assign]
        feed.related(ADA, BEN)

    edges.meanwhile = related  # type: ignore[method-assign]
    await feed._telling.tell(Encoded(FeedNew(STAR, "7", Millis(0), Preview(1, 1))))
    assert (len(ada.written), len(ben.written)) == (0, 1)
    assert edges.asked == [[int(ADA), int(BEN)]] * 2


async def test_a_post_that_is_gone_after_the_database_was_asked_is_told_to_nobody_more_and_the_next_one_is() -> None:
    ada, ways, edges = Line(1, ADA), Ways(), Edges({int(ADA)}, set())
    nothing: Any = None
    feed = Feed(nothing, None, ways, Quiet(), Sockets(ada), nothing, nothing, 1, lambda: Millis(0), Clock())  # type: ignore[arg-type]
    feed._telling._store = edges  # type: ignore[assignment]
    feed.entered(ada.number)
    edges.meanwhile = lambda: ways.gone(PostId("7"))  # type: ignore[method-assign]
    for post in "78":
        await feed._telling.tell(Encoded(FeedNew(STAR, post, Millis(0), Preview(1, 1))))
    assert [encoded.event.post for encoded in ada.written] == ["8"]


def test_whoever_is_here_hears_that_they_and_somebody_are_something_else_to_each_other() -> None:
    ways, here = Ways(), {ADA: devices.user()}
    clock: Any = Clock()
    nothing: Any = None
    feed = Feed(nothing, None, ways, nothing, Sockets(), here.get, nothing, 1, lambda: Millis(0), clock)
    feed.related(BEN, ADA)
    assert ways.told == [(user_address(ADA), Related())]


async def test_what_waits_for_slow_sockets_does_not_tell_of_posts_that_are_gone() -> None:
    """Users are looked at for all posts together; who has nothing of them is not disturbed."""
    users = [User(UserId(str(n)), "e", devices.POLICY) for n in range(1, 4)]
    for user in users:
        user.handle(devices.attach(int(user.id)), devices.NOW)
    for user in users[:2]:
        user.handle(Filled(int(user.id)), devices.NOW)
    for user, post in zip(users, "789", strict=True):
        user.handle(Delivered(Encoded(FeedNew(STAR, post, devices.NOW, Preview(1, 1)))), devices.NOW)
    told: list[tuple[Address, PostGone]] = []
    withdrawing = Withdrawing(lambda: users, lambda address, gone: told.append((address, gone)))
    for post in "678":
        withdrawing.gone(PostId(post))
    await withdrawing.withdraw()
    assert [(address, gone.removed.event) for address, gone in told] == [
        (user_address(UserId("1")), PostRemoved(PostId("7"))),
        (user_address(UserId("2")), PostRemoved(PostId("8"))),
    ]
    await withdrawing.withdraw()
    assert len(told) == 2
