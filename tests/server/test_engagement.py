"""Likes, comments and counts of posts on screen, through processes as an operator starts them."""

import asyncio
import itertools
import tomllib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from persistence.pool import Pool, open_pool
from protocol.ids import UserId
from protocol.posts import PostId
from tests.persistence.engaging import counted, post, relate
from tests.server.running import Installation
from tests.server.wire import Map, session
from tests.until import WITHIN_S
from tidings_client import Client, Engagement, Login, PostCount, Refused, Tokens

People = list[dict[str, str]]


class Site:
    """HTTP as a client speaks it."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._http = http

    async def call(self, person: dict[str, str], method: str, path: str, body: Any = None, status: int = 200) -> Map:
        headers = {"Authorization": f"Bearer {person['access_token']}"}
        async with self._http.request(method, f"{self._url}/v1/{path}", json=body, headers=headers) as response:
            answer: Map = await response.json()
            assert response.status == status, answer
            return answer


@pytest.fixture
async def site(installation: Installation) -> AsyncIterator[Site]:
    async with aiohttp.ClientSession() as http:
        yield Site(installation.url, http)


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[Pool]:
    settings = tomllib.loads((installation.data / "tidings.toml").read_text())
    async with open_pool(settings["postgres"]["url"], 2) as pool:
        yield pool


async def test_my_own_state_is_exact_at_once_and_totals_follow(site: Site, pool: Pool, people: People) -> None:
    ada, ben, eve = people[:3]
    id = await post(pool, UserId(ada["user"]))
    assert await site.call(ben, "PUT", f"posts/{id}/like") == {"liked": True, "saved": False, "likes": 1, "comments": 0}
    assert await site.call(ben, "PUT", f"posts/{id}/save") == {"liked": True, "saved": True, "likes": 1, "comments": 0}
    assert (await site.call(eve, "PUT", f"posts/{id}/like"))["likes"] == 2
    likers = (await site.call(ada, "GET", f"posts/{id}/likes"))["items"]
    assert [person["user"] for person in likers] == [eve["user"], ben["user"]]
    assert [saved["id"] for saved in (await site.call(ben, "GET", "me/saved"))["items"]] == [id]
    assert (await site.call(ben, "DELETE", f"posts/{id}/like"))["liked"] is False
    assert (await site.call(ben, "PUT", "posts/99/like", status=404))["code"] == "not_found"
    async with asyncio.timeout(WITHIN_S):
        while (await counted(pool, id)).folded_likes != 1:
            pass


async def test_comments_make_threads_over_http(site: Site, pool: Pool, people: People) -> None:
    ada, ben, eve = people[:3]
    id = await post(pool, UserId(ada["user"]))
    path = f"posts/{id}/comments"
    made = await site.call(ben, "POST", path, {"cid": "1", "text": "hello"}, status=201)
    first = made["comment"]
    assert (first["author"]["user"], first["text"], "dup" in made) == (ben["user"], "hello", False)
    again = await site.call(ben, "POST", path, {"cid": "1", "text": "hello"}, status=201)
    assert (again["comment"]["id"], again["dup"]) == (first["id"], True)
    other = await site.call(ben, "POST", path, {"cid": "1", "text": "bye"}, status=409)
    assert other["code"] == "id_reused"
    answer = {"cid": "2", "text": "hi", "parent": first["id"]}
    second = (await site.call(eve, "POST", path, answer, status=201))["comment"]
    assert (await site.call(ada, "PUT", f"comments/{second['id']}/like")) == {"liked": True, "likes": 1}
    [thread] = (await site.call(ada, "GET", path))["items"]
    assert (thread["id"], thread["comments"]) == (first["id"], 1)
    [reply] = (await site.call(ada, "GET", f"comments/{first['id']}/replies"))["items"]
    assert (reply["id"], reply["parent"], reply["likes"], reply["liked"]) == (second["id"], first["id"], 1, True)
    assert (await site.call(eve, "DELETE", f"comments/{first['id']}", status=403))["code"] == "forbidden"
    assert await site.call(ada, "DELETE", f"comments/{first['id']}") == {}
    assert (await site.call(ada, "GET", path))["items"] == []
    assert (await site.call(ben, "PUT", f"posts/{id}/like"))["comments"] == 0


@pytest.mark.verify
async def test_who_shows_a_post_hears_its_counts_and_when_it_is_gone(
    installation: Installation, site: Site, pool: Pool, people: People
) -> None:
    ada, ben, eve = people[:3]
    one, other, third = [await post(pool, UserId(ada["user"])) for _ in range(3)]
    async with (
        session(installation.socket_url, ben["access_token"], snapshot=False) as (b, _),
        session(installation.socket_url, ada["access_token"], binary=False, snapshot=False) as (a, _),
    ):
        shown = (await b.ok("post.watch", posts=[other, one, "99", third]))["posts"]
        assert shown == [{"post": id, "likes": 0, "comments": 0} for id in (other, one, third)]
        await a.ok("post.watch", posts=[one])
        await site.call(eve, "PUT", f"posts/{one}/like")
        for wire in (a, b):
            event = await wire.event("post.count")
            assert event == {"ev": "post.count", "post": one, "likes": 1, "comments": 0}
        await relate(pool, UserId(ben["user"]), "block", UserId(eve["user"]))
        await pool.execute("update post set state = 'archived' where id = $1", int(one))
        assert await b.event("post.removed") == {"ev": "post.removed", "post": one}
        # Who shows nothing of it any more is told nothing: the next event is of the other.
        await site.call(eve, "PUT", f"posts/{third}/like")
        assert (await b.ok("post.watch", posts=[other]))["posts"] == [{"post": other, "likes": 0, "comments": 0}]
        await site.call(eve, "PUT", f"posts/{other}/like")
        assert (await b.event("post.count"))["post"] == other
        await relate(pool, UserId(ada["user"]), "block", UserId(ben["user"]))
        assert await b.event("post.removed") == {"ev": "post.removed", "post": other}
        await site.call(eve, "DELETE", f"posts/{one}/like", status=404)
        assert (await a.ok("post.watch", posts=[PostId(one)]))["posts"][0]["likes"] == 1
    for person, target in ((ben, eve), (ada, ben)):
        statement = "delete from relation where user_id = $1 and target = $2"
        await pool.execute(statement, int(person["user"]), int(target["user"]))


async def test_likes_of_many_at_once_are_each_answered_right(site: Site, pool: Pool, people: People) -> None:
    id = await post(pool, UserId(people[0]["user"]))

    async def tap(person: dict[str, str]) -> None:
        for liked in (True, True, False, False, True):
            answer = await site.call(person, "PUT" if liked else "DELETE", f"posts/{id}/like")
            assert answer["liked"] is liked

    await asyncio.gather(*(tap(person) for person in itertools.islice(people, 12)))
    counts = await counted(pool, id)
    assert counts.likes == counts.edges == 12


async def test_the_sdk_likes_comments_and_watches(installation: Installation, pool: Pool, people: People) -> None:
    ada, ben = people[3:5]
    id = await post(pool, UserId(ada["user"]))
    login = Login(installation.url, Tokens(ben["user"], ben["access_token"], "", 900))
    engagement = Engagement(login)
    async with Client(installation.url, token=ben["access_token"]) as client:
        assert await client.watch_posts([id, "99"]) == (PostCount(id, 0, 0),)
        assert (await engagement.like(id)).liked
        assert (await engagement.save(id)).saved
        made = await engagement.comment(id, "hello", cid="one")
        assert (await engagement.comment(id, "hello", cid="one")).dup
        answer = await engagement.comment(id, "and?", parent=made.id)
        assert (await engagement.like_comment(answer.id)).likes == 1
        assert [one.comments for one in (await engagement.comments(id)).items] == [1]
        assert [one.id for one in (await engagement.replies(made.id)).items] == [answer.id]
        assert [person.user for person in (await engagement.likers(id)).items] == [ben["user"]]
        assert [saved.id for saved in (await engagement.saved()).items] == [id]
        async for event in client.events():
            if isinstance(event, PostCount) and event == PostCount(id, 1, 2):
                break
        await engagement.delete_comment(made.id)
        assert (await engagement.comments(id)).items == ()
        with pytest.raises(Refused):
            await engagement.like("99")
