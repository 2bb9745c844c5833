"""Endpoints of web pushes that would have this server talk to its own network: refused when saved and when sent."""

import base64
import socket
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from persistence.push.devices import Target
from server.push.endpoints import EndpointRules, is_public
from server.push.provider import Refused, Retry, Sent
from server.push.web_push import Vapid, WebPush
from tests.server.http.stack import Client, Person, Stack, sign_up
from tests.server.push.authority import Authority
from tests.server.push.deliveries import HELLO, a_delivery, clock
from tests.server.push.web_server import Browser, WebPushServer

PUBLIC = ["8.8.8.8", "203.0.114.7", "2606:4700::1", "2a00:1450:4001::1"]
NOT_PUBLIC = [
    # Loopback, private, shared, link-local with the metadata services of clouds.
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"),
    *("169.254.169.254", "169.254.0.1", "100.100.100.200", "192.0.0.192"),
    # Nobody, everybody, documentation, benchmarks, reserved, relays.
    *("0.0.0.0", "0.1.2.3", "255.255.255.255", "224.0.0.1", "239.1.1.1", "192.0.2.1", "198.51.100.1", "203.0.113.1"),
    *("198.18.0.1", "240.0.0.1", "192.0.0.1", "192.88.99.1"),
    # The same in IPv6, and its own kinds.
    *("::", "::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "100::1", "3fff::1"),
    # IPv4 within: mapped, translated, compatible, NAT64, NAT64 of a network's own, 6to4, Teredo.
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1"),
    *("64:ff9b:1::7f00:1", "2002:7f00:1::1", "2002:a00:1::1", "2001:0:7f00:1::1"),
]
UNWANTED = [
    ("http://push.example.com/a", "it is not https"),
    ("ftp://push.example.com/a", "it is not https"),
    ("//push.example.com/a", "it is not https"),
    ("push.example.com", "it is not https"),
    ("https:push.example.com/a", "its host is no full domain name"),
    ("https://push.example.com:80/a", "its port is not 443"),
    ("https://push.example.com:8443/a", "its port is not 443"),
    ("https://push.example.com:99999/a", "it is no URL"),
    ("https://ada@push.example.com/a", "it has a user name or a password"),
    ("https://ada:secret@push.example.com/a", "it has a user name or a password"),
    ("https://push.example.com/a#b", "it has a fragment"),
    ("https://push.example.com\\@127.0.0.1/a", "it has characters that no URL has"),
    ("https://push.example.com/a b", "it has characters that no URL has"),
    ("https://push.example.com/a\r\nHost: x", "it has characters that no URL has"),
    ("https://localhost/a", "its host is no full domain name"),
    ("https://postgres/a", "its host is no full domain name"),
    ("https:///a", "its host is no full domain name"),
    ("https://push.example.com./a", "its host is no full domain name"),
    # Addresses, in every spelling that some resolver takes for one.
    ("https://127.0.0.1/a", "its host is no full domain name"),
    ("https://8.8.8.8/a", "its host is no full domain name"),
    ("https://127.1/a", "its host is no full domain name"),
    ("https://2130706433/a", "its host is no full domain name"),
    ("https://0x7f.0.0.1/a", "its host is no full domain name"),
    ("https://0x7f000001/a", "its host is no full domain name"),
    ("https://0177.0.0.1/a", "its host is no full domain name"),
    ("https://a.0x7f/a", "its host is no full domain name"),
    ("https://[::1]/a", "its host is no full domain name"),
    ("https://[::ffff:127.0.0.1]/a", "its host is no full domain name"),
    ("https://①②⑦.⓪.⓪.①/a", "its host is no full domain name"),
]

VAPID = Vapid(generate_private_key(SECP256R1()), "mailto:ada@example.com", clock)


class Names:
    """A name server; a name's addresses change with each question when it has several answers."""

    def __init__(self, **hosts: list[list[str]]) -> None:
        self.asked = 0
        self._hosts = {name.replace("_", "."): answers for name, answers in hosts.items()}

    async def __call__(self, host: str) -> list[str]:
        self.asked += 1
        if not (answers := self._hosts.get(host)):
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder: Path = tmp_path_factory.mktemp("authority")
    return Authority(folder)


@pytest.fixture
async def server(authority: Authority) -> AsyncIterator[WebPushServer]:
    async with WebPushServer().serving(authority) as server:
        yield server


@pytest.fixture
async def ada(stack: Stack) -> AsyncIterator[Person]:
    async with stack.served() as client:
        yield await sign_up(client, "ada")


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_known(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_known(address: str) -> None:
    assert is_public(ip_address(address))


async def refusal(ada: Person, endpoint: str) -> str:
    subscription = Browser(endpoint).subscription
    body = {"platform": "web", "subscription": subscription}
    told: str = (await ada.call("POST", "/v1/devices", body, 400))["detail"]
    return told


@pytest.mark.parametrize(("endpoint", "why"), UNWANTED)
async def test_such_an_endpoint_is_refused_when_saved(stack: Stack, ada: Person, endpoint: str, why: str) -> None:
    assert await refusal(ada, endpoint) == f"subscription.endpoint: {why}"
    assert (await ada.call("GET", "/v1/devices"))["items"] == []


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_a_name_of_such_an_address_is_refused_when_saved(stack: Stack, ada: Person, address: str) -> None:
    stack.addresses["eve.example.com"] = ["8.8.8.8", address]
    told = await refusal(ada, "https://eve.example.com/a")
    assert told == "subscription.endpoint: its host is not on the public internet"
    assert told == await refusal(ada, "https://unknown.example.com/a")


@pytest.mark.parametrize(("endpoint", "why"), UNWANTED)
async def test_such_an_endpoint_is_refused_when_sent_to(endpoint: str, why: str, authority: Authority) -> None:
    browser, names = Browser(endpoint), Names()
    async with WebPush(VAPID, EndpointRules(names), authority.client()) as web:
        target = Target("web", endpoint, browser.p256dh, browser.auth)
        assert await web.send(a_delivery(target), HELLO) == Refused(f"the endpoint is not allowed: {why}")
    assert names.asked == 0


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fe80::1%1"]
)
async def test_a_name_of_such_an_address_is_not_connected_to(
    address: str, authority: Authority, server: WebPushServer, connections: Callable[[], list[object]]
) -> None:
    browser = server.browser()
    names = Names(push_example_com=[["8.8.8.8", address]])
    async with WebPush(VAPID, EndpointRules(names, ports=None), authority.client()) as web:
        target = Target("web", browser.endpoint, browser.p256dh, browser.auth)
        outcome = await web.send(a_delivery(target), HELLO)
    assert outcome == Refused("the endpoint is not allowed: its host is not on the public internet")
    assert connections() == []
    assert server.requests == []


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[object]]:
    """Where sockets of this process were connected to."""
    made: list[object] = []
    connect = socket.socket.connect

    def noted(self: socket.socket, address: object) -> None:
        made.append(address)
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", noted)
    return lambda: made


