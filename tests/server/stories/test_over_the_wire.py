"""Stories as clients of a whole node meet them. Their pictures are put into the database, as the pipeline would."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from config.settings import load
from persistence.pool import Pool, open_pool
from tests.pictures import brought
from tests.server.running import Installation
from tests.server.wire import Wire, session
from tidings_client import Login, Refused, Stories, Tokens


class Somebody:
    """One person: `stories` is the client's, `call` any route."""

    def __init__(self, installation: Installation, minted: dict[str, str], pool: Pool) -> None:
        self.user = minted["user"]
        self.token = minted["access_token"]
        self.login = Login(installation.url, Tokens(self.user, self.token, "", 900))
        self.stories = Stories(self.login)
        self._pool = pool
        self._url = installation.socket_url

    async def post(self, cid: str, **audience: Any) -> str:
        media = await brought(self._pool, self.user)
        return (await self.stories.post(media, cid=cid, **audience)).id

    @asynccontextmanager
    async def socket(self, device: str = "phone") -> AsyncIterator[tuple[Wire, dict[str, Any]]]:
        """A socket that is synced, and its snapshot."""
        async with session(self._url, self.token, device=device) as (wire, _):
            events = await wire.until_synced()
            yield wire, next(event for event in events if event["ev"] == "snapshot")


@pytest.fixture
async def pool(installation: Installation) -> AsyncIterator[Pool]:
    async with open_pool(str(load(installation.data / "tidings.toml", {}).postgres.url), 2) as pool:
        yield pool


@pytest.fixture
def mint(installation: Installation, pool: Pool) -> Callable[[int, str], list[Somebody]]:
    return lambda count, prefix: [Somebody(installation, one, pool) for one in installation.mint(count, prefix)]


async def ids_of(tray: dict[str, Any]) -> dict[str, list[str]]:
    return {entry["author"]: [story["id"] for story in entry["stories"]] for entry in tray["items"]}


async def test_a_tray_that_is_open_follows_what_happens(mint: Callable[[int, str], list[Somebody]]) -> None:
    ada, bob = mint(2, "tray")
    await bob.login.call("PUT", f"/v1/users/{ada.user}/follow")
    first = await ada.post("first")
    async with bob.socket("one") as (one, snapshot), bob.socket("two") as (two, _):
        assert await ids_of(snapshot["tray"]) == {ada.user: [first]}
        second = await ada.post("second")
        # Of the first it may have been told before the socket was there.
        heard = await one.event("tray")
        while heard["stories"][0]["id"] != second:
            heard = await one.event("tray")
        assert (heard["change"], heard["author"]) == ("add", ada.user)
        story = await bob.stories.story(second)
        assert heard["stories"] == [{"id": second, "expires_at": story.expires_at, "close_friends": False}]
        await one.ok("story.seen", story=second)
        heard = await two.event("tray")
        while heard["change"] != "seen":
            heard = await two.event("tray")
        assert [entry["id"] for entry in heard["stories"]] == [second]
        tray = await two.ok("story.tray")
        assert [story["seen"] for story in tray["items"][0]["stories"]] == [False, True]
        assert (await ada.stories.viewers(second)).items[0].user == bob.user
        await ada.stories.delete(second)
        heard = await one.event("tray")
        while heard["change"] != "remove":
            heard = await one.event("tray")
        assert [entry["id"] for entry in heard["stories"]] == [second]
        with pytest.raises(Refused, match="there is no such story"):
            await bob.stories.story(second)
        await bob.login.call("DELETE", f"/v1/users/{ada.user}/follow")
        heard = await one.event("tray")
        assert heard == {"ev": "tray", "change": "remove", "author": ada.user, "stories": []}
        await bob.login.call("PUT", f"/v1/users/{ada.user}/follow")
        heard = await one.event("tray")
        assert (heard["change"], [entry["id"] for entry in heard["stories"]]) == ("add", [first])
        await ada.login.call("PUT", f"/v1/users/{bob.user}/block")
        assert (await one.event("tray"))["change"] == "remove"
        assert (await one.ok("story.tray"))["items"] == []
        assert (await one.err("story.seen", story=first))["code"] == "not_found"


