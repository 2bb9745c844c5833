"""Twins: what HTTP asks is what a socket would ask, and is answered with the same words."""

from typing import Any

import pytest
from msgspec import Struct

from persistence.faults import UnavailableError
from protocol.errors import UNKNOWN_OUTCOME, Refusal
from protocol.ids import ConversationId, UserId
from protocol.problems import STATUS
from protocol.requests import (
    AcceptConversation,
    ChangeSettings,
    CreateConversation,
    DeclineConversation,
    GetConversation,
    GetHistory,
    GetReceipts,
    ListConversations,
    MarkRead,
    OpenConversation,
    SendMessage,
    Sync,
)
from tests.server.http.stack import Client, Person, Stack

ONE = "/v1/conversations/77"
TALK = ConversationId("77")
EVE, MAY = UserId("5"), UserId("6")
CID = "q1Zx0c7rTnG4lYw2"
NOW = 1_795_219_200_000

TWINS: list[tuple[str, str, Any, Struct]] = [
    ("GET", "/v1/conversations", None, ListConversations(id=1)),
    (
        "GET",
        "/v1/conversations?folder=archive&before=abc&limit=7&unknown=1",
        None,
        ListConversations(id=1, folder="archive", before="abc", limit=7),
    ),
    ("POST", "/v1/conversations", {"user": "5"}, OpenConversation(id=1, user=EVE)),
    (
        "POST",
        "/v1/conversations",
        {"cid": CID, "members": ["5", "6"], "title": "Supper", "unknown": 1},
        CreateConversation(id=1, cid=CID, members=[EVE, MAY], title="Supper"),
    ),
    ("GET", ONE, None, GetConversation(id=1, conversation=TALK)),
    ("GET", f"{ONE}/messages", None, GetHistory(id=1, conversation=TALK)),
    ("GET", f"{ONE}/messages?after=3&limit=9", None, GetHistory(id=1, conversation=TALK, after=3, limit=9)),
    ("GET", f"{ONE}/messages?before=3", None, GetHistory(id=1, conversation=TALK, before=3)),
    (
        "POST",
        f"{ONE}/messages",
        {"cid": CID, "text": "hello", "after": "c1", "reply_to": 2, "mentions": ["5"]},
        SendMessage(id=1, conversation=TALK, cid=CID, text="hello", after="c1", reply_to=2, mentions=[EVE]),
    ),
    ("PUT", f"{ONE}/read", {"c": 4}, MarkRead(id=1, conversation=TALK, c=4)),
    (
        "PATCH",
        f"{ONE}/settings",
        {"pinned": True, "draft": ""},
        ChangeSettings(id=1, conversation=TALK, pinned=True, draft=""),
    ),
    ("PUT", f"{ONE}/accept", None, AcceptConversation(id=1, conversation=TALK)),
    ("PUT", f"{ONE}/decline", None, DeclineConversation(id=1, conversation=TALK)),
    ("GET", f"{ONE}/receipts", None, GetReceipts(id=1, conversation=TALK)),
    ("POST", "/v1/sync", {"heads": {"77": 3}, "since": NOW}, Sync(id=1, heads={TALK: 3}, since=NOW)),
]


@pytest.mark.parametrize(("method", "path", "body", "request_"), TWINS, ids=lambda value: str(value)[:40])
async def test_a_twin_asks_what_a_socket_would_ask(
    stack: Stack, ada: Person, method: str, path: str, body: Any, request_: Struct
) -> None:
    stack.talks.refusal = Refusal("not_found", "there is no such conversation")
    problem = await ada.call(method, path, body, status=404)
    assert problem["detail"] == "there is no such conversation"
    [(caller, asked)] = stack.talks.asked
    assert caller.user == ada.user
    assert asked == request_


async def test_a_conversation_is_opened_written_and_read(ada: Person, bob: Person) -> None:
    conversation = (await ada.call("POST", "/v1/conversations", {"user": bob.user}))["conversation"]["id"]
    path = f"/v1/conversations/{conversation}"
    said = {"cid": CID, "text": "hello"}
    first = await ada.call("POST", f"{path}/messages", said)
    assert first["c"] == 1
    assert await ada.call("POST", f"{path}/messages", said) == {**first, "dup": True}
    problem = await ada.call("POST", f"{path}/messages", {**said, "text": "other"}, status=409)
    assert problem["code"] == "id_reused"
    history = await bob.call("GET", f"{path}/messages")
    assert [(event["c"], event["from"], event["text"]) for event in history["events"]] == [(1, ada.user, "hello")]
    assert await bob.call("PUT", f"{path}/read", {"c": 1}) == {}
    assert (await bob.call("GET", path))["last_c"] == 1
    assert [item["id"] for item in (await bob.call("GET", "/v1/conversations"))["items"]] == [conversation]


