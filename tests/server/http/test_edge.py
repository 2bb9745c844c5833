"""Around every route: problems, origins, limits in force, headers, and the documents."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from config.values import Network
from protocol.route import Route
from protocol.routes import ROUTES
from server.documents import ASYNCAPI, OPENAPI
from server.http import HANDLING, Rates, make_app, make_private_app
from server.http.rates import Rate
from tests.server.http.stack import ORIGIN, PASSWORD, Client, Person, Stack, call, connected, sign_up


def place(route: Route) -> str:
    return route.path.replace("{id}", "8").replace("{name}", "ada")


async def test_an_unknown_path_is_a_problem(client: Client) -> None:
    for path in (
        "/",
        "/v1",
        "/v1/nothing",
        "/v1/me/",
        "/health/live",
        "/metrics",
        "/v1/conversations//messages",
        "/v1/users/seven",
    ):
        problem = await call(client, "GET", path, status=404)
        assert problem["code"] == "not_found"


async def test_an_unknown_method_names_those_that_are_known(client: Client) -> None:
    async with client.put("/v1/me") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET, HEAD, PATCH"
        problem = await response.json()
        assert problem["code"] == "unknown_op"
        assert problem["detail"].endswith("but GET, HEAD, PATCH")
    async with client.get("/v1/logins/refresh") as response:
        assert response.headers["Allow"] == "POST"


async def test_a_body_that_is_not_there_is_missed_by_name(client: Client, ada: Person) -> None:
    for method, path in (("POST", "/v1/accounts"), ("PATCH", "/v1/me"), ("POST", "/v1/conversations")):
        async with client.request(method, path, headers=ada.headers) as response:
            assert (await response.json())["detail"] == "body: there is none: send an object in JSON"


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.open], ids=lambda route: route.name)
async def test_a_route_without_a_token_is_unauthenticated(client: Client, route: Route) -> None:
    async with client.request(route.method, place(route), json={}) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="tidings"'
        assert (await response.json())["code"] == "unauthenticated"


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method == "GET"], ids=lambda route: route.name)
async def test_head_is_get_without_a_body(client: Client, ada: Person, route: Route) -> None:
    async with (
        client.get(place(route), headers=ada.headers) as got,
        client.head(place(route), headers=ada.headers) as head,
    ):
        assert head.status == got.status
        assert await head.read() == b""
        assert head.headers["Content-Length"] == got.headers["Content-Length"]


async def test_every_answer_is_marked_against_sniffing_and_what_is_private_against_keeping(
    client: Client, ada: Person
) -> None:
    async with client.get("/v1/logins", headers=ada.headers) as response:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.content_type == "application/json"


async def test_an_allowed_origin_may_ask_and_read(client: Client) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}
    async with client.options("/v1/me", headers=asked) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert response.headers["Access-Control-Allow-Methods"] == "GET, HEAD, PATCH"
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
        assert response.headers["Vary"] == "Origin"
    async with client.get("/v1/me", headers={"Origin": ORIGIN}) as response:
        assert response.status == 401
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "RateLimit" in response.headers["Access-Control-Expose-Headers"]
    async with client.options("/v1/nothing", headers=asked) as response:
        assert response.status == 404


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ORIGIN + ".evil.example", ORIGIN.upper()])
async def test_a_foreign_origin_may_not(client: Client, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    async with client.options("/v1/me", headers=asked) as response:
        assert response.status == 403
        assert "Access-Control-Allow-Origin" not in response.headers
    async with client.get("/health/ready", headers={"Origin": origin}) as response:
        assert "Access-Control-Allow-Origin" not in response.headers
    async with client.options("/v1/me") as response:
        assert response.status == 405


async def test_a_login_is_limited_and_told_when_to_come_back(stack: Stack) -> None:
    stack.change("entry", rates=Rates(login=Rate("login", 3, 0.5)))
    async with stack.served() as client:
        ada, bob = await sign_up(client, "ada"), await sign_up(client, "bob")
        async with client.get("/v1/me", headers=ada.headers) as response:
            assert response.headers["RateLimit-Policy"] == '"login";q=3;w=6'
            assert response.headers["RateLimit"] == '"login";r=2;t=2'
        for _ in range(2):
            await ada.call("GET", "/v1/me")
        async with client.get("/v1/me", headers=ada.headers) as response:
            assert response.status == 429
            assert response.headers["Retry-After"] == "2"
            assert response.headers["RateLimit"] == '"login";r=0;t=6'
            assert (await response.json())["retry_ms"] == 2_000
        await bob.call("GET", "/v1/me")
        stack.now_s += 2
        await ada.call("GET", "/v1/me")


async def test_addresses_without_a_login_are_limited_whatever_they_try(stack: Stack) -> None:
    stack.change("entry", rates=Rates(address=Rate("address", 3, 0.5)))
    async with stack.served() as client:
        ada = await sign_up(client)
        await call(client, "GET", "/v1/me", status=401)
        await call(client, "GET", "/v1/me", status=401, Authorization="Bearer wrong")
        await call(client, "POST", "/v1/logins/refresh", {"refresh_token": "x"}, 401)
        await call(client, "GET", "/v1/me", status=429)
        await call(client, "POST", "/v1/logins/refresh", {"refresh_token": ada.refresh_token}, 429)
        await call(client, "GET", "/v1/openapi.json", status=429)
        await ada.call("GET", "/v1/me")


async def test_sign_ups_and_sign_ins_are_limited_by_address(stack: Stack) -> None:
    rates = Rates(sign_up=Rate("sign-up", 2, 0.1), sign_in=Rate("sign-in", 2, 0.1))
    stack.change("entry", rates=rates, trusted_proxies=(Network("127.0.0.1"),))
    async with stack.served() as client:
        await sign_up(client, "ada")
        await sign_up(client, "bob")
        assert (await call(client, "POST", "/v1/accounts", {}, 429))["detail"] == "too many requests: limit sign-up"
        elsewhere = {"X-Forwarded-For": "203.0.113.9"}
        body = {"username": "eve", "password": PASSWORD}
        async with client.post("/v1/accounts", json=body, headers=elsewhere) as response:
            assert response.status == 201
        for _ in range(2):
            await call(client, "POST", "/v1/logins", body)
        assert (await call(client, "POST", "/v1/logins", body, 429))["retry_ms"] == 10_000
        async with client.post("/v1/logins", json=body, headers=elsewhere) as response:
            assert response.status == 200


async def test_guessing_at_one_username_is_limited_whatever_the_address(stack: Stack) -> None:
    stack.change("entry", rates=Rates(username=Rate("username", 4, 0.1)), trusted_proxies=(Network("127.0.0.1"),))
    async with stack.served() as client:
        await sign_up(client, "ada")
        for number, username in enumerate(("ada", "ADA", "Ada")):
            wrong = {"username": username, "password": "wrong horse"}
            elsewhere = {"X-Forwarded-For": f"203.0.113.{number}"}
            async with client.post("/v1/logins", json=wrong, headers=elsewhere) as response:
                assert response.status == 401
        right = {"username": "ada", "password": PASSWORD}
        async with client.post("/v1/logins", json=right) as response:
            assert response.status == 429
            assert '"username";r=0;t=40' in response.headers["RateLimit"]
        problem = await call(client, "POST", "/v1/accounts", right, 429)
        assert (problem["detail"], problem["retry_ms"]) == ("too many requests: limit username", 10_000)
        await call(client, "POST", "/v1/logins", {"username": "bob", "password": PASSWORD}, 401)
        stack.now_s += 10
        await call(client, "POST", "/v1/logins", right)


async def test_the_documents_are_served_as_generated_and_kept(client: Client) -> None:
    for path, document in (("/v1/openapi.json", OPENAPI), ("/v1/asyncapi.json", ASYNCAPI)):
        async with client.get(path) as response:
            assert await response.read() == document
            assert response.content_type == "application/json"
            tag = response.headers["ETag"]
        async with client.get(path, headers={"If-None-Match": tag}) as response:
            assert response.status == 304


async def test_readiness_says_why_not(stack: Stack, client: Client) -> None:
    assert await call(client, "GET", "/health/ready") == {"ready": True}
    stack.ready = "draining"
    problem = await call(client, "GET", "/health/ready", status=503)
    assert (problem["code"], problem["detail"], problem["retry_ms"]) == ("unavailable", "draining", 2_000)


async def test_the_private_port_tells_health_and_metrics_and_nothing_else(stack: Stack) -> None:
    app = make_private_app(stack.is_ready, lambda: b"tidings_connections 3\n")
    async with TestClient(TestServer(app)) as client:
        assert await call(client, "GET", "/health/live") == {"live": True}
        assert await call(client, "GET", "/health/ready") == {"ready": True}
        async with client.get("/metrics") as response:
            assert response.content_type == "text/plain"
            assert await response.text() == "tidings_connections 3\n"
        await call(client, "GET", "/v1/me", status=404)
        stack.ready = "draining"
        await call(client, "GET", "/health/ready", status=503)
        await call(client, "GET", "/health/live")


async def test_a_body_that_does_not_come_is_not_waited_for(stack: Stack) -> None:
    stack.change("entry", body_s=0.02)
    async with stack.served() as client, connected(client) as (reader, writer):
        writer.write(b"POST /v1/logins HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\n\r\n{")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b'"the body did not arrive in time"' in await reader.readuntil(b"}")


async def test_a_header_that_does_not_come_is_not_waited_for(stack: Stack) -> None:
    runner = web.AppRunner(make_app(stack.services), **{**HANDLING, "keepalive_timeout": 0.02})
    await runner.setup()
    assert runner.server is not None
    server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"GET /health/ready HTTP/1.1\r\nHos")
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    server.close()
    await runner.cleanup()