async def test_somebody_who_never_followed_is_told_nothing_when_they_are_blocked(
    mint: Callable[[int, str], list[Somebody]],
) -> None:
    ada, bob = mint(2, "unheard")
    await ada.post("one")
    async with bob.socket() as (wire, _):
        await ada.login.call("PUT", f"/v1/users/{bob.user}/block")
        await ada.login.call("DELETE", f"/v1/users/{bob.user}/block")
        await bob.login.call("PUT", f"/v1/users/{ada.user}/follow")
        assert (await wire.event("tray"))["change"] == "add"


async def test_a_late_repeat_and_what_is_refused_change_no_reaction(
    mint: Callable[[int, str], list[Somebody]],
) -> None:
    ada, bob = mint(2, "repeat")
    story = await ada.post("one")
    async with bob.socket() as (his, _):
        first = await his.ok("story.react", story=story, emoji="🔥", cid="first")
        await his.ok("story.react", story=story, emoji="👏", cid="second")
        assert (await his.ok("story.react", story=story, emoji="🔥", cid="first"))["c"] == first["c"]
        assert (await bob.stories.story(story)).reaction == "👏"
        assert (await his.err("story.react", story=story, emoji="😢", cid="second"))["code"] == "id_reused"
        assert (await bob.stories.story(story)).reaction == "👏"


async def test_a_reaction_is_a_message_and_alerts_once_and_so_does_a_reply(
    mint: Callable[[int, str], list[Somebody]], pool: Pool
) -> None:
    ada, bob = mint(2, "react")
    for one, other in ((ada, bob), (bob, ada)):
        await one.login.call("PUT", f"/v1/users/{other.user}/follow")
    await pool.execute(
        "insert into device (id, user_id, login, platform, address) values ($1, $1, 1, 'fcm', $2)",
        int(ada.user),
        f"phone of {ada.user}",
    )
    story = await ada.post("one")
    async with bob.socket() as (his, _):
        sent = await his.ok("story.react", story=story, emoji="🔥", cid="reaction")
        message = await his.event("message")
        assert (message["text"], message["share"]) == ("🔥", {"kind": "story", "id": story, "reaction": True})
        assert (await his.ok("story.react", story=story, emoji="🔥", cid="reaction")) == {**sent, "dup": True}
        assert (await bob.stories.story(story)).reaction == "🔥"
        share = {"kind": "story", "id": story}
        talk = message["conversation"]
        refused = await his.err("message.send", conversation=talk, cid="x", text="x", share=share | {"reaction": True})
        assert "share.reaction" in refused["message"]
        await his.ok("message.send", conversation=talk, cid="reply", text="where is that?", share=share)
        async with ada.socket() as (hers, snapshot):
            found = {item["kind"]: item for item in snapshot["notifications"]["items"]}
            while not {"story_reaction", "story_reply"} <= found.keys():
                heard = await hers.event("notification")
                found[heard["kind"]] = heard
            assert found["story_reaction"]["targets"] == found["story_reply"]["targets"] == [story]
            windows = await pool.fetch("select kind, due_at from notification where user_id = $1", int(ada.user))
            assert {row["kind"] for row in windows if row["due_at"]} - {"follow"} == {"story_reaction"}
            pushed = "select kind, c from push_job where user_id = $1 and kind <> 'follow'"
            while not (jobs := await pool.fetch(pushed, int(ada.user))):
                await hers.ok("story.tray")
            assert [(row["kind"], row["c"]) for row in jobs] == [("message", 2)]
        await ada.stories.delete(story)
        # What was answered before is answered again, also when it would be refused today.
        assert (await his.ok("story.react", story=story, emoji="🔥", cid="reaction"))["c"] == sent["c"]
        assert (await his.err("story.react", story=story, emoji="🔥", cid="later"))["code"] == "not_found"


