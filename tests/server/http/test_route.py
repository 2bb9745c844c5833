"""Where a user's sockets belong, over HTTP."""

import msgspec

from tests.server.http.stack import Client, Person, Stack, call


async def test_who_is_signed_in_is_told_the_home_and_its_url_as_they_are_now(stack: Stack, ada: Person) -> None:
    first = {"node": "node-1:8081", "url": "ws://node-1:8081/v1/socket"}
    assert await ada.call("GET", "/v1/socket/route") == first
    stack.home = msgspec.structs.replace(stack.home, name="node-2:8082", url="wss://two.example/v1/socket")
    assert await ada.call("GET", "/v1/socket/route") == {"node": "node-2:8082", "url": "wss://two.example/v1/socket"}


async def test_without_a_token_or_with_a_wrong_one_nobody_learns_of_a_node(client: Client) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        problem = await call(client, "GET", "/v1/socket/route", status=401, **headers)
        assert problem["code"] == "unauthenticated"
        assert "node-1" not in str(problem)


async def test_no_cache_on_the_way_may_keep_the_answer(client: Client, ada: Person) -> None:
    async with client.get("/v1/socket/route", headers=ada.headers) as response:
        assert response.headers["Cache-Control"] in ("no-store", "private, no-store", "private, no-cache")
