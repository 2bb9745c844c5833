"""What a client confides is in no log line and in no answer to anybody else."""

import logging
from typing import Any

import pytest
from structlog.testing import capture_logs

from persistence.faults import UnavailableError
from tests.server.http.stack import PASSWORD, Client, Stack, call, sign_up

TEXT = "the text of a message"


async def test_a_fault_is_logged_by_place_and_kind_without_its_words(
    stack: Stack, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    ada = await sign_up(client)
    stack.talks.fault = RuntimeError(f"cannot store {TEXT!r} of {ada.token}")
    body = {"cid": "secret-cid", "text": TEXT}
    with capture_logs() as lines, caplog.at_level(logging.DEBUG):
        problem = await ada.call("POST", "/v1/conversations/77/messages", body, status=500)
    assert problem == {
        "title": "Internal Server Error",
        "status": 500,
        "detail": "the server failed to carry this out: send it again",
        "code": "internal",
        "type": "about:blank",
    }
    [line] = lines
    assert (line["event"], line["fault"]) == ("request failed", "RuntimeError")
    assert line["path"] == "/v1/conversations/{id}/messages"
    assert "in ask" in line["where"]
    written = str(lines) + caplog.text
    for secret in (TEXT, ada.token, "secret-cid"):
        assert secret not in written
    stack.talks.fault = None
    await ada.call("GET", "/v1/me")


async def test_a_store_that_is_away_is_logged_by_kind(stack: Stack, client: Client) -> None:
    ada = await sign_up(client)
    stack.talks.fault = UnavailableError(TEXT)
    stack.talks.fault.__cause__ = ConnectionResetError(TEXT)
    with capture_logs() as lines:
        await ada.call("GET", "/v1/conversations/77", status=503)
    assert [(line["event"], line["cause"]) for line in lines] == [("store unavailable", "ConnectionResetError")]
    assert TEXT not in str(lines)


ASKED: list[tuple[str, str, Any]] = [
    ("POST", "/v1/accounts", {"username": "eve", "password": "a secret of eve"}),
    ("POST", "/v1/accounts", {"username": "has a blank", "password": "a secret of eve"}),
    ("POST", "/v1/logins", {"username": "ada", "password": "a secret of eve"}),
    ("POST", "/v1/logins", {"username": "ada", "password": ["a secret of eve"]}),
    ("POST", "/v1/logins/refresh", {"refresh_token": "a secret of eve"}),
    ("POST", "/v1/logins/refresh", {"refresh_token": {"a secret of eve": 1}}),
    ("GET", "/v1/me?token=a+secret+of+eve", None),
    ("GET", "/v1/a secret of eve", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ASKED)
async def test_secrets_are_neither_logged_nor_echoed(
    client: Client, caplog: pytest.LogCaptureFixture, method: str, path: str, body: Any
) -> None:
    await sign_up(client)
    with capture_logs() as lines, caplog.at_level(logging.DEBUG, "aiohttp"):
        async with client.request(
            method, path, json=body, headers={"Authorization": "Bearer a.secret.of.eve"}
        ) as response:
            answered = await response.text() + str(response.headers)
    for written in (answered, str(lines), caplog.text):
        assert "secret" not in written


async def test_a_password_is_stored_only_as_its_hash(stack: Stack, client: Client) -> None:
    ada = await sign_up(client)
    account = await stack.people.account_named("ada")
    assert account is not None
    assert account.password_hash is not None
    assert PASSWORD not in account.password_hash
    for path in ("/v1/me", f"/v1/users/{ada.user}", "/v1/users/by-username/ada"):
        assert "password" not in str(await ada.call("GET", path))


async def test_a_refresh_token_is_not_in_the_list_of_logins(client: Client) -> None:
    ada = await sign_up(client)
    listed = str(await ada.call("GET", "/v1/logins"))
    assert ada.refresh_token not in listed
    assert ada.token not in listed
    await call(client, "GET", "/v1/logins", status=401)
