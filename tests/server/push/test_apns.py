"""The adapter of Apple's service against a server that speaks its protocol."""

from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from protocol.ids import Millis
from protocol.pushes import Content
from server.push.apns import REFRESH_MS, YOUNG_MS, Apns, ProviderToken
from server.push.provider import Gone, Misconfigured, Outcome, Refused, Retry, Sent
from tests.server.push.apns_server import KEY_ID, TEAM_ID, TOPIC, ApnsServer
from tests.server.push.authority import Authority, pem
from tests.server.push.deliveries import HELLO, PHONE, a_delivery, clock
from tests.server.push.screens import Shown

DOCUMENTED = [
    (400, "BadCollapseId", Refused("400 BadCollapseId")),
    (400, "BadDeviceToken", Refused("400 BadDeviceToken")),
    (400, "BadExpirationDate", Refused("400 BadExpirationDate")),
    (400, "BadMessageId", Refused("400 BadMessageId")),
    (400, "BadPriority", Refused("400 BadPriority")),
    (400, "BadTopic", Misconfigured("400 BadTopic")),
    (400, "DeviceTokenNotForTopic", Refused("400 DeviceTokenNotForTopic")),
    (400, "DuplicateHeaders", Refused("400 DuplicateHeaders")),
    (400, "IdleTimeout", Retry("400 IdleTimeout", outage=False)),
    (400, "InvalidPushType", Refused("400 InvalidPushType")),
    (400, "MissingDeviceToken", Refused("400 MissingDeviceToken")),
    (400, "MissingTopic", Misconfigured("400 MissingTopic")),
    (400, "PayloadEmpty", Refused("400 PayloadEmpty")),
    (400, "TopicDisallowed", Misconfigured("400 TopicDisallowed")),
    (403, "BadCertificate", Misconfigured("403 BadCertificate")),
    (403, "BadCertificateEnvironment", Misconfigured("403 BadCertificateEnvironment")),
    (403, "ExpiredProviderToken", Misconfigured("403 ExpiredProviderToken")),
    (403, "Forbidden", Misconfigured("403 Forbidden")),
    (403, "InvalidProviderToken", Misconfigured("403 InvalidProviderToken")),
    (403, "MissingProviderToken", Misconfigured("403 MissingProviderToken")),
    (403, "UnrelatedKeyIdInToken", Misconfigured("403 UnrelatedKeyIdInToken")),
    (403, "BadEnvironmentKeyIdInToken", Misconfigured("403 BadEnvironmentKeyIdInToken")),
    (404, "BadPath", Misconfigured("404 BadPath")),
    (405, "MethodNotAllowed", Misconfigured("405 MethodNotAllowed")),
    (410, "ExpiredToken", Gone("410 ExpiredToken", 77)),
    (410, "Unregistered", Gone("410 Unregistered", 77)),
    (413, "PayloadTooLarge", Refused("413 PayloadTooLarge")),
    (429, "TooManyProviderTokenUpdates", Retry("429 TooManyProviderTokenUpdates", 9.0, outage=False)),
    (429, "TooManyRequests", Retry("429 TooManyRequests", 9.0, outage=False)),
    (500, "InternalServerError", Retry("500 InternalServerError", 9.0)),
    (503, "ServiceUnavailable", Retry("503 ServiceUnavailable", 9.0)),
    (503, "Shutdown", Retry("503 Shutdown", 9.0)),
]
"""Every error of "Handling notification responses from APNs"."""


class Moved:
    """A clock that can be behind."""

    def __init__(self) -> None:
        self.by_ms = 0

    def __call__(self) -> Millis:
        return Millis(clock() + self.by_ms)


@pytest.fixture
async def server(authority: Authority) -> AsyncIterator[ApnsServer]:
    async with ApnsServer().serving(authority) as server:
        yield server


@pytest.fixture
def moved() -> Moved:
    return Moved()


@pytest.fixture
async def apns(server: ApnsServer, authority: Authority, moved: Moved) -> AsyncIterator[Apns]:
    token = ProviderToken(server.key, KEY_ID, TEAM_ID, moved)
    async with Apns(server.url, TOPIC, token, clock, authority.client()) as apns:
        yield apns


