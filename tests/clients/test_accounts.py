"""What accounts make of a server's answers, good and bad; `tests/server/test_accounts.py` asks a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.clients.once import saying
from tidings_client import AuthenticationFailed, Login, Malformed, Refused, Tokens, log_in, refresh


class Accounts:
    """Answers with numbered tokens, or as told."""

    def __init__(self) -> None:
        self.url = ""
        self.paths: list[str] = []
        self.answer: web.Response | None = None
        self._number = 0

    async def handle(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        if self.answer is not None:
            return self.answer
        self._number += 1
        drawn = {"access_token": f"access{self._number}", "refresh_token": f"refresh{self._number}"}
        return web.json_response({"user": "1", "expires_in": 900, **drawn})


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


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\xff",
        b"HTTP/1.1 302 Found\r\nLocation: /v1/elsewhere\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 500\r\n\r\n<",
        b'HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\n{"detail":7}',
        b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 oops\r\n\r\n",
        b"no HTTP at all\r\n\r\n",
        b"",
    ],
)
async def test_whatever_is_no_refusal_of_the_server_leaves_the_login_as_it_is(answer: bytes) -> None:
    async with saying(answer) as url:
        tokens = Tokens("1", "old", "spent", 900)
        login = Login(url, tokens)
        with pytest.raises(OSError, match=r"\w"):
            await login("old")
        assert login.tokens == tokens


@pytest.mark.parametrize(("status", "code"), [(401, "unauthenticated"), (400, "bad_request")])
async def test_a_refused_refresh_is_an_authentication_that_failed(accounts: Accounts, status: int, code: str) -> None:
    accounts.answer = problem(status, code)
    with pytest.raises(AuthenticationFailed):
        await Login(accounts.url, Tokens("1", "old", "spent", 900))("old")


async def test_tokens_that_could_not_be_kept_are_not_used(accounts: Accounts) -> None:
    tokens = Tokens("1", "old", "spent", 900)

    def full(fresh: Tokens) -> None:
        raise OSError("no space left")

    login = Login(accounts.url, tokens, full)
    with pytest.raises(OSError, match="no space"):
        await login("old")
    assert login.tokens == tokens


async def test_a_password_is_not_sent_on_to_where_a_redirect_points(accounts: Accounts) -> None:
    accounts.answer = web.Response(status=302, headers={"Location": "/v1/elsewhere"})
    with pytest.raises(Refused, match="http_302"):
        await log_in(accounts.url, "ada", "secret secret")
    assert accounts.paths == ["/v1/logins"]


async def test_clients_that_share_a_login_refresh_it_once(accounts: Accounts) -> None:
    login = Login(accounts.url, await log_in(accounts.url, "ada", "secret secret"))
    assert await asyncio.gather(*(login("access1") for _ in range(5))) == ["access2"] * 5
    assert accounts.paths == ["/v1/logins", "/v1/logins/refresh"]
