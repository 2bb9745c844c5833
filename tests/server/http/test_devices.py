"""Registering devices over HTTP; what endpoints are allowed is in tests/security/test_push_endpoints.py."""

import pytest

from tests.server.http.stack import Client, Person, Stack, call
from tests.server.push.web_server import Browser

PHONE = {"platform": "apns", "token": "AB" * 32, "app": "Tidings 1.0"}


async def test_a_device_is_registered_listed_and_forgotten(ada: Person, stack: Stack) -> None:
    id = (await ada.call("POST", "/v1/devices", PHONE, 201))["id"]
    assert await ada.call("GET", "/v1/devices") == {
        "items": [
            {
                "id": id,
                "platform": "apns",
                "registered_at": stack.clock(),
                "current": True,
                "app": "Tidings 1.0",
            }
        ]
    }
    assert await ada.call("DELETE", f"/v1/devices/{id}") == {}
    assert (await ada.call("DELETE", f"/v1/devices/{id}", None, 404))["code"] == "not_found"


async def test_the_same_token_in_another_spelling_is_the_same_device(ada: Person) -> None:
    ids = [(await ada.call("POST", "/v1/devices", PHONE | {"token": token * 32}, 201))["id"] for token in ("AB", "ab")]
    assert ids[0] == ids[1]


async def test_a_browser_subscribes_with_the_key_that_is_told(ada: Person) -> None:
    subscription = Browser("https://push.example.com/a").subscription
    await ada.call("POST", "/v1/devices", {"platform": "web", "subscription": subscription}, 201)
    padded = {name: key + "=" for name, key in subscription["keys"].items()}
    await ada.call("POST", "/v1/devices", {"platform": "web", "subscription": subscription | {"keys": padded}}, 201)
    assert [device["platform"] for device in (await ada.call("GET", "/v1/devices"))["items"]] == ["web"]


async def test_the_key_of_this_server_is_told_while_it_sends_web_push(stack: Stack) -> None:
    stack.change("push", vapid_key="BKey")
    async with stack.served() as client:
        signed_up = await call(client, "POST", "/v1/accounts", {"username": "ada", "password": "correct horse"}, 201)
        headers = {"Authorization": f"Bearer {signed_up['access_token']}"}
        assert await call(client, "GET", "/v1/devices", None, 200, **headers) == {"items": [], "vapid_key": "BKey"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"platform": "apns", "token": "x" * 64}, "token: of apns it is an even number of hexadecimal digits"),
        ({"platform": "apns", "token": "ab" * 101}, "token: of apns it is an even number of hexadecimal digits"),
        ({"platform": "fcm", "token": "a b c d e"}, "`$.token`"),
        ({"platform": "web", "token": "abcdefgh"}, "missing required field `subscription`"),
        ({"platform": "pager", "token": "abcdefgh"}, "one of web, apns, fcm - at `$.platform`"),
        ({"platform": "apns"}, "missing required field `token`"),
        ({"platform": "apns", "subscription": {}}, "missing required field `token`"),
        ({"platform": "web", "subscription": {"endpoint": "https://push.example.com"}}, "`keys`"),
        ({"platform": "fcm", "token": "abcdefgh", "app": "x" * 65}, "`$.app`"),
    ],
)
async def test_what_is_wrong_is_named(ada: Person, body: dict[str, object], told: str) -> None:
    assert told in (await ada.call("POST", "/v1/devices", body, 400))["detail"]


async def test_a_device_moves_to_who_registers_it_last(ada: Person, bob: Person) -> None:
    await ada.call("POST", "/v1/devices", PHONE, 201)
    await bob.call("POST", "/v1/devices", PHONE, 201)
    assert (await ada.call("GET", "/v1/devices"))["items"] == []
    assert len((await bob.call("GET", "/v1/devices"))["items"]) == 1


async def test_a_revoked_login_has_no_devices(client: Client, ada: Person) -> None:
    await ada.call("POST", "/v1/devices", PHONE, 201)
    body = {"username": "ada", "password": "correct horse"}
    other = {"Authorization": f"Bearer {(await call(client, 'POST', '/v1/logins', body))['access_token']}"}
    [device] = (await call(client, "GET", "/v1/devices", None, 200, **other))["items"]
    assert device["current"] is False
    await ada.call("DELETE", "/v1/logins/current")
    assert (await call(client, "GET", "/v1/devices", None, 200, **other))["items"] == []
