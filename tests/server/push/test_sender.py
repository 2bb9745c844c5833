"""The sender and the courier over the store in memory, on a virtual clock, with a provider that does as it is told."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from random import Random
from types import TracebackType
from typing import Self

import pytest

from persistence.faults import UnavailableError
from persistence.push.contract import ATTEMPTS, Delivery, ProviderName, Push, Settled
from persistence.push.devices import Target
from persistence.push.memory import MemoryDevices, MemoryPush
from protocol.ids import EPOCH, LoginId, Millis, UserId
from protocol.pushes import Content
from server.push.breaker import FAILURES, FIRST_S
from server.push.courier import LOOK_S, Courier
from server.push.provider import Gone, Misconfigured, Outcome, Refused, Retry, Sent
from server.push.sender import CONCURRENCY, LEASE_MS, SEND_S, settled
from server.push.wishes import Wishes
from tests.contracts.push_grounds import HOUR_MS, a_push
from tests.server.push.deliveries import HELLO, a_delivery
from tests.simulation.loop import run

ADA, LOGIN = UserId("7"), LoginId("8")


WISHES = Wishes(lambda: Millis(EPOCH), lambda zone, at: 0)


class Service:
    """A provider. Each device's answers come in order, then all is sent; `takes_s` is how long one takes."""

    def __init__(self, name: ProviderName = "apns") -> None:
        self.name: ProviderName = name
        self.answers: list[Outcome | Exception] = []
        self.sent: list[tuple[float, str, Content]] = []
        self.takes_s = 0.0
        self.at_once = self.most_at_once = 0
        self.host: Callable[[Delivery], str] = lambda delivery: ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert not self.at_once

    def service(self, delivery: Delivery) -> str:
        return self.host(delivery)

    async def send(self, delivery: Delivery, content: Content) -> Outcome:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.sent.append((asyncio.get_running_loop().time(), delivery.key, content))
        try:
            await asyncio.sleep(self.takes_s)
        finally:
            self.at_once -= 1
        answer = self.answers.pop(0) if self.answers else Sent()
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def keys(self) -> list[str]:
        return [key for _, key, _ in self.sent]


class Away(MemoryPush):
    """A store that can be away."""

    away = False

    async def claim(self, provider: ProviderName, limit: int, lease_ms: int) -> tuple[list[Delivery], dict[str, int]]:
        self._look()
        deliveries, dropped = await super().claim(provider, limit, lease_ms)
        return deliveries, dict(dropped)

    async def settle(self, settled: Sequence[Settled]) -> None:
        self._look()
        await super().settle(settled)

    def _look(self) -> None:
        if self.away:
            raise UnavailableError("away")


