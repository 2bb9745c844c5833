"""What the graph makes of a server's answers; `tests/server/test_graph_client.py` asks a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.clients.answering import served
from tidings_client import AuthenticationFailed, Graph, Malformed, Refused

RELATION: dict[str, Any] = {
    "user": "7",
    "state": "acquainted",
    "reverse": "none",
    "blocked": False,
    "muted": False,
    "restricted": False,
    "close_friend": True,
    "later": {},
}


class Server:
    """Answers as told, and remembers who asked what."""

    def __init__(self) -> None:
        self.answers: list[web.Response] = []
        self.asked: list[tuple[str, str, str]] = []

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path_qs, request.headers.get("Authorization", "")))
        return self.answers.pop(0)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def graph(server: Server) -> AsyncIterator[Graph]:
    async with served(server.handle) as login:
        yield Graph(login)


def problem(status: int, code: str) -> web.Response:
    return web.json_response({"status": status, "code": code, "detail": "no"}, status=status)


async def test_states_and_keys_of_a_later_server_are_no_fault(server: Server, graph: Graph) -> None:
    server.answers = [web.json_response(RELATION)]
    relation = await graph.relation("7")
    assert (relation.state, relation.close_friend) == ("acquainted", True)
    assert server.asked == [("GET", "/v1/users/7/relation", "Bearer access")]


@pytest.mark.parametrize("key", ["user", "state", "reverse", "blocked"])
async def test_an_answer_without_what_the_contract_requires_is_malformed(
    server: Server, graph: Graph, key: str
) -> None:
    server.answers = [web.json_response({**RELATION, key: 1})]
    with pytest.raises(Malformed, match=key):
        await graph.follow("7")


async def test_a_refused_token_is_renewed_and_the_request_said_again(server: Server, graph: Graph) -> None:
    fresh = {"user": "1", "access_token": "fresh", "refresh_token": "next", "expires_in": 900}
    server.answers = [problem(401, "unauthenticated"), web.json_response(fresh), web.json_response(RELATION)]
    await graph.decide("mute", "7")
    assert [asked[1:] for asked in server.asked] == [
        ("/v1/users/7/mute", "Bearer access"),
        ("/v1/logins/refresh", ""),
        ("/v1/users/7/mute", "Bearer fresh"),
    ]


async def test_a_login_that_is_over_is_said_to_be(server: Server, graph: Graph) -> None:
    server.answers = [problem(401, "unauthenticated"), problem(401, "unauthenticated")]
    with pytest.raises(AuthenticationFailed):
        await graph.follow("7")


async def test_a_refusal_is_told_and_trouble_is_an_os_error(server: Server, graph: Graph) -> None:
    server.answers = [problem(409, "conflict_state"), problem(503, "unavailable")]
    with pytest.raises(Refused, match="conflict_state"):
        await graph.follow("7")
    with pytest.raises(OSError, match="503"):
        await graph.follow("7")


async def test_whatever_a_user_is_called_stays_inside_the_path(server: Server, graph: Graph) -> None:
    server.answers = [problem(404, "not_found"), problem(404, "not_found")]
    for name in ("../../me", "7/block?x=1#y"):
        with pytest.raises(Refused):
            await graph.follow(name)
    assert [path for _, path, _ in server.asked] == [
        "/v1/users/..%2F..%2Fme/follow",
        "/v1/users/7%2Fblock%3Fx%3D1%23y/follow",
    ]


async def test_a_page_is_asked_for_by_where_the_last_one_ended(server: Server, graph: Graph) -> None:
    item = {"user": "7", "username": "sam", "at": 5, "name": "Sam"}
    server.answers = [web.json_response({"items": [item], "next": "5-7"}), web.json_response({"items": []})]
    first = await graph.people("close-friends", limit=1)
    assert (first.items[0].username, first.items[0].name, first.next) == ("sam", "Sam", "5-7")
    assert await graph.people("close-friends", before=first.next) == type(first)((), None)
    assert [path for _, path, _ in server.asked] == [
        "/v1/me/close-friends?limit=1",
        "/v1/me/close-friends?limit=50&before=5-7",
    ]
