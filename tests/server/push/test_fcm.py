"""The adapter of Google's service against a server that speaks its protocol."""

from collections.abc import AsyncIterator

import pytest

from persistence.push.devices import Target
from protocol.pushes import Content
from server.push.fcm import QUOTA_S, Fcm
from server.push.provider import Gone, Misconfigured, Outcome, Refused, Retry, Sent
from tests.server.push.deliveries import HELLO, a_delivery, clock
from tests.server.push.fcm_server import FcmServer, problem
from tests.server.push.screens import Shown

ANDROID = Target("fcm", "cTk:APA91b")
DOCUMENTED = [
    (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", Refused("400 INVALID_ARGUMENT")),
    (404, "NOT_FOUND", "UNREGISTERED", Gone("404 UNREGISTERED")),
    (403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH", Refused("403 SENDER_ID_MISMATCH")),
    (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Retry("429 QUOTA_EXCEEDED", QUOTA_S, outage=False)),
    (503, "UNAVAILABLE", "UNAVAILABLE", Retry("503 UNAVAILABLE", 9.0)),
    (500, "INTERNAL", "INTERNAL", Retry("500 INTERNAL", 9.0)),
    (401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR", Misconfigured("401 THIRD_PARTY_AUTH_ERROR")),
    (401, "UNAUTHENTICATED", "", Retry("401 UNAUTHENTICATED", 9.0)),
    (403, "PERMISSION_DENIED", "", Misconfigured("403 PERMISSION_DENIED")),
    # The project is not there: that says nothing of the device.
    (404, "NOT_FOUND", "", Misconfigured("404 NOT_FOUND")),
]
"""Every ErrorCode of FCM HTTP v1, and what stands for the whole of Google's APIs."""


@pytest.fixture
async def server() -> AsyncIterator[FcmServer]:
    async with FcmServer().serving() as server:
        yield server


@pytest.fixture
async def fcm(server: FcmServer) -> AsyncIterator[Fcm]:
    async with Fcm(server.url, server.account, clock) as fcm:
        yield fcm


async def test_a_push_is_shown_with_its_badge_and_what_the_app_needs(fcm: Fcm, server: FcmServer) -> None:
    assert await fcm.send(a_delivery(ANDROID), HELLO) == Sent()
    assert await fcm.send(a_delivery(ANDROID), HELLO) == Sent()
    told = {"user": "7", "kind": "message", "conversation": "5", "c": "9"}
    assert server.screens.on(ANDROID.address) == [Shown("Ada", "hello", 3, told)]
    android = server.messages[0]["android"]
    assert (android["priority"], android["ttl"]) == ("HIGH", "3600s")
    assert android["collapse_key"] == android["notification"]["tag"]
    assert len(server.granted) == 1


async def test_what_is_not_urgent_wakes_no_device(fcm: Fcm, server: FcmServer) -> None:
    await fcm.send(a_delivery(ANDROID), Content("Ada", "hello", "x", 0))
    assert server.messages[0]["android"]["priority"] == "NORMAL"


@pytest.mark.parametrize(("status", "code", "name", "outcome"), DOCUMENTED, ids=lambda value: str(value)[:40])
async def test_every_documented_error_has_its_outcome(
    fcm: Fcm, server: FcmServer, status: int, code: str, name: str, outcome: Outcome
) -> None:
    server.answers.append(problem(status, code, name, **{"Retry-After": "9"}))
    assert await fcm.send(a_delivery(ANDROID), HELLO) == outcome


async def test_an_access_token_that_is_void_is_asked_for_anew(fcm: Fcm, server: FcmServer) -> None:
    await fcm.send(a_delivery(ANDROID), HELLO)
    server.granted.append("another one")
    assert await fcm.send(a_delivery(ANDROID), HELLO) == Retry("401 UNAUTHENTICATED")
    assert await fcm.send(a_delivery(ANDROID), HELLO) == Sent()


async def test_an_assertion_signed_by_another_key_is_refused(server: FcmServer) -> None:
    account = server.account | {"private_key": FcmServer().private_key}
    async with Fcm(server.url, account, clock) as fcm:
        assert await fcm.send(a_delivery(ANDROID), HELLO) == Misconfigured("no access token: 400")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((503, {}, {"Retry-After": "7"}), Retry("no access token: 503", 7.0)),
        ((429, {}, {}), Retry("no access token: 429")),
        ((401, {"error": "invalid_client"}, {}), Misconfigured("no access token: 401")),
        ((200, {"token": "x"}, {}), Misconfigured("no access token: 200")),
    ],
)
async def test_without_an_access_token_nothing_is_sent(
    fcm: Fcm, server: FcmServer, answer: tuple[int, dict[str, str], dict[str, str]], outcome: Outcome
) -> None:
    server.grants.append(answer)
    assert await fcm.send(a_delivery(ANDROID), HELLO) == outcome
    assert server.messages == []


async def test_a_server_that_is_not_there_is_an_outage(server: FcmServer) -> None:
    account = server.account | {"token_uri": "http://127.0.0.1:1/token"}
    async with Fcm(server.url, account, clock) as fcm:
        assert await fcm.send(a_delivery(ANDROID), HELLO) == Retry("no answer: ClientConnectorError")