class Post:
    """One person with a phone, a store, and a courier."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.service = Service()
        self.devices = MemoryDevices(lambda: Millis(EPOCH + round(loop.time() * 1_000)), lambda *_: True)
        self.store = Away(lambda: Millis(EPOCH + round(loop.time() * 1_000)), self.devices)
        self.courier = self.another()

    def another(self, *services: Service) -> Courier:
        """A courier of another node; of these services, or of the same."""
        return Courier(self.store, services or [self.service], asyncio.get_running_loop().time, Random(1), WISHES)

    @asynccontextmanager
    async def working(self, *couriers: Courier) -> AsyncIterator[None]:
        await self.devices.register(ADA, LOGIN, Target("apns", "ab" * 32), None)
        tasks = [asyncio.create_task(courier.run()) for courier in couriers or (self.courier,)]
        yield
        for courier in couriers or (self.courier,):
            courier.drain()
        async with asyncio.timeout(300):
            await asyncio.gather(*tasks)

    async def push(self, *keys: str, **more: object) -> None:
        await self.store.request([a_push(ADA, key, **more) for key in keys])
        self.courier.poke()

    async def over(self) -> None:
        """Nothing waits any more."""
        while any((await self.store.waiting()).values()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)


Scene = Callable[[Post], Coroutine[None, None, None]]


def played(scene: Scene) -> Post:
    """On a virtual clock."""
    posts: list[Post] = []

    async def play() -> None:
        posts.append(Post())
        await scene(posts[0])

    run(play())
    return posts[0]


def test_a_push_that_is_due_goes_out_at_once_and_one_that_is_held_when_it_is_due() -> None:
    async def scene(post: Post) -> None:
        async with post.working():
            await asyncio.sleep(3)
            await post.push("now")
            await post.push("held", hold_ms=5_000)
            await post.over()

    post = played(scene)
    (first, _, content), (second, _, _) = post.service.sent
    assert post.service.keys == ["now", "held"]
    assert first < 3.1
    assert 7.99 <= second <= 8.6
    assert content.title == "Ada"
    assert post.courier.figures.outcomes["apns", "sent"] == 2


def test_what_several_couriers_have_is_sent_once() -> None:
    async def scene(post: Post) -> None:
        post.service.takes_s = 1
        async with post.working(*(post.another() for _ in range(3))):
            await post.push(*map(str, range(200)))
            await post.over()

    post = played(scene)
    assert sorted(post.service.keys) == sorted(map(str, range(200)))
    assert post.service.most_at_once <= 3 * CONCURRENCY


def test_what_a_node_cannot_send_is_sent_by_one_that_can() -> None:
    async def scene(post: Post) -> None:
        async with post.working(post.another(Service("fcm"))):
            await post.push("k")
            await asyncio.sleep(60)
        assert (await post.store.waiting())["apns"] == 1
        async with post.working():
            await post.over()

    assert played(scene).service.keys == ["k"]


def test_what_no_node_can_send_ends_with_its_expiry() -> None:
    async def scene(post: Post) -> None:
        node = post.another(Service("fcm"))
        async with post.working(node):
            await post.push("k")
            await asyncio.sleep(HOUR_MS / 1_000 + 2 * LOOK_S)
            assert node.figures.outcomes == {("job", "expanded"): 1, ("apns", "expired"): 1}
            assert node.figures.waiting == {"job": 0, "apns": 0, "fcm": 0, "web": 0, "email": 0}

    assert played(scene).service.keys == []


def test_an_outage_is_tried_again_until_it_is_over() -> None:
    async def scene(post: Post) -> None:
        post.service.answers = [Retry("503"), Retry("503", 7.0), Retry("429", outage=False)]
        async with post.working():
            await post.push("k")
            await post.over()

    post = played(scene)
    times = [at for at, _, _ in post.service.sent]
    assert len(times) == 4
    assert times[2] - times[1] >= 6.99
    assert post.courier.figures.outcomes == {("job", "expanded"): 1, ("apns", "retry"): 3, ("apns", "sent"): 1}


def test_what_fails_every_time_is_dead_after_its_attempts() -> None:
    async def scene(post: Post) -> None:
        post.service.answers = [Retry("429", outage=False)] * 50
        async with post.working():
            await post.push("k")
            await post.over()
            [dead] = await post.store.listed("dead", 9)
            assert (dead.error, dead.attempts) == ("429", ATTEMPTS)

    assert len(played(scene).service.sent) == ATTEMPTS


def test_who_is_misconfigured_is_asked_no_more_but_once_in_a_while_and_loses_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def scene(post: Post) -> None:
        post.service.answers = [Misconfigured("403 InvalidProviderToken")] * 12
        async with post.working():
            await post.push("first")
            await asyncio.sleep(1)
            await post.push(*map(str, range(20)))
            await post.over()

    post = played(scene)
    assert set(post.service.keys) == {"first", *map(str, range(20))}
    # In half an hour it was asked twelve times in vain, at growing distances.
    assert len(post.service.sent) == 12 + 21
    times = [at for at, _, _ in post.service.sent[:12]]
    assert all(later - earlier >= FIRST_S - 0.5 for earlier, later in itertools.pairwise(times))
    assert capsys.readouterr().out.count("pushes wait") == 1


def test_outages_in_a_row_open_the_breaker_of_that_service_alone() -> None:
    async def scene(post: Post) -> None:
        post.service.host = lambda delivery: delivery.collapse
        post.service.answers = [Retry("503", 0.0)] * FAILURES
        async with post.working():
            await post.push("k", collapse="ill")
            await asyncio.sleep(10)
            assert len(post.service.sent) == FAILURES
            assert post.courier.figures.open_breakers() == 1
            await post.push("other", collapse="well")
            await asyncio.sleep(0.1)
            assert post.service.keys[-1] == "other"
            await post.over()
            assert post.courier.figures.open_breakers() == 0

    assert played(scene).service.keys == ["k"] * FAILURES + ["other", "k"]


def test_a_provider_that_says_nothing_and_one_that_breaks_are_tried_again() -> None:
    async def scene(post: Post) -> None:
        post.service.answers = [RuntimeError("a bug")]
        async with post.working():
            await post.push("k")
            await post.over()
            post.service.takes_s = SEND_S + 5
            await post.push("slow")
            await asyncio.sleep(SEND_S + 1)
            post.service.takes_s = 0
            await post.over()

    assert played(scene).service.keys == ["k", "k", "slow", "slow"]


def test_a_device_that_is_gone_is_forgotten_and_what_is_refused_is_dead() -> None:
    async def scene(post: Post) -> None:
        post.service.answers = [Refused("400 BadDeviceToken"), Gone("410 Unregistered")]
        async with post.working():
            await post.push("refused")
            await post.over()
            assert len(await post.devices.registered(ADA)) == 1
            await post.push("gone")
            await post.over()
            assert await post.devices.registered(ADA) == []
            assert [dead.error for dead in await post.store.listed("dead", 9)] == ["400 BadDeviceToken"]

    played(scene)


def test_what_was_sent_while_the_store_was_away_is_settled_when_it_is_back() -> None:
    async def scene(post: Post) -> None:
        post.service.takes_s = 1
        async with post.working():
            await post.push("k")
            await asyncio.sleep(0.5)
            post.store.away = True
            await asyncio.sleep(20)
            post.store.away = False
            await post.over()

    assert played(scene).service.keys == ["k"]


def test_what_a_sender_that_died_had_claimed_is_sent_by_another() -> None:
    async def scene(post: Post) -> None:
        await post.devices.register(ADA, LOGIN, Target("apns", "ab" * 32), None)
        post.service.takes_s = 5
        dying = asyncio.create_task(post.another().run())
        await post.push("k")
        await asyncio.sleep(1)
        dying.cancel()
        await asyncio.wait([dying])
        async with post.working():
            await post.over()

    (died, _, _), (again, _, _) = played(scene).service.sent
    assert abs(again - died - LEASE_MS / 1_000) <= 1


def test_draining_begins_nothing_and_ends_when_all_is_settled() -> None:
    async def scene(post: Post) -> None:
        post.service.takes_s = 3
        async with post.working():
            await post.push("k")
            await asyncio.sleep(1)
        assert (await post.store.waiting())["apns"] == 0

    assert played(scene).service.keys == ["k"]


def test_content_that_cannot_be_read_and_content_that_is_not_wanted() -> None:
    bodies = [a_delivery(body=b"\xff"), a_delivery(key="plain", plain=True)]

    class Bodies(MemoryPush):
        async def claim(self, *_: object) -> tuple[list[Delivery], dict[str, int]]:
            return [bodies.pop()] if bodies else [], {}

    async def scene(post: Post) -> None:
        store = Bodies(lambda: Millis(EPOCH), post.devices)
        courier = Courier(store, [post.service], asyncio.get_running_loop().time, Random(1), WISHES)
        running = asyncio.create_task(courier.run())
        await asyncio.sleep(1)
        courier.drain()
        await running
        assert courier.figures.outcomes == {("apns", "refused"): 1, ("apns", "sent"): 1}

    [(_, key, content)] = played(scene).service.sent
    assert (key, content.title, content.body, content.badge) == ("plain", HELLO.plain, "", HELLO.badge)


@pytest.mark.parametrize(
    ("outcome", "state", "forgets"),
    [
        (Gone("410", since_ms=5), "gone", False),
        (Gone("410", since_ms=6), "gone", True),
        (Gone("404"), "gone", True),
        (Retry("503", 3_600.0), "dead", False),
        (Retry("503", 60.0), "waiting", False),
    ],
)
def test_what_is_noted_of_an_outcome(outcome: Outcome, state: str, forgets: bool) -> None:
    noted = settled(a_delivery(registered=5_001, left_ms=HOUR_MS), outcome, Random(1))
    assert (noted.state, noted.registered) == (state, 5_001 if forgets else 0)


def test_a_push_names_what_others_insert() -> None:
    assert {"user", "key", "kind", "collapse", "content", "sender", "conversation", "c", "notification"} <= set(
        Push.__struct_fields__
    )