async def test_close_friends_alone_are_told_and_notified(mint: Callable[[int, str], list[Somebody]]) -> None:
    ada, bob, eve = mint(3, "close")
    for other in (bob, eve):
        await other.login.call("PUT", f"/v1/users/{ada.user}/follow")
    await ada.login.call("PUT", f"/v1/users/{bob.user}/close-friend")
    async with bob.socket() as (his, _), eve.socket() as (hers, _):
        story = await ada.post("close", audience="close_friends")
        heard = await his.event("tray")
        assert (heard["change"], heard["stories"][0]["close_friends"]) == ("add", True)
        notified = await his.event("notification")
        assert (notified["kind"], notified["targets"]) == ("close_friend_post", [story])
        everybody = await ada.post("all")
        assert [entry["id"] for entry in (await hers.event("tray"))["stories"]] == [everybody]
        with pytest.raises(Refused):
            await eve.stories.story(story)
        await ada.login.call("DELETE", f"/v1/users/{bob.user}/close-friend")
        while heard["change"] != "remove":
            heard = await his.event("tray")
        assert [entry["id"] for entry in heard["stories"]] == [story]


async def test_routes_refuse_what_is_wrong_by_name(
    mint: Callable[[int, str], list[Somebody]], installation: Installation
) -> None:
    [ada] = mint(1, "wrong")
    headers = {"Authorization": f"Bearer {ada.token}"}
    async with aiohttp.ClientSession(installation.url, headers=headers) as http:
        for body, named in [
            ({"media": "1"}, "cid"),
            ({"cid": "a", "media": "x"}, "media"),
            ({"cid": "a", "media": "1", "audience": "nobody"}, "audience"),
        ]:
            async with http.post("/v1/stories", json=body) as answer:
                assert answer.status == 400
                assert named in (await answer.json())["detail"]
        async with http.get("/v1/stories/8/viewers?before=x") as answer:
            assert answer.status == 400
        async with http.get("/v1/users/8/stories") as answer:
            assert answer.status == 404


@pytest.mark.verify
async def test_the_end_comes_to_open_trays_within_a_few_milliseconds(
    mint: Callable[[int, str], list[Somebody]], pool: Pool
) -> None:
    """The least of three: whatever else the machine does only adds to it."""
    ada, bob = mint(2, "ends")
    await bob.login.call("PUT", f"/v1/users/{ada.user}/follow")
    stories = [await ada.post(cid) for cid in ("one", "two", "three")]
    late: dict[str, float] = {}
    async with bob.socket() as (wire, _):
        ends_at = {
            story: await pool.fetchval(
                "update story set expires_at = statement_timestamp() + $2 * interval '1 second' where id = $1"
                " returning extract(epoch from expires_at)::float8",
                int(story),
                after_s,
            )
            for story, after_s in zip(stories, (6, 6.5, 7), strict=True)
        }
        while late.keys() != ends_at.keys():
            heard = await wire.event("tray")
            if heard["change"] == "remove":
                late |= {entry["id"]: time.time() - ends_at[entry["id"]] for entry in heard["stories"]}
    assert 0 <= min(late.values()) < 0.25
    for story in stories:
        with pytest.raises(Refused):
            await bob.stories.story(story)


async def test_whoever_asked_to_follow_has_the_stories_in_the_tray_once_their_author_is_no_more_private(
    mint: Callable[[int, str], list[Somebody]],
) -> None:
    ada, bob = mint(2, "published")
    await ada.login.call("PATCH", "/v1/me", {"private": True})
    await bob.login.call("PUT", f"/v1/users/{ada.user}/follow")
    story = await ada.post("first")
    async with bob.socket() as (wire, snapshot):
        assert await ids_of(snapshot["tray"]) == {}
        await ada.login.call("PATCH", "/v1/me", {"private": False})
        added = await wire.event("tray")
        assert (added["change"], added["author"]) == ("add", ada.user)
        assert [one["id"] for one in added["stories"]] == [story]
