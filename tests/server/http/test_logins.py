"""Signing up, in and out over HTTP."""

import pytest

from persistence.people.contract import Refresh
from persistence.people.rotation import GRACE_MS
from protocol.ids import LoginId
from tests.server.http.stack import LIFE_S, PASSWORD, Client, Person, Stack, call, sign_up

DEVICE = {"id": "phone-1", "platform": "ios", "app": "tidings 1.0"}


async def test_a_sign_up_answers_with_the_user_and_tokens_that_work(client: Client) -> None:
    body = {"username": "Ada", "password": PASSWORD, "name": "Ada L.", "email": "ada@example.com"}
    credentials = await call(client, "POST", "/v1/accounts", body, 201)
    assert set(credentials) == {"user", "access_token", "refresh_token", "expires_in"}
    assert credentials["expires_in"] == LIFE_S
    me = await Person(client, "Ada", credentials).call("GET", "/v1/me")
    assert me == {
        "id": credentials["user"],
        "username": "Ada",
        "settings": {},
        "name": "Ada L.",
        "email": "ada@example.com",
    }


async def test_a_taken_username_is_a_conflict_and_signing_in_shows_whether_it_was_me(
    client: Client, ada: Person
) -> None:
    body = {"username": "ADA", "password": PASSWORD}
    problem = await call(client, "POST", "/v1/accounts", body, 409)
    assert problem["code"] == "conflict_state"
    again = await call(client, "POST", "/v1/logins", body)
    assert again["user"] == ada.user


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "has a blank"}, "username"),
        ({"username": ""}, "username"),
        ({"username": "a" * 31}, "username"),
        ({"username": "ada\n"}, "username"),
        ({"username": "\u212aelvin"}, "username"),
        ({"username": None}, "username"),
        ({"password": "seven77"}, "password"),
        ({"password": "é" * 1_000}, "password"),
        ({"password": 12345678}, "password"),
        ({"name": "a\x00"}, "name"),
        ({"name": "a" * 65}, "name"),
        ({"email": "nobody"}, "email"),
    ],
)
async def test_a_sign_up_that_is_wrong_is_refused_by_the_name_of_the_field(
    client: Client, change: dict[str, object], field: str
) -> None:
    body = {"username": "ada", "password": PASSWORD, **change}
    problem = await call(client, "POST", "/v1/accounts", body, 400)
    assert problem["code"] == "bad_request"
    assert field in problem["detail"]
    assert "regex" not in problem["detail"]


async def test_a_missing_field_is_named(client: Client) -> None:
    problem = await call(client, "POST", "/v1/accounts", {"username": "ada"}, 400)
    assert "`password`" in problem["detail"]


async def test_a_sign_in_adds_a_login_with_its_device(client: Client, ada: Person) -> None:
    body = {"username": "Ada", "password": PASSWORD, "device": DEVICE}
    phone = Person(client, "ada", await call(client, "POST", "/v1/logins", body))
    assert phone.user == ada.user
    logins = (await phone.call("GET", "/v1/logins"))["items"]
    assert [(login["current"], login.get("device")) for login in logins] == [(True, DEVICE), (False, None)]
    assert all(login["created_at"] == login["last_used_at"] for login in logins)


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("ada", "wrong horse"),
        ("nobody", PASSWORD),
        ("nobody", "wrong horse"),
        ("a\u0308da", PASSWORD),
        ("minted1", PASSWORD),
        ("minted1", ""),
        ("", PASSWORD),
        ("ada ", PASSWORD),
    ],
)
async def test_whatever_is_wrong_about_a_sign_in_is_answered_alike(
    stack: Stack, client: Client, ada: Person, username: str, password: str
) -> None:
    await stack.people.mint([("minted1", Refresh(b"f" * 32, b"s" * 32))])
    body = {"username": username, "password": password}
    problem = await call(client, "POST", "/v1/logins", body, 401)
    assert problem == {
        "title": "Unauthorized",
        "status": 401,
        "detail": "the username or the password is wrong",
        "code": "unauthenticated",
        "type": "about:blank",
    }


