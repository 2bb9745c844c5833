"""Signing up, signing in and refreshing, against an HTTP server on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tidings_client import AuthenticationFailed, Login, Malformed, Refused, Tokens, log_in, refresh, sign_up

Body = dict[str, Any]


class Accounts:
    """Answers with numbered tokens, or as told; every refresh token is good once."""

    def __init__(self) -> None:
        self.url = ""
        self.heard: list[tuple[str, Body]] = []
        self.answer: web.Response | None = None
        self._number = 0
        self._good = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.heard.append((request.path, body))
        if self.answer is not None:
            return self.answer
        if request.path.endswith("refresh") and body["refresh_token"] != self._good:
            return problem(401, "unauthenticated")
        self._number += 1
        self._good = f"refresh{self._number}"
        tokens = {"user": "1", "access_token": f"access{self._number}", "refresh_token": self._good, "expires_in": 900}
        return web.json_response(tokens, status=201 if request.path == "/v1/accounts" else 200)


def problem(status: int, code: str) -> web.Response:
    body = {"type": "about:blank", "status": status, "code": code, "detail": "no"}
    return web.json_response(body, status=status, content_type="application/problem+json")


@pytest.fixture
async def accounts() -> AsyncIterator[Accounts]:
    accounts = Accounts()
    app = web.Application()
    app.router.add_post("/v1/{path:.*}", accounts.handle)
    async with TestServer(app) as server:
        accounts.url = f"ws://127.0.0.1:{server.port}/v1/socket"
        yield accounts


async def test_signing_up_gives_tokens_and_sends_no_empty_fields(accounts: Accounts) -> None:
    tokens = await sign_up(accounts.url, "ada", "secret secret", name="Ada")
    assert tokens == Tokens("1", "access1", "refresh1", 900)
    assert accounts.heard == [("/v1/accounts", {"username": "ada", "password": "secret secret", "name": "Ada"})]


async def test_signing_in_gives_tokens(accounts: Accounts) -> None:
    assert (await log_in(accounts.url, "ada", "secret secret", device="phone")).access_token == "access1"
    assert accounts.heard == [("/v1/logins", {"username": "ada", "password": "secret secret", "device": "phone"})]


async def test_a_refusal_carries_the_servers_code(accounts: Accounts) -> None:
    accounts.answer = problem(409, "conflict_state")
    with pytest.raises(Refused) as refusal:
        await sign_up(accounts.url, "ada", "secret secret")
    assert (refusal.value.code, refusal.value.message) == ("conflict_state", "no")


async def test_a_refusal_without_a_code_is_named_by_its_status(accounts: Accounts) -> None:
    accounts.answer = web.Response(status=403, text="<html>")
    with pytest.raises(Refused, match="http_403"):
        await log_in(accounts.url, "ada", "secret secret")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_server_in_trouble_is_one_to_try_again(accounts: Accounts, status: int) -> None:
    accounts.answer = problem(status, "unavailable")
    with pytest.raises(ConnectionError):
        await refresh(accounts.url, "refresh1")


async def test_an_answer_without_sense_is_malformed(accounts: Accounts) -> None:
    accounts.answer = web.Response(text="fine")
    with pytest.raises(Malformed):
        await log_in(accounts.url, "ada", "secret secret")


async def test_an_unreachable_server_is_an_os_error() -> None:
    with pytest.raises(OSError, match="refused"):
        await log_in("http://127.0.0.1:9", "ada", "secret secret")


async def test_a_login_gives_its_token_until_it_is_stale(accounts: Accounts) -> None:
    rotated: list[Tokens] = []
    login = Login(accounts.url, await log_in(accounts.url, "ada", "secret secret"), rotated.append)
    assert await login(None) == "access1"
    assert await login("access1") == "access2"
    assert await login("access1") == "access2"
    assert rotated == [Tokens("1", "access2", "refresh2", 900)]


async def test_clients_that_share_a_login_refresh_it_once(accounts: Accounts) -> None:
    login = Login(accounts.url, await log_in(accounts.url, "ada", "secret secret"))
    assert await asyncio.gather(*(login("access1") for _ in range(5))) == ["access2"] * 5
    assert [path for path, _ in accounts.heard] == ["/v1/logins", "/v1/logins/refresh"]


async def test_a_refused_refresh_is_an_authentication_that_failed(accounts: Accounts) -> None:
    login = Login(accounts.url, Tokens("1", "old", "spent", 900))
    with pytest.raises(AuthenticationFailed):
        await login("old")