async def test_a_push_is_shown_with_its_badge_and_what_the_app_needs(apns: Apns, server: ApnsServer) -> None:
    assert await apns.send(a_delivery(), HELLO) == Sent()
    told = {"user": "7", "kind": "message", "conversation": "5", "c": "9"}
    assert server.screens.on(PHONE.address) == [Shown("Ada", "hello", 3, told)]
    [request] = server.requests
    assert (request["apns-priority"], request["apns-push-type"], request["apns-topic"]) == ("10", "alert", TOPIC)
    assert abs(int(request["apns-expiration"]) - clock() // 1_000 - 3_600) < 60


async def test_a_repeat_is_known_by_its_id_and_shown_once(apns: Apns, server: ApnsServer) -> None:
    delivery = a_delivery()
    await apns.send(delivery, HELLO)
    await apns.send(delivery, HELLO)
    assert len({request["apns-id"] for request in server.requests}) == 1
    assert len(server.screens.on(PHONE.address)) == 1


async def test_what_is_not_urgent_wakes_no_device(apns: Apns, server: ApnsServer) -> None:
    await apns.send(a_delivery(), Content("Ada", "hello", "x", 0))
    assert server.requests[0]["apns-priority"] == "5"


@pytest.mark.parametrize(("status", "reason", "outcome"), DOCUMENTED, ids=lambda value: str(value)[:40])
async def test_every_documented_error_has_its_outcome(
    apns: Apns, server: ApnsServer, status: int, reason: str, outcome: Outcome
) -> None:
    assert await apns.send(a_delivery(), HELLO) == Sent()
    after = {"retry-after": "9"} if status >= 429 else {}
    server.answers.append((status, {"reason": reason, "timestamp": 77} if status == 410 else {"reason": reason}, after))
    assert await apns.send(a_delivery(), HELLO) == outcome


async def test_an_answer_that_makes_no_sense_is_taken_by_its_status(apns: Apns, server: ApnsServer) -> None:
    server.answers += [(502, {"reason": 5}, {}), (400, {}, {})]
    assert await apns.send(a_delivery(), HELLO) == Retry("502")
    assert await apns.send(a_delivery(), HELLO) == Misconfigured("400")


async def test_a_token_signed_by_another_key_is_refused(server: ApnsServer, authority: Authority) -> None:
    token = ProviderToken(pem(generate_private_key(SECP256R1())), KEY_ID, TEAM_ID, clock)
    async with Apns(server.url, TOPIC, token, clock, authority.client()) as apns:
        assert await apns.send(a_delivery(), HELLO) == Misconfigured("403 InvalidProviderToken")


async def test_a_provider_token_is_signed_anew_before_it_expires(apns: Apns, server: ApnsServer, moved: Moved) -> None:
    for moved.by_ms in (-REFRESH_MS, -1_000, 0, REFRESH_MS - 60_000):
        assert await apns.send(a_delivery(), HELLO) == Sent()
    tokens = [request["authorization"] for request in server.requests]
    assert tokens[0] == tokens[1]
    assert tokens[1] != tokens[2] or tokens[2] != tokens[3]


async def test_a_provider_token_that_expired_all_the_same_is_replaced_at_once(
    apns: Apns, server: ApnsServer, moved: Moved
) -> None:
    moved.by_ms = -2 * 3_600_000
    assert await apns.send(a_delivery(), HELLO) == Misconfigured("403 ExpiredProviderToken")
    moved.by_ms += YOUNG_MS + 1_000
    assert await apns.send(a_delivery(), HELLO) == Retry("403 ExpiredProviderToken", 0.0, outage=False)
    moved.by_ms = 0
    assert await apns.send(a_delivery(), HELLO) == Sent()


async def test_a_payload_that_is_too_long_is_not_sent(apns: Apns, server: ApnsServer) -> None:
    outcome = await apns.send(a_delivery(), Content("x" * 5_000, "", "", 0))
    assert isinstance(outcome, Refused)
    assert server.requests == []


async def test_a_server_that_is_not_trusted_or_not_there_is_an_outage(server: ApnsServer, authority: Authority) -> None:
    token = ProviderToken(server.key, KEY_ID, TEAM_ID, clock)
    async with Apns(server.url, TOPIC, token, clock) as apns:
        assert await apns.send(a_delivery(), HELLO) == Retry("no answer: ConnectError")
    async with Apns("https://localhost:1", TOPIC, token, clock, authority.client()) as apns:
        assert await apns.send(a_delivery(), HELLO) == Retry("no answer: ConnectError")
