"""Web Push against a push service that checks tokens, and a browser that decrypts by a library of others."""

import base64
from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key, generate_private_key

from persistence.push.contract import Delivery
from persistence.push.devices import Target
from protocol.pushes import Content
from server.push.encryption import PLAIN_BYTES, encrypted
from server.push.endpoints import EndpointRules
from server.push.provider import Gone, Misconfigured, Outcome, Refused, Retry, Sent
from server.push.web_push import Vapid, WebPush
from tests.server.push.authority import Authority
from tests.server.push.deliveries import HELLO, a_delivery, clock
from tests.server.push.screens import Shown
from tests.server.push.web_server import Browser, WebPushServer

VAPID = Vapid(generate_private_key(SECP256R1()), "mailto:ada@example.com", clock)
HEADERS = {"Retry-After": "9"}


async def here(host: str) -> list[str]:
    return ["127.0.0.1"]


ANYWHERE = EndpointRules(here, lambda address: True, None)


@pytest.fixture
async def server(authority: Authority) -> AsyncIterator[WebPushServer]:
    async with WebPushServer(VAPID.public).serving(authority) as server:
        yield server


@pytest.fixture
async def web(authority: Authority) -> AsyncIterator[WebPush]:
    async with WebPush(VAPID, ANYWHERE, authority.client()) as web:
        yield web


def to(browser: Browser, **more: object) -> Delivery:
    return a_delivery(Target("web", browser.endpoint, browser.p256dh, browser.auth), **more)


async def test_a_browser_decrypts_what_it_shows(web: WebPush, server: WebPushServer) -> None:
    browser = server.browser()
    assert await web.send(to(browser), HELLO) == Sent()
    assert await web.send(to(browser), HELLO) == Sent()
    told = {"user": "7", "kind": "message", "conversation": "5", "c": "9"}
    assert server.screens.on(browser.endpoint) == [Shown("Ada", "hello", 3, told)]
    [request, _] = server.requests
    assert (request["TTL"], request["Urgency"], request["Content-Encoding"]) == ("3600", "high", "aes128gcm")


async def test_the_longest_payload_fits_and_a_longer_one_is_not_sent(web: WebPush, server: WebPushServer) -> None:
    browser = server.browser()
    short = Content("x", "", "", 0)
    await web.send(to(browser), short)
    for length, outcome in ((3_800, Sent), (PLAIN_BYTES, Refused)):
        assert isinstance(await web.send(to(browser), Content("x" * length, "", "", 0)), outcome)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Sent()) for status in (200, 201, 202, 204)),
        *((status, Gone(str(status))) for status in (404, 410)),
        *((status, Misconfigured(str(status))) for status in (401, 403)),
        *((status, Refused(str(status))) for status in (400, 413, 405)),
        *((status, Refused(f"{status} redirects")) for status in (301, 307, 308)),
        *((status, Retry(str(status), 9.0)) for status in (500, 502, 503)),
        (429, Retry("429", 9.0, outage=False)),
    ],
)
async def test_every_answer_has_its_outcome(web: WebPush, server: WebPushServer, status: int, outcome: Outcome) -> None:
    server.answers.append((status, HEADERS | {"Location": "https://other.example.com/"}))
    assert await web.send(to(server.browser()), HELLO) == outcome
    assert len(server.requests) == 1


async def test_a_subscription_made_for_another_key_is_refused(server: WebPushServer, authority: Authority) -> None:
    other = Vapid(generate_private_key(SECP256R1()), "mailto:ada@example.com", clock)
    async with WebPush(other, ANYWHERE, authority.client()) as web:
        assert await web.send(to(server.browser()), HELLO) == Misconfigured("403")


async def test_tokens_are_signed_once_for_each_push_service(web: WebPush, server: WebPushServer) -> None:
    for host in ("push.example.com", "other.example.com", "push.example.com"):
        assert await web.send(to(server.browser(host)), HELLO) == Sent()
    first, other, again = (request["Authorization"] for request in server.requests)
    assert first == again != other


async def test_push_services_fail_each_for_itself(web: WebPush, server: WebPushServer) -> None:
    one, other = to(server.browser()), to(server.browser("other.example.com"))
    assert web.service(one) == web.service(to(server.browser())) != web.service(other)


async def test_a_service_that_is_not_trusted_is_an_outage(server: WebPushServer) -> None:
    async with WebPush(VAPID, ANYWHERE) as web:
        assert await web.send(to(server.browser()), HELLO) == Retry("no answer: ClientConnectorCertificateError")


async def test_keys_that_are_none_are_refused(web: WebPush, server: WebPushServer) -> None:
    delivery = a_delivery(Target("web", server.browser().endpoint, b"\4" + b"x" * 64, b"a" * 16))
    assert await web.send(delivery, HELLO) == Refused("the keys of the subscription are none")


def test_encryption_gives_the_example_of_the_rfc() -> None:
    """RFC 8291 §5 and Appendix A."""

    def octets(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    sender = derive_private_key(int.from_bytes(octets("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")), SECP256R1())
    body = encrypted(
        b"When I grow up, I want to be a watermelon",
        octets("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        octets("BTBZMqHH6r4Tts7J_aSIgg"),
        octets("DGv6ra1nlYgDCS1FRnbzlw"),
        sender,
    )
    assert body == octets(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBr"
        "u3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
