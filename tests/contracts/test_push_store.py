"""The contracts of `DeviceStore` and `PushStore`, on both stores."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from persistence.people.contract import SignedIn
from persistence.push.contract import ATTEMPTS, KEPT_MS, Delivery, Settled
from persistence.push.devices import DEVICES, Target
from protocol.ids import DeviceId, LoginId
from protocol.pushes import Content
from tests.contracts.push_grounds import HELLO, HOUR_MS, PushGround, a_push, a_token, push_ground

LEASE_MS = 60_000


@pytest.fixture
async def ground(url: str | None) -> AsyncIterator[PushGround]:
    async with push_ground(url) as ground:
        yield ground


async def registered(ground: PushGround, person: SignedIn, target: Target | None = None) -> DeviceId:
    id = await ground.devices.register(person.user, person.login, target or a_token(), None)
    assert id is not None
    return id


async def claimed(ground: PushGround, provider: str = "apns", limit: int = 100) -> list[Delivery]:
    deliveries, _ = await ground.pushes.claim(provider, limit, LEASE_MS)  # type: ignore[arg-type]
    return deliveries


async def expanded(ground: PushGround) -> dict[str, int]:
    return dict(await ground.pushes.expand(100))


async def one_claimed(ground: PushGround) -> tuple[SignedIn, Delivery]:
    """Somebody with one device, and the claim of a push to it."""
    ada = await ground.person()
    await registered(ground, ada)
    await ground.pushes.request([a_push(ada.user)])
    await expanded(ground)
    [delivery] = await claimed(ground)
    return ada, delivery


async def test_devices_are_listed_the_latest_registered_first(ground: PushGround) -> None:
    ada = await ground.person()
    first = await registered(ground, ada)
    await ground.pass_ms(1)
    web = Target("web", "https://push.example.com/a", b"p" * 65, b"a" * 16)
    second = await ground.devices.register(ada.user, ada.login, web, "Tidings 1.0")
    listed = await ground.devices.registered(ada.user)
    assert [(device.id, device.platform, device.app) for device in listed] == [
        (second, "web", "Tidings 1.0"),
        (first, "apns", None),
    ]
    assert {device.login for device in listed} == {ada.login}


async def test_a_token_registered_again_keeps_its_id_and_one_registered_by_another_moves(ground: PushGround) -> None:
    ada, bob, token = await ground.person(), await ground.person(), a_token()
    id = await registered(ground, ada, token)
    assert await registered(ground, ada, token) == id
    await registered(ground, bob, token)
    assert await ground.devices.registered(ada.user) == []
    assert len(await ground.devices.registered(bob.user)) == 1


async def test_a_login_that_is_revoked_or_of_another_registers_nothing(ground: PushGround) -> None:
    ada, bob = await ground.person(), await ground.person()
    assert await ground.devices.register(ada.user, bob.login, a_token(), None) is None
    assert await ground.devices.register(ada.user, LoginId("7"), a_token(), None) is None
    await registered(ground, ada)
    await ground.revoke(ada)
    assert await ground.devices.register(ada.user, ada.login, a_token(), None) is None
    assert await ground.devices.registered(ada.user) == []


async def test_only_its_owner_forgets_a_device(ground: PushGround) -> None:
    ada, bob = await ground.person(), await ground.person()
    id = await registered(ground, ada)
    assert not await ground.devices.forget(bob.user, id)
    assert await ground.devices.forget(ada.user, id)
    assert not await ground.devices.forget(ada.user, id)


async def test_a_further_device_takes_the_place_of_the_oldest(ground: PushGround) -> None:
    ada = await ground.person()
    ids = []
    for _ in range(DEVICES + 1):
        ids.append(await registered(ground, ada))
        await ground.pass_ms(1)
    assert [device.id for device in await ground.devices.registered(ada.user)] == ids[:0:-1]


async def test_a_job_becomes_a_delivery_for_each_device_of_a_live_login(ground: PushGround) -> None:
    ada = await ground.person("ada@example.com")
    other = SignedIn(ada.user, await ground.sign_in(ada.user))
    first, second = await registered(ground, ada), await registered(ground, other)
    await registered(ground, ada, Target("fcm", "token"))
    await ground.pushes.request([a_push(ada.user)])
    assert await expanded(ground) == {"expanded": 1}
    assert {delivery.device for delivery in await claimed(ground)} == {first, second}
    assert len(await claimed(ground, "fcm")) == 1
    assert await claimed(ground, "email") == []
    await ground.revoke(other)
    await ground.pushes.request([a_push(ada.user, "k2")])
    await expanded(ground)
    assert {delivery.device for delivery in await claimed(ground)} == {first}


async def test_a_claimed_delivery_says_all_that_its_sender_needs(ground: PushGround) -> None:
    ada = await ground.person()
    target = Target("web", "https://push.example.com/b", b"p" * 65, b"a" * 16)
    await registered(ground, ada, target)
    await ground.notify(ada.user, "77")
    await ground.pushes.request([a_push(ada.user, notification="77")])
    await ground.pass_ms(1_000)
    await expanded(ground)
    [delivery] = await claimed(ground, "web")
    assert (delivery.target, delivery.key, delivery.collapse, delivery.kind) == (target, "k", "c", "message")
    assert (delivery.attempts, delivery.notification, delivery.plain) == (1, "77", False)
    assert msgspec.msgpack.decode(delivery.body, type=Content) == HELLO
    assert 1_000 <= delivery.age_ms < 60_000
    assert HOUR_MS - 60_000 < delivery.left_ms <= HOUR_MS - 1_000


async def test_mail_goes_to_who_has_an_address_when_the_job_asks_for_it(ground: PushGround) -> None:
    ada, bob = await ground.person("ada@example.com"), await ground.person()
    await ground.pushes.request(
        [a_push(ada.user, channels=("push", "email")), a_push(bob.user, channels=("email",)), a_push(ada.user, "no")]
    )
    assert await expanded(ground) == {"expanded": 1, "no device": 2}
    [delivery] = await claimed(ground, "email")
    assert (delivery.email, delivery.target) == ("ada@example.com", None)


async def test_a_key_makes_a_push_once(ground: PushGround) -> None:
    ada = await ground.person()
    await registered(ground, ada)
    await asyncio.gather(*(ground.pushes.request([a_push(ada.user)]) for _ in range(5)))
    await expanded(ground)
    await ground.pushes.request([a_push(ada.user)])
    assert await expanded(ground) == {}
    assert len(await claimed(ground)) == 1


async def test_a_job_is_held_until_it_is_due(ground: PushGround) -> None:
    ada = await ground.person()
    await registered(ground, ada)
    await ground.pushes.request([a_push(ada.user, hold_ms=10_000)])
    assert await expanded(ground) == {}
    await ground.pass_ms(10_000)
    assert await expanded(ground) == {"expanded": 1}


async def test_what_has_expired_is_dropped_and_dead_only_if_it_was_tried(ground: PushGround) -> None:
    ada, tried = await one_claimed(ground)
    await ground.pushes.settle([Settled(id=tried.id, claim=tried.claim, state="waiting", error="503")])
    await ground.pushes.request([a_push(ada.user, "late", life_ms=10)])
    await ground.pass_ms(HOUR_MS)
    assert await expanded(ground) == {"expired": 1}
    assert await ground.pushes.claim("apns", 9, LEASE_MS) == ([], {"expired": 1})
    assert [(dead.id, dead.error) for dead in await ground.pushes.listed("dead", 9)] == [(tried.id, "503")]


async def test_what_no_node_sends_ends_with_its_expiry_and_is_dead_only_if_it_was_tried(ground: PushGround) -> None:
    ada, tried = await one_claimed(ground)
    await ground.pushes.settle([Settled(id=tried.id, claim=tried.claim, state="waiting", error="503")])
    await registered(ground, ada, Target("fcm", f"phone of {ada.user}"))
    await ground.pushes.request([a_push(ada.user, "later", life_ms=2 * HOUR_MS)])
    await expanded(ground)
    assert await ground.pushes.expire(100) == {}
    await ground.pass_ms(HOUR_MS)
    assert await ground.pushes.expire(100) == {"apns": 1}
    assert [(dead.id, dead.error) for dead in await ground.pushes.listed("dead", 9)] == [(tried.id, "503")]
    await ground.pass_ms(HOUR_MS)
    assert await ground.pushes.expire(100) == {"apns": 1, "fcm": 1}
    assert await ground.pushes.expire(100) == {}
    assert set((await ground.pushes.waiting()).values()) == {0}
    assert len(await ground.pushes.listed("dead", 9)) == 1


async def test_what_is_being_sent_as_it_expires_is_left_to_its_sender(ground: PushGround) -> None:
    ada = await ground.person()
    await registered(ground, ada)
    await ground.pushes.request([a_push(ada.user, life_ms=10_000)])
    await expanded(ground)
    [delivery] = await claimed(ground)
    await ground.pass_ms(10_000)
    assert await ground.pushes.expire(100) == {}
    await ground.pushes.settle([Settled(id=delivery.id, claim=delivery.claim, state="sent")])
    await ground.pass_ms(LEASE_MS)
    assert await ground.pushes.expire(100) == {}


async def test_nobody_else_has_a_claimed_delivery_until_the_claim_runs_out(ground: PushGround) -> None:
    ada = await ground.person()
    for n in range(20):
        await registered(ground, ada)
        await ground.pushes.request([a_push(ada.user, str(n))])
    await expanded(ground)
    claims = await asyncio.gather(*(claimed(ground, limit=7) for _ in range(40)))
    ids = [delivery.id for claim in claims for delivery in claim]
    assert len(ids) == len(set(ids)) == 400 - 120
    await ground.pass_ms(LEASE_MS)
    again = await claimed(ground, limit=1_000)
    assert len(again) == 400
    assert {delivery.attempts for delivery in again} == {1, 2}


async def test_only_the_latest_claim_settles(ground: PushGround) -> None:
    _, late = await one_claimed(ground)
    await ground.pass_ms(LEASE_MS)
    [delivery] = await claimed(ground)
    await ground.pushes.settle([Settled(id=late.id, claim=late.claim, state="sent")])
    await ground.pass_ms(LEASE_MS)
    [delivery] = await claimed(ground)
    await ground.pushes.settle([Settled(id=delivery.id, claim=delivery.claim, state="sent")])
    await ground.pushes.settle([Settled(id=delivery.id, claim=delivery.claim, state="waiting")])
    await ground.pass_ms(LEASE_MS)
    assert await claimed(ground) == []
    assert (await ground.pushes.waiting())["apns"] == 0


async def test_what_waits_is_due_when_it_said_and_what_does_not_count_is_no_attempt(ground: PushGround) -> None:
    _, delivery = await one_claimed(ground)
    await ground.pushes.settle([Settled(id=delivery.id, claim=1, state="waiting", wait_ms=5_000, error="503")])
    assert await claimed(ground) == []
    await ground.pass_ms(5_000)
    [again] = await claimed(ground)
    assert (again.attempts, again.claim) == (2, 2)
    await ground.pushes.settle([Settled(id=delivery.id, claim=2, state="waiting", counts=False, error="403")])
    [again] = await claimed(ground)
    assert (again.attempts, again.claim) == (2, 3)


async def test_a_delivery_whose_senders_all_fall_silent_is_dead(ground: PushGround) -> None:
    await one_claimed(ground)
    for _ in range(ATTEMPTS - 1):
        await ground.pass_ms(LEASE_MS)
        await claimed(ground)
    await ground.pass_ms(LEASE_MS)
    assert await ground.pushes.claim("apns", 9, LEASE_MS) == ([], {"never answered": 1})
    assert [dead.error for dead in await ground.pushes.listed("dead", 9)] == ["never answered"]


async def test_a_device_found_gone_is_removed_unless_it_was_registered_again(ground: PushGround) -> None:
    ada, delivery = await one_claimed(ground)
    assert delivery.target is not None
    await registered(ground, ada, delivery.target)
    gone = Settled(id=delivery.id, claim=1, state="gone", registered=delivery.registered)
    await ground.pushes.settle([gone])
    assert len(await ground.devices.registered(ada.user)) == 1
    await ground.pushes.request([a_push(ada.user, "k2")])
    await expanded(ground)
    [delivery] = await claimed(ground)
    await ground.pushes.settle([Settled(id=delivery.id, claim=1, state="gone", registered=delivery.registered)])
    assert await ground.devices.registered(ada.user) == []


async def test_a_device_that_moved_to_another_account_is_told_nothing_of_the_first(ground: PushGround) -> None:
    ada, bob, token = await ground.person(), await ground.person(), a_token()
    await registered(ground, ada, token)
    await ground.pushes.request([a_push(ada.user)])
    await expanded(ground)
    await registered(ground, bob, token)
    assert await ground.pushes.claim("apns", 9, LEASE_MS) == ([], {"no device": 1})


async def test_a_login_revoked_after_expanding_is_told_nothing(ground: PushGround) -> None:
    ada = await ground.person()
    await registered(ground, ada)
    await ground.pushes.request([a_push(ada.user)])
    await expanded(ground)
    await ground.revoke(ada)
    assert await ground.pushes.claim("apns", 9, LEASE_MS) == ([], {"no device": 1})


async def test_dead_deliveries_are_tried_anew_when_replayed_also_after_their_expiry(ground: PushGround) -> None:
    ada = await ground.person()
    await registered(ground, ada)
    await ground.pushes.request([a_push(ada.user, str(n)) for n in range(3)])
    await expanded(ground)
    dead = [delivery.id for delivery in await claimed(ground)]
    await ground.pushes.settle([Settled(id=id, claim=1, state="dead", error="400 BadDeviceToken") for id in dead])
    await ground.pass_ms(HOUR_MS)
    [first, *_] = listed = await ground.pushes.listed("dead", 2)
    assert [row.id for row in listed] == sorted(dead, reverse=True)[:2]
    assert (first.user, first.provider, first.attempts, first.error) == (ada.user, "apns", 1, "400 BadDeviceToken")
    assert await ground.pushes.replay([dead[1]], 9, HOUR_MS) == 1
    assert await ground.pushes.replay([dead[1]], 9, HOUR_MS) == 0
    [again] = await claimed(ground)
    assert (again.id, again.attempts) == (dead[1], 1)
    assert await ground.pushes.replay(None, 1, HOUR_MS) == 1
    assert await ground.pushes.replay(None, 9, HOUR_MS) == 1
    assert len(await claimed(ground)) == 2


async def test_what_waits_is_counted_and_listed(ground: PushGround) -> None:
    ada, delivery = await one_claimed(ground)
    await ground.pushes.request([a_push(ada.user, "k2")])
    assert await ground.pushes.waiting() == {"job": 1, "apns": 1, "fcm": 0, "web": 0, "email": 0}
    assert [row.id for row in await ground.pushes.listed("waiting", 9)] == [delivery.id]


async def test_jobs_are_cleared_a_week_after_their_expiry_a_few_at_a_time(ground: PushGround) -> None:
    ada = await ground.person()
    await registered(ground, ada)
    await ground.pushes.request([a_push(ada.user, str(n)) for n in range(5)])
    await expanded(ground)
    await ground.pass_ms(HOUR_MS + KEPT_MS - 60_000)
    assert await ground.pushes.clear(3) == 0
    await ground.pass_ms(60_001)
    assert [await ground.pushes.clear(3) for _ in range(3)] == [3, 2, 0]
    assert await ground.pushes.waiting() == {"job": 0, "apns": 0, "fcm": 0, "web": 0, "email": 0}