async def test_an_exchange_gives_fresh_tokens_of_the_same_login(stack: Stack, client: Client, ada: Person) -> None:
    stack.now_s += LIFE_S
    assert (await ada.call("GET", "/v1/me", status=401))["detail"] == "the token has expired"
    fresh = await call(client, "POST", "/v1/logins/refresh", {"refresh_token": ada.refresh_token})
    assert fresh["user"] == ada.user
    assert fresh["refresh_token"] != ada.refresh_token
    renewed = Person(client, "ada", fresh)
    logins = (await renewed.call("GET", "/v1/logins"))["items"]
    assert [login["current"] for login in logins] == [True]


async def test_an_exchange_whose_answer_was_lost_gives_the_same_token_again(
    stack: Stack, client: Client, ada: Person
) -> None:
    exchange = {"refresh_token": ada.refresh_token}
    lost = await call(client, "POST", "/v1/logins/refresh", exchange)
    stack.now_s += 12
    again = await call(client, "POST", "/v1/logins/refresh", exchange)
    assert again["refresh_token"] == lost["refresh_token"]
    await call(client, "POST", "/v1/logins/refresh", {"refresh_token": again["refresh_token"]})
    assert stack.ended == []


async def test_a_token_that_comes_back_late_ends_the_login_everywhere(
    stack: Stack, client: Client, ada: Person
) -> None:
    exchange = {"refresh_token": ada.refresh_token}
    fresh = await call(client, "POST", "/v1/logins/refresh", exchange)
    stack.now_s += GRACE_MS / 1_000 + 1
    stolen = await call(client, "POST", "/v1/logins/refresh", exchange, 401)
    assert len(stack.ended) == 1
    void = await call(client, "POST", "/v1/logins/refresh", {"refresh_token": fresh["refresh_token"]}, 401)
    unknown = await call(client, "POST", "/v1/logins/refresh", {"refresh_token": "x" * 64}, 401)
    garbage = await call(client, "POST", "/v1/logins/refresh", {"refresh_token": "garbage"}, 401)
    assert stolen == void == unknown == garbage
    assert (await ada.call("GET", "/v1/me", status=401))["detail"] == "the token is not valid"


async def test_signing_out_here_ends_this_login_at_once(stack: Stack, client: Client, ada: Person) -> None:
    assert await ada.call("DELETE", "/v1/logins/current") == {}
    assert len(stack.ended) == 1
    await ada.call("GET", "/v1/me", status=401)
    await ada.call("DELETE", "/v1/logins/current", status=401)
    await call(client, "POST", "/v1/logins/refresh", {"refresh_token": ada.refresh_token}, 401)


async def test_signing_out_elsewhere_ends_that_login_and_may_be_repeated(
    stack: Stack, client: Client, ada: Person
) -> None:
    body = {"username": "ada", "password": PASSWORD}
    phone = Person(client, "ada", await call(client, "POST", "/v1/logins", body))
    [other] = [login["id"] for login in (await ada.call("GET", "/v1/logins"))["items"] if not login["current"]]
    for _ in range(2):
        assert await ada.call("DELETE", f"/v1/logins/{other}") == {}
    assert stack.ended == [LoginId(other)]
    await phone.call("GET", "/v1/me", status=401)
    await ada.call("GET", "/v1/me")


async def test_a_login_of_somebody_else_is_answered_like_none(client: Client, ada: Person) -> None:
    bob = await sign_up(client, "bob")
    [login] = (await ada.call("GET", "/v1/logins"))["items"]
    of_ada = await bob.call("DELETE", f"/v1/logins/{login['id']}", status=404)
    of_nobody = await bob.call("DELETE", "/v1/logins/8", status=404)
    assert of_ada == of_nobody
    await ada.call("GET", "/v1/me")


async def test_too_many_who_sign_in_at_once_are_told_when_to_come_back(stack: Stack) -> None:
    stack.passwords = type(stack.passwords)(threads=1, waiting=-1)
    stack.change("accounts", passwords=stack.passwords)
    async with stack.served() as client:
        for path in ("/v1/accounts", "/v1/logins"):
            body = {"username": "ada", "password": PASSWORD}
            async with client.post(path, json=body) as response:
                assert response.status == 503
                assert response.headers["Retry-After"] == "2"
                assert (await response.json())["retry_ms"] == 2_000
