"""Who may what over HTTP: generated from the table of routes, so that a new route is covered when it is written."""

from typing import Any

import pytest

from protocol.ids import LoginId, UserId
from protocol.route import Route
from protocol.routes import ROUTES
from tests.server.http.stack import LIFE_S, Client, Person, Stack, sign_up

GUARDED = [route for route in ROUTES if not route.open]
SPOOFED = {"sender": "8", "from": "8", "caller": "8", "login": "8", "id": 7, "op": "hello", "conversation": "8"}
BODIES: dict[str, dict[str, Any]] = {
    "conversation.create": {"user": "8"},
    "message.send": {"cid": "c", "text": "hello"},
    "message.read": {"c": 1},
    "notification.seen": {"up_to": 1},
    "sync": {"heads": {}, "since": 0},
}


async def status_of(client: Client, route: Route, headers: dict[str, str]) -> tuple[int, str]:
    path = route.path.replace("{id}", "8").replace("{name}", "nobody")
    body = BODIES.get(route.name, {}) if route.bodies else None
    async with client.request(route.method, path, json=body, headers=headers) as response:
        answer = await response.json()
        return response.status, answer.get("code", "")


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.name)
async def test_only_a_good_token_of_a_live_login_opens_a_route(stack: Stack, client: Client, route: Route) -> None:
    ada = await sign_up(client, "ada")
    bob = await sign_up(client, "bob")
    [login] = (await bob.call("GET", "/v1/logins"))["items"]
    await bob.call("DELETE", "/v1/logins/current")
    stack.now_s += LIFE_S
    late = await sign_up(client, "late")
    refused = (401, "unauthenticated")
    assert await status_of(client, route, {}) == refused
    assert await status_of(client, route, ada.headers) == refused
    revoked = stack.tokens.issue(UserId(bob.user), LoginId(login["id"]))
    assert await status_of(client, route, {"Authorization": f"Bearer {revoked}"}) == refused
    assert await status_of(client, route, {"Authorization": f"Bearer {ada.refresh_token}"}) == refused
    assert (await status_of(client, route, late.headers))[0] != 401
    assert all(caller.user == late.user for caller, _ in stack.talks.asked)


@pytest.mark.parametrize("route", [route for route in GUARDED if route.ops], ids=lambda route: route.name)
async def test_who_asks_is_whose_token_it_is_whatever_the_body_says(stack: Stack, client: Client, route: Route) -> None:
    ada = await sign_up(client, "ada")
    path = route.path.replace("{id}", "77")
    async with client.request(
        route.method,
        path,
        json={**BODIES.get(route.name, {}), **SPOOFED},
        params={"conversation": "8"},
        headers=ada.headers,
    ):
        [(caller, request)] = stack.talks.asked
    assert caller.user == ada.user
    assert getattr(request, "id", None) == 1
    assert request.__struct_config__.tag in {op.__struct_config__.tag for op in route.ops}
    if route.place is not None:
        assert getattr(request, "conversation", None) == "77"


async def test_nobody_ends_lists_or_changes_what_is_another_ones(stack: Stack, client: Client) -> None:
    ada, eve = await sign_up(client, "ada"), await sign_up(client, "eve")
    [login] = (await ada.call("GET", "/v1/logins"))["items"]
    assert login["id"] not in str(await eve.call("GET", "/v1/logins"))
    await eve.call("DELETE", f"/v1/logins/{login['id']}", status=404)
    await eve.call("PATCH", "/v1/me", {"id": ada.user, "user": ada.user, "username": "ada", "name": "Eve"})
    assert await ada.call("GET", "/v1/me") == {"id": ada.user, "username": "ada", "settings": {}}
    assert stack.ended == []


async def test_what_may_not_be_seen_is_answered_like_what_does_not_exist(client: Client) -> None:
    async def answer(person: Person, path: str) -> tuple[int, bytes, set[str]]:
        async with client.get(path, headers=person.headers) as response:
            return response.status, await response.read(), set(response.headers)

    ada, eve = await sign_up(client, "ada"), await sign_up(client, "eve")
    [login] = (await ada.call("GET", "/v1/logins"))["items"]
    foreign = await client.delete(f"/v1/logins/{login['id']}", headers=eve.headers)
    absent = await client.delete("/v1/logins/8", headers=eve.headers)
    assert (foreign.status, await foreign.read(), set(foreign.headers)) == (
        absent.status,
        await absent.read(),
        set(absent.headers),
    )
    assert await answer(eve, "/v1/users/8") == await answer(eve, "/v1/users/by-username/nobody")
