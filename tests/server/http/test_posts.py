"""Posts over HTTP, in a real Postgres: what is made, seen, changed and deleted, and by whom."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.server.http.posts import Gallery, gallery
from tests.server.http.stack import Client, Person, sign_up

NOBODY = "8"


@pytest.fixture
async def site(database: str) -> AsyncIterator[tuple[Client, Gallery]]:
    async with gallery(database) as made:
        yield made


@pytest.fixture
def client(site: tuple[Client, Gallery]) -> Client:
    return site[0]


@pytest.fixture
def pictures(site: tuple[Client, Gallery]) -> Gallery:
    return site[1]


@pytest.fixture
async def eve(client: Client) -> Person:
    return await sign_up(client, "eve")


def new(*media: str, cid: str = "first", **more: Any) -> dict[str, Any]:
    return {"cid": cid, "media": list(media), **more}


async def post(person: Person, pictures: Gallery, **more: Any) -> dict[str, Any]:
    """A post of one picture that is ready."""
    made: dict[str, Any] = await person.call("POST", "/v1/posts", new(await pictures.picture(person), **more), 201)
    return made


async def test_a_post_of_ready_pictures_is_published_at_once(ada: Person, bob: Person, pictures: Gallery) -> None:
    first, second = await pictures.picture(ada), await pictures.picture(ada)
    body = new(second, first, caption="At the #Lake with @Bob", place="Como", tags=[bob.user])
    made = await ada.call("POST", "/v1/posts", body, 201)
    assert [one["id"] for one in made["media"]] == [second, first]
    assert made["media"][0] == {
        "id": second,
        "width": 640,
        "height": 480,
        "thumbhash": "AQI=",
        "url": f"/v1/media/{second}/{{variant}}?viewer={ada.user}",
    }
    assert made["author"] == {"user": ada.user, "username": "ada"}
    assert (made["caption"], made["place"], made["tags"]) == (body["caption"], "Como", [bob.user])
    assert not {"state", "liked", "saved", "dup", "edited_at"} & made.keys()
    seen = await bob.call("GET", f"/v1/posts/{made['id']}")
    assert seen["media"][0]["url"].endswith(f"viewer={bob.user}")
    assert await pictures.moves() == [(made["id"], "published")]
    assert sorted(await pictures.activities()) == [
        ("mention", ada.user, bob.user, False),
        ("tag", ada.user, bob.user, False),
    ]
    assert await pictures.posted(ada) == 1
    hashtags = await pictures.pool.fetch("select hashtag from post_hashtag where post = $1", int(made["id"]))
    assert [row[0] for row in hashtags] == ["lake"]


async def test_a_post_waits_for_all_its_pictures(ada: Person, bob: Person, pictures: Gallery) -> None:
    first, second = [await pictures.picture(ada, "processing") for _ in range(2)]
    made = await ada.call("POST", "/v1/posts", new(first, second, caption="@bob"), 201)
    path = f"/v1/posts/{made['id']}"
    assert (made["state"], made["media"]) == ("processing", [])
    assert [one["id"] for one in (await ada.call("GET", "/v1/me/posts?state=waiting"))["items"]] == [made["id"]]
    await pictures.settle(second)
    assert [one["id"] for one in (await ada.call("GET", path))["media"]] == [second]
    await bob.call("GET", path, status=404)
    assert (await pictures.moves(), await pictures.activities()) == ([], [])
    for _ in range(2):
        await pictures.settle(first)
        assert "state" not in await bob.call("GET", path)
    assert (await pictures.moves(), await pictures.posted(ada)) == ([(made["id"], "published")], 1)
    assert await pictures.activities() == [("mention", ada.user, bob.user, False)]


async def test_a_post_with_a_rejected_picture_is_its_authors_who_learns_why(
    ada: Person, bob: Person, pictures: Gallery
) -> None:
    good, bad = await pictures.picture(ada), await pictures.picture(ada, "processing")
    made = await ada.call("POST", "/v1/posts", new(good, bad), 201)
    await pictures.settle(bad, "rejected", "not a picture")
    seen = await ada.call("GET", f"/v1/posts/{made['id']}")
    assert (seen["state"], seen["reason"]) == ("rejected", f"media {bad}: not a picture")
    await bob.call("GET", f"/v1/posts/{made['id']}", status=404)
    problem = await ada.call("PATCH", f"/v1/posts/{made['id']}", {"archived": True}, 409)
    assert (problem["code"], problem["detail"][:9]) == ("conflict_state", "archived:")
    assert await pictures.moves() == []


async def test_pictures_must_be_mine_and_fit_to_be_shown(ada: Person, bob: Person, pictures: Gallery) -> None:
    mine, theirs = await pictures.picture(ada), await pictures.picture(bob)
    bad = await pictures.picture(ada, "rejected", "too small")
    for media in (theirs, NOBODY):
        problem = await ada.call("POST", "/v1/posts", new(mine, media), 404)
        assert problem["detail"] == f"media: there is no picture {media} of yours"
    problem = await ada.call("POST", "/v1/posts", new(mine, bad), 409)
    assert (problem["code"], problem["detail"]) == ("conflict_state", f"media {bad} was rejected: too small")
    assert (await ada.call("GET", "/v1/me/posts"))["items"] == []


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"media": []}, "media"),
        ({"media": [str(n) for n in range(1, 12)]}, "media"),
        ({"media": ["5", "5"]}, "media"),
        ({"media": ["x"]}, "media"),
        ({"caption": "é" * 2_201}, "caption"),
        ({"caption": "a\0"}, "caption"),
        ({"place": "x" * 101}, "place"),
        ({"tags": ["5"] * 21}, "tags"),
        ({"cid": ""}, "cid"),
    ],
)
async def test_what_cannot_be_a_post_is_refused_by_the_fields_name(
    ada: Person, more: dict[str, Any], named: str
) -> None:
    problem = await ada.call("POST", "/v1/posts", new("5") | more, 400)
    assert (problem["code"], named in problem["detail"]) == ("bad_request", True)


async def test_a_retry_gets_the_first_result_also_after_the_post_is_deleted(
    ada: Person, bob: Person, pictures: Gallery
) -> None:
    media = await pictures.picture(ada)
    made = await ada.call("POST", "/v1/posts", new(media, caption="once"), 201)
    again = await ada.call("POST", "/v1/posts", new(media, caption="once"), 201)
    assert again == {**made, "dup": True}
    for other in (new(media, caption="twice"), new(media), new(NOBODY, caption="once")):
        assert (await ada.call("POST", "/v1/posts", other, 409))["code"] == "id_reused"
    await bob.call("POST", "/v1/posts", new(await pictures.picture(bob)), 201)
    await ada.call("DELETE", f"/v1/posts/{made['id']}")
    gone = await ada.call("POST", "/v1/posts", new(media, caption="once"), 201)
    assert (gone["id"], gone["state"], gone["dup"], gone["media"]) == (made["id"], "deleted", True, [])
    await pictures.pool.execute("update media set state = 'rejected'")
    assert (await ada.call("POST", "/v1/posts", new(media, caption="once"), 201))["id"] == made["id"]
    assert (await ada.call("POST", "/v1/posts", new(media), 409))["code"] == "id_reused"


async def test_what_is_edited_is_told_anew(ada: Person, bob: Person, eve: Person, pictures: Gallery) -> None:
    made = await post(ada, pictures, caption="#one #two @bob", place="Como")
    path = f"/v1/posts/{made['id']}"
    for _ in range(2):
        edited = await ada.call("PATCH", path, {"caption": "#two #three @eve"})
    assert (edited["caption"], edited["place"], edited["edited_at"] >= made["at"]) == ("#two #three @eve", "Como", True)
    rows = await pictures.pool.fetch("select hashtag from post_hashtag order by 1")
    assert [row[0] for row in rows] == ["three", "two"]
    assert sorted((await pictures.activities())[1:]) == [
        ("mention", ada.user, bob.user, True),
        ("mention", ada.user, eve.user, False),
    ]
    bare = await ada.call("PATCH", path, {"caption": "", "place": ""})
    assert not {"caption", "place"} & bare.keys()
    assert (await pictures.activities())[-1] == ("mention", ada.user, eve.user, True)
    assert len(await pictures.activities()) == 4


async def test_what_is_archived_is_its_authors_until_it_is_no_more(ada: Person, bob: Person, pictures: Gallery) -> None:
    made = await post(ada, pictures, caption="@bob")
    path = f"/v1/posts/{made['id']}"
    for _ in range(2):
        assert (await ada.call("PATCH", path, {"archived": True}))["state"] == "archived"
    await bob.call("GET", path, status=404)
    assert (await ada.call("GET", "/v1/me/posts"))["items"] == []
    assert [one["id"] for one in (await ada.call("GET", "/v1/me/posts?state=archived"))["items"]] == [made["id"]]
    assert await pictures.posted(ada) == 0
    for _ in range(2):
        assert await ada.call("PATCH", path, {"archived": False}) == made
    assert await bob.call("GET", path) == {**made, "media": (await bob.call("GET", path))["media"]}
    changes = ["published", "removed", "published"]
    assert await pictures.moves() == [(made["id"], change) for change in changes]
    assert [undone for *_, undone in await pictures.activities()] == [False, True, False]
    assert await pictures.posted(ada) == 1


async def test_what_is_deleted_is_gone_for_everybody(ada: Person, bob: Person, pictures: Gallery) -> None:
    made = await post(ada, pictures, caption="@bob", tags=[bob.user])
    path = f"/v1/posts/{made['id']}"
    await bob.call("DELETE", path, status=404)
    for _ in range(2):
        await ada.call("DELETE", path)
    for person in (ada, bob):
        assert (await person.call("GET", path, status=404))["detail"] == "there is no such post"
        assert (await person.call("GET", f"/v1/users/{ada.user}/posts"))["items"] == []
    await ada.call("PATCH", path, {"caption": "back"}, 404)
    assert await pictures.moves() == [(made["id"], "published"), (made["id"], "removed")]
    assert (await pictures.posted(ada), sum(undone for *_, undone in await pictures.activities())) == (0, 2)


async def test_only_its_author_changes_or_deletes_a_post(ada: Person, bob: Person, pictures: Gallery) -> None:
    made = await post(ada, pictures)
    absent = await bob.call("PATCH", f"/v1/posts/{NOBODY}", {"caption": "x"}, 404)
    assert await bob.call("PATCH", f"/v1/posts/{made['id']}", {"caption": "x"}, 404) == absent
    assert await bob.call("DELETE", f"/v1/posts/{made['id']}", status=404) == absent
    assert "caption" not in await ada.call("GET", f"/v1/posts/{made['id']}")


async def test_who_may_not_see_posts_is_answered_as_if_there_were_none(
    client: Client, ada: Person, bob: Person, eve: Person, pictures: Gallery
) -> None:
    await ada.call("PATCH", "/v1/me", {"private": True})
    await bob.call("PUT", f"/v1/users/{ada.user}/follow")
    await eve.call("PUT", f"/v1/users/{ada.user}/follow")
    await ada.call("PUT", f"/v1/me/follow-requests/{bob.user}")
    dan = await sign_up(client, "dan")
    await ada.call("PUT", f"/v1/users/{dan.user}/block")
    made = await post(ada, pictures, caption="@bob @eve @dan", tags=[bob.user, eve.user, dan.user])
    assert made["tags"] == sorted([bob.user, eve.user], key=int)
    told = [recipient for kind, _, recipient, _ in await pictures.activities() if kind in ("mention", "tag")]
    assert told == [bob.user, bob.user]

    async def answer(person: Person, path: str) -> tuple[int, bytes, list[str]]:
        async with client.get(path, headers=person.headers) as response:
            return response.status, await response.read(), sorted(response.headers)

    for person in (eve, dan):
        for path, thing in (("/v1/posts/{}", made["id"]), ("/v1/users/{}/posts", ada.user)):
            assert await answer(person, path.format(thing)) == await answer(person, path.format(NOBODY))
    for person in (ada, bob):
        assert (await person.call("GET", f"/v1/posts/{made['id']}"))["id"] == made["id"]
        assert len((await person.call("GET", f"/v1/users/{ada.user}/posts"))["items"]) == 1
    theirs = await post(dan, pictures)
    await ada.call("GET", f"/v1/posts/{theirs['id']}", status=404)
    await ada.call("GET", f"/v1/users/{dan.user}/posts", status=404)


async def test_who_was_tagged_and_blocks_somebody_is_not_shown_to_them(
    ada: Person, bob: Person, eve: Person, pictures: Gallery
) -> None:
    made = await post(ada, pictures, tags=[bob.user])
    await bob.call("PUT", f"/v1/users/{eve.user}/block")
    assert "tags" not in await eve.call("GET", f"/v1/posts/{made['id']}")
    assert (await ada.call("GET", f"/v1/posts/{made['id']}"))["tags"] == [bob.user]


async def test_who_was_tagged_takes_it_off(ada: Person, bob: Person, pictures: Gallery) -> None:
    made = await post(ada, pictures, tags=[bob.user])
    assert (await bob.call("GET", f"/v1/posts/{made['id']}"))["tags"] == [bob.user]
    for _ in range(2):
        assert "tags" not in await bob.call("DELETE", f"/v1/posts/{made['id']}/tag")
    await bob.call("DELETE", "/v1/posts/99/tag", status=404)


async def test_posts_are_listed_in_pages_the_newest_first(ada: Person, bob: Person, pictures: Gallery) -> None:
    made = [(await post(ada, pictures, cid=f"cid {n}"))["id"] for n in range(3)]
    first = await bob.call("GET", f"/v1/users/{ada.user}/posts?limit=2")
    rest = await bob.call("GET", f"/v1/users/{ada.user}/posts?limit=2&before={first['next']}")
    assert [one["id"] for one in first["items"] + rest["items"]] == made[::-1]
    assert "next" not in rest
    for query in ("limit=0", "limit=51", "before=x"):
        await bob.call("GET", f"/v1/users/{ada.user}/posts?{query}", status=400)
    await bob.call("GET", "/v1/me/posts?state=deleted", status=400)
    assert (await bob.call("GET", f"/v1/users/{bob.user}/posts"))["items"] == []
