"""The graph over HTTP."""

import pytest
from msgspec.structs import replace

from persistence.graph.contract import ACCEPTED_AT_ONCE, LIMITS, Kind
from protocol.ids import Millis, UserId
from tests.server.http.stack import Client, Person, Stack, sign_up

NOBODY = "8"
NONE = {
    "state": "none",
    "reverse": "none",
    "blocked": False,
    "muted": False,
    "restricted": False,
    "close_friend": False,
}
DECISIONS = {
    "block": ("blocked", "blocked"),
    "mute": ("muted", "muted"),
    "restrict": ("restricted", "restricted"),
    "close-friend": ("close_friend", "close-friends"),
}
ABOUT_OTHERS = [
    ("GET", "/v1/users/{}/relation"),
    *((method, f"/v1/users/{{}}/{word}") for method in ("PUT", "DELETE") for word in ("follow", *DECISIONS)),
    ("PUT", "/v1/me/follow-requests/{}"),
    ("DELETE", "/v1/me/follow-requests/{}"),
    ("DELETE", "/v1/me/followers/{}"),
]
SHOWN_TO_OTHERS = [("GET", f"/v1/users/{{}}{path}") for path in ("", "/followers", "/following")]
LISTS = ["followers", "following", "follow-requests", "blocked", "muted", "restricted", "close-friends"]


@pytest.fixture
async def eve(client: Client) -> Person:
    return await sign_up(client, "eve")


async def users(person: Person, path: str) -> list[str]:
    page = await person.call("GET", f"/v1/me/{path}")
    return [item["username"] for item in page["items"]]


async def test_following_answers_where_i_stand(ada: Person, bob: Person) -> None:
    following = {**NONE, "user": bob.user, "state": "following"}
    assert await ada.call("PUT", f"/v1/users/{bob.user}/follow") == following
    assert await ada.call("PUT", f"/v1/users/{bob.user}/follow") == following
    assert await ada.call("GET", f"/v1/users/{bob.user}/relation") == following
    back = {**NONE, "user": ada.user, "reverse": "following"}
    assert await bob.call("GET", f"/v1/users/{ada.user}/relation") == back
    assert await users(ada, "following") == ["bob"]
    assert await users(bob, "followers") == ["ada"]
    assert await ada.call("DELETE", f"/v1/users/{bob.user}/follow") == {**NONE, "user": bob.user}
    assert await users(bob, "followers") == []


async def test_who_has_nobody_to_be_suggested_is_introduced_to_some(stack: Stack) -> None:
    relations = replace(stack.services.relations, introduce=("ada", "nobody", "bob", "Bob", "eve"))
    stack.services = replace(stack.services, relations=relations)
    async with stack.served() as client:
        ada, bob, eve = [await sign_up(client, name) for name in ("ada", "bob", "eve")]
        assert await users(ada, "suggestions") == ["bob", "eve"]
        assert await users(ada, "suggestions?limit=1") == ["bob"]
        first, *_ = (await ada.call("GET", "/v1/me/suggestions"))["items"]
        assert (first["common"], first["by"]) == (0, [])
        await ada.call("PUT", f"/v1/users/{bob.user}/follow")
        await ada.call("PUT", f"/v1/users/{eve.user}/mute")
        assert await users(ada, "suggestions") == []
        # Whom one's own people follow are suggested alone.
        await ada.call("DELETE", f"/v1/users/{eve.user}/mute")
        await bob.call("PUT", f"/v1/users/{eve.user}/follow")
        assert [item["common"] for item in (await ada.call("GET", "/v1/me/suggestions"))["items"]] == [1]


async def test_somebody_private_is_asked(ada: Person, bob: Person) -> None:
    assert (await bob.call("PATCH", "/v1/me", {"private": True}))["private"]
    assert (await bob.call("GET", "/v1/me"))["private"]
    assert (await ada.call("GET", f"/v1/users/{bob.user}"))["private"]
    assert (await ada.call("PUT", f"/v1/users/{bob.user}/follow"))["state"] == "requested"
    assert await users(bob, "follow-requests") == ["ada"]
    accepted = await bob.call("PUT", f"/v1/me/follow-requests/{ada.user}")
    assert accepted == {**NONE, "user": ada.user, "reverse": "following"}
    assert await users(bob, "follow-requests") == []
    assert (await bob.call("DELETE", f"/v1/me/followers/{ada.user}"))["reverse"] == "none"
    problem = await bob.call("PUT", f"/v1/me/follow-requests/{ada.user}", status=404)
    assert problem["detail"] == "there is no request of this person"


async def test_who_declines_has_no_follower(ada: Person, bob: Person) -> None:
    await bob.call("PATCH", "/v1/me", {"private": True})
    await ada.call("PUT", f"/v1/users/{bob.user}/follow")
    await bob.call("DELETE", f"/v1/me/follow-requests/{ada.user}")
    assert await users(bob, "follow-requests") == await users(bob, "followers") == []


async def test_who_is_no_more_private_has_accepted_everybody(stack: Stack, bob: Person) -> None:
    await bob.call("PATCH", "/v1/me", {"private": True})
    waiting = [UserId(str(n)) for n in range(1, 2 * ACCEPTED_AT_ONCE + 2)]
    for user in waiting:
        stack.tables.edges[user, UserId(bob.user)] = "requested", Millis(0)
    assert "private" not in await bob.call("PATCH", "/v1/me", {"private": False, "name": "Bob"})
    assert {edge for edge, _ in stack.tables.edges.values()} == {"accepted"}
    # Each as by an acceptance of theirs alone: they follow whom they did not.
    assert {them for me, them in stack.related if me == bob.user} == {*waiting, None}