async def test_a_name_that_is_bound_anew_between_look_and_connection_is_asked_once(
    authority: Authority, server: WebPushServer
) -> None:
    """Only the addresses that were looked at are connected to: what the name means a moment later changes nothing."""
    browser = server.browser()
    names = Names(push_example_com=[["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]])
    rules = EndpointRules(names, lambda address: str(address) == "127.0.0.1", None)
    async with WebPush(VAPID, rules, authority.client()) as web:
        target = Target("web", browser.endpoint, browser.p256dh, browser.auth)
        assert await web.send(a_delivery(target), HELLO) == Sent()
    assert names.asked == 1


async def test_a_name_that_was_public_when_saved_is_refused_when_it_is_sent_to(
    authority: Authority, server: WebPushServer
) -> None:
    browser = server.browser()
    names = Names(push_example_com=[["8.8.8.8"], ["127.0.0.1"]])
    rules = EndpointRules(names, ports=None)
    await rules.check(browser.endpoint)
    async with WebPush(VAPID, rules, authority.client()) as web:
        target = Target("web", browser.endpoint, browser.p256dh, browser.auth)
        assert isinstance(await web.send(a_delivery(target), HELLO), Refused)
    assert server.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(authority: Authority, server: WebPushServer, status: int) -> None:
    browser, other = server.browser(), server.browser("other.example.com")
    names = Names(push_example_com=[["127.0.0.1"]], other_example_com=[["127.0.0.1"]])
    server.answers.append((status, {"Location": other.endpoint}))
    async with WebPush(VAPID, EndpointRules(names, lambda address: True, None), authority.client()) as web:
        target = Target("web", browser.endpoint, browser.p256dh, browser.auth)
        assert await web.send(a_delivery(target), HELLO) == Refused(f"{status} redirects")
    assert len(server.requests) == 1


async def test_a_name_server_that_is_away_is_no_refusal(authority: Authority) -> None:
    async def silent(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    browser = Browser("https://push.example.com/a")
    async with WebPush(VAPID, EndpointRules(silent), authority.client()) as web:
        target = Target("web", browser.endpoint, browser.p256dh, browser.auth)
        assert isinstance(await web.send(a_delivery(target), HELLO), Retry)


async def test_a_host_is_kept_as_it_is_asked(stack: Stack, ada: Person) -> None:
    stack.addresses["xn--bcher-kva.example"] = ["8.8.8.8"]
    for spelled in ("https://Bücher.Example/a", "https://xn--bcher-kva.example:443/a"):
        body = {"platform": "web", "subscription": Browser(spelled).subscription}
        await ada.call("POST", "/v1/devices", body, 201)
    assert len((await ada.call("GET", "/v1/devices"))["items"]) == 1


async def test_a_key_of_a_subscription_is_looked_at(ada: Person) -> None:
    for name, octets in (("p256dh", b"\4" + b"x" * 64), ("p256dh", b""), ("auth", b"short"), ("auth", b"x" * 17)):
        subscription = Browser("https://push.example.com/a").subscription
        subscription["keys"][name] = base64.urlsafe_b64encode(octets).decode() or "AA"
        told = await ada.call("POST", "/v1/devices", {"platform": "web", "subscription": subscription}, 400)
        assert told["detail"].startswith(f"subscription.keys.{name}: not ")


async def test_a_foreign_device_is_not_there(client: Client) -> None:
    eve, bob = await sign_up(client, "eve"), await sign_up(client, "bob")
    id = (await bob.call("POST", "/v1/devices", {"platform": "fcm", "token": "of-bob-1"}, 201))["id"]
    foreign = await eve.call("DELETE", f"/v1/devices/{id}", None, 404)
    assert foreign == await eve.call("DELETE", "/v1/devices/999", None, 404)
    assert len((await bob.call("GET", "/v1/devices"))["items"]) == 1