async def test_a_conversation_that_did_not_change_is_not_sent_again(client: Client, ada: Person, bob: Person) -> None:
    opened = await ada.call("POST", "/v1/conversations", {"user": bob.user})
    path = f"/v1/conversations/{opened['conversation']['id']}"
    async with client.get(path, headers=ada.headers) as response:
        tag = response.headers["ETag"]
    await ada.call("GET", path, status=304, **{"If-None-Match": tag})
    await ada.call("POST", f"{path}/messages", {"cid": CID, "text": "hello"})
    await ada.call("GET", path, status=200, **{"If-None-Match": tag})


@pytest.mark.parametrize("code", STATUS)
async def test_every_code_has_its_status_and_keeps_its_words(
    client: Client, stack: Stack, ada: Person, code: Any
) -> None:
    stack.talks.refusal = Refusal(code, "so it is", 1_200)
    async with client.get(ONE, headers=ada.headers) as response:
        assert response.status == STATUS[code]
        assert response.content_type == "application/problem+json"
        assert response.headers["Retry-After"] == "2"
        assert response.headers["Cache-Control"] == "no-store"
        assert await response.json() == {
            "title": STATUS[code].phrase,
            "status": STATUS[code],
            "detail": "so it is",
            "code": code,
            "type": "about:blank",
            "retry_ms": 1_200,
        }


async def test_an_unknown_outcome_is_told_as_such(stack: Stack, ada: Person) -> None:
    stack.talks.refusal = UNKNOWN_OUTCOME
    problem = await ada.call("POST", f"{ONE}/messages", {"cid": CID, "text": "hello"}, status=504)
    assert problem["code"] == "unknown_outcome"


async def test_a_store_that_is_away_is_unavailable(stack: Stack, ada: Person) -> None:
    stack.talks.fault = UnavailableError("away")
    problem = await ada.call("GET", ONE, status=503)
    assert (problem["code"], problem["retry_ms"]) == ("unavailable", 1_000)


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("GET", "/v1/conversations?limit=0", None, "limit"),
        ("GET", "/v1/conversations?limit=51", None, "limit"),
        ("GET", "/v1/conversations?limit=seven", None, "limit"),
        ("GET", "/v1/conversations?folder=attic", None, "folder"),
        ("GET", "/v1/conversations/07", None, "id"),
        ("GET", "/v1/conversations/" + "7" * 5_000, None, "id"),
        ("GET", "/v1/conversations/9223372036854775808", None, "id"),
        ("GET", f"{ONE}/messages?after=-1", None, "after"),
        ("POST", "/v1/conversations", {}, "cid"),
        ("POST", "/v1/conversations", {"cid": CID}, "members"),
        ("POST", "/v1/conversations", {"cid": CID, "members": ["*"]}, "members"),
        ("POST", "/v1/conversations", {"user": "a.b"}, "user"),
        ("POST", "/v1/conversations", {"user": ">"}, "user"),
        ("POST", f"{ONE}/messages", {"text": "hello"}, "cid"),
        ("POST", f"{ONE}/messages", {"cid": CID}, "text"),
        ("POST", f"{ONE}/messages", {"cid": "c" * 65, "text": "hello"}, "cid"),
        ("POST", f"{ONE}/messages", {"cid": CID, "text": "a" * 4_001}, "text"),
        ("POST", f"{ONE}/messages", {"cid": CID, "text": None}, "text"),
        ("POST", f"{ONE}/messages", {"cid": CID, "text": "hello", "media": [{"id": "5"}]}, "media"),
        ("PUT", f"{ONE}/read", {"c": -1}, "c"),
        ("PUT", f"{ONE}/read", {"c": 1.5}, "c"),
        ("POST", "/v1/sync", {"heads": {"x": 1}, "since": 0}, "heads"),
        ("POST", "/v1/sync", {"heads": {}}, "since"),
    ],
)
async def test_what_is_wrong_is_named_and_never_asked(
    stack: Stack, ada: Person, method: str, path: str, body: Any, field: str
) -> None:
    problem = await ada.call(method, path, body, status=400)
    assert problem["code"] == "bad_request"
    assert field in problem["detail"]
    assert stack.talks.asked == []