@pytest.mark.parametrize("word", DECISIONS)
async def test_what_i_decide_about_somebody_is_set_listed_and_ended(ada: Person, bob: Person, word: str) -> None:
    key, path = DECISIONS[word]
    decided = {**NONE, "user": bob.user, key: True}
    for _ in range(2):
        assert await ada.call("PUT", f"/v1/users/{bob.user}/{word}") == decided
    assert await users(ada, path) == ["bob"]
    for _ in range(2):
        assert await ada.call("DELETE", f"/v1/users/{bob.user}/{word}") == {**NONE, "user": bob.user}
    assert await users(ada, path) == []


@pytest.mark.parametrize(("method", "path"), ABOUT_OTHERS + SHOWN_TO_OTHERS)
async def test_who_blocks_is_answered_like_who_does_not_exist(
    client: Client, ada: Person, eve: Person, method: str, path: str
) -> None:
    await ada.call("PUT", f"/v1/users/{eve.user}/block")

    async def answer(id: str) -> tuple[int, bytes, list[str]]:
        async with client.request(method, path.format(id), headers=eve.headers) as response:
            return response.status, await response.read(), sorted(response.headers)

    assert await answer(ada.user) == await answer(NOBODY)
    assert (await answer(ada.user))[0] == 404


async def test_a_name_of_who_blocks_is_nobodys(client: Client, ada: Person, eve: Person) -> None:
    await ada.call("PUT", f"/v1/users/{eve.user}/block")
    blocked = await eve.call("GET", "/v1/users/by-username/ada", status=404)
    assert blocked == await eve.call("GET", "/v1/users/by-username/nobody", status=404)
    assert (await ada.call("GET", "/v1/users/by-username/eve"))["id"] == eve.user


async def test_who_blocks_stands_on_no_list_of_the_other(ada: Person, eve: Person) -> None:
    await ada.call("PUT", f"/v1/users/{eve.user}/follow")
    await eve.call("PUT", f"/v1/users/{ada.user}/follow")
    for word in ("mute", "restrict", "close-friend"):
        await eve.call("PUT", f"/v1/users/{ada.user}/{word}")
    await ada.call("PUT", f"/v1/users/{eve.user}/block")
    for path in LISTS:
        assert await users(eve, path) == []


@pytest.mark.parametrize("word", ["follow", "close-friend"])
async def test_who_blocks_has_to_unblock_first(ada: Person, bob: Person, word: str) -> None:
    await ada.call("PUT", f"/v1/users/{bob.user}/block")
    problem = await ada.call("PUT", f"/v1/users/{bob.user}/{word}", status=409)
    assert "unblock" in problem["detail"]


@pytest.mark.parametrize(("method", "path"), ABOUT_OTHERS)
async def test_the_graph_is_about_others(ada: Person, method: str, path: str) -> None:
    problem = await ada.call(method, path.format(ada.user), status=400)
    assert problem["detail"].startswith("id: that is you")


@pytest.mark.parametrize(("word", "kind"), [("block", "block"), ("close-friend", "close_friend")])
async def test_a_full_list_says_how_many_there_may_be(
    stack: Stack, ada: Person, bob: Person, word: str, kind: Kind
) -> None:
    for n in range(LIMITS[kind]):
        stack.tables.relations[UserId(ada.user), kind, UserId(str(n + 1))] = Millis(0)
    problem = await ada.call("PUT", f"/v1/users/{bob.user}/{word}", status=409)
    assert (problem["code"], "10,000" in problem["detail"]) == ("conflict_state", True)


async def test_lists_come_in_pages(client: Client, ada: Person) -> None:
    for name in ("one", "two", "three"):
        await (await sign_up(client, name)).call("PUT", f"/v1/users/{ada.user}/follow")
    first = await ada.call("GET", "/v1/me/followers?limit=2")
    rest = await ada.call("GET", f"/v1/me/followers?limit=2&before={first['next']}")
    assert [len(first["items"]), len(rest["items"]), "next" in rest] == [2, 1, False]
    assert {item["username"] for item in first["items"] + rest["items"]} == {"one", "two", "three"}
    for query in ("limit=0", "limit=101", "before=nonsense", "limit=x"):
        problem = await ada.call("GET", f"/v1/me/followers?{query}", status=400)
        assert problem["detail"].startswith("query")


async def test_whoever_has_to_learn_of_a_change_between_two_people_is_told(
    stack: Stack, ada: Person, eve: Person
) -> None:
    pair = UserId(ada.user), UserId(eve.user)
    await ada.call("PUT", f"/v1/users/{eve.user}/follow")
    assert (stack.related, stack.fences) == ([pair], [])
    await ada.call("PUT", f"/v1/users/{eve.user}/block")
    await ada.call("DELETE", f"/v1/users/{eve.user}/block")
    assert (stack.related, stack.fences) == ([pair] * 3, [[], []])
    await ada.call("PUT", f"/v1/users/{NOBODY}/block", status=404)
    assert len(stack.related) == 3
