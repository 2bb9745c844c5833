"""The SDK's accounts at a real server: what it says is understood, and what it is given is good."""

import json
import urllib.request
from typing import Any

import pytest

from tests.server.running import Installation
from tidings_client import AuthenticationFailed, Client, Login, Refused, Tokens, log_in, refresh, sign_up

PASSWORD = "correct horse battery"


def asked(installation: Installation, path: str, tokens: Tokens, method: str = "GET") -> Any:
    """What the server answers whoever holds these tokens."""
    headers = {"Authorization": f"Bearer {tokens.access_token}"}
    request = urllib.request.Request(installation.url + path, headers=headers, method=method)
    with urllib.request.urlopen(request) as response:
        return json.load(response)


async def test_whoever_signs_up_is_let_in_under_the_name_they_gave(installation: Installation) -> None:
    tokens = await sign_up(installation.url, "grace", PASSWORD, name="Grace", email="grace@example.com")
    assert tokens.expires_in > 0
    me = asked(installation, "/v1/me", tokens)
    assert (me["id"], me["username"], me["name"], me["email"]) == (tokens.user, "grace", "Grace", "grace@example.com")
    async with Client(installation.url, token_source=Login(installation.url, tokens)) as client:
        assert client.user == tokens.user


async def test_a_name_alone_is_enough_and_what_is_left_out_is_absent(installation: Installation) -> None:
    me = asked(installation, "/v1/me", await sign_up(installation.url, "hedy", PASSWORD))
    assert not me.keys() & {"name", "email"}


async def test_each_login_is_shown_with_the_device_it_was_made_on(installation: Installation) -> None:
    await sign_up(installation.url, "joan", PASSWORD)
    await log_in(installation.url, "joan", PASSWORD, device="desk")
    phone = await log_in(installation.url, "joan", PASSWORD, device="phone-1", platform="ios", app="camera 2.1")
    logins = asked(installation, "/v1/logins", phone)["items"]
    assert [login.get("device") for login in logins] == [
        {"id": "phone-1", "platform": "ios", "app": "camera 2.1"},
        {"id": "desk", "platform": "python", "app": "tidings-client"},
        None,
    ]
    assert [login["current"] for login in logins] == [True, False, False]


async def test_a_refusal_carries_the_servers_code(installation: Installation) -> None:
    await sign_up(installation.url, "mary", PASSWORD)
    with pytest.raises(Refused) as taken:
        await sign_up(installation.url, "MARY", PASSWORD)
    with pytest.raises(Refused) as wrong:
        await log_in(installation.url, "mary", "another password")
    assert (taken.value.code, wrong.value.code) == ("conflict_state", "unauthenticated")
    assert taken.value.message.startswith("username")


async def test_a_refreshed_login_goes_on_with_tokens_that_are_good(installation: Installation) -> None:
    first = await sign_up(installation.url, "radia", PASSWORD)
    rotated: list[Tokens] = []
    login = Login(installation.url, first, rotated.append)
    assert await login(first.access_token) == rotated[0].access_token
    assert rotated == [login.tokens]
    assert login.tokens.refresh_token != first.refresh_token
    assert asked(installation, "/v1/me", login.tokens)["id"] == first.user == login.tokens.user
    assert (await refresh(installation.url, login.tokens.refresh_token)).user == first.user


async def test_a_login_that_was_revoked_cannot_be_refreshed(installation: Installation) -> None:
    tokens = await sign_up(installation.url, "annie", PASSWORD)
    asked(installation, "/v1/logins/current", tokens, "DELETE")
    with pytest.raises(AuthenticationFailed):
        await Login(installation.url, tokens)(tokens.access_token)
