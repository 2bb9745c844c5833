"""Notifications as clients of a whole node meet them. What happened is folded beside it, as another node would."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from config.settings import load
from persistence.notifications.postgres import PostgresNotifications
from persistence.pool import Pool, open_pool
from protocol.ids import UserId
from tests.contracts.notification_grounds import Desk, deed, event, likes
from tests.server.running import Installation
from tests.server.wire import session


@asynccontextmanager
async def beside(installation: Installation) -> AsyncIterator[tuple[Desk, Pool]]:
    """Another node's hand on the same database."""
    settings = load(installation.data / "tidings.toml", {})
    async with open_pool(str(settings.postgres.url), 2) as pool:
        yield Desk(PostgresNotifications(pool)), pool


async def test_what_others_did_is_in_snapshot_sync_and_list_and_what_is_seen_is_told_to_all_devices(
    installation: Installation,
) -> None:
    me, ada, bob = installation.mint(3, "told")
    people = [UserId(ada["user"]), UserId(bob["user"])]
    async with beside(installation) as (desk, _):
        await desk.fold(*likes(people, UserId(me["user"])))
    token = me["access_token"]
    async with (
        session(installation.socket_url, token, device="one") as (one, _),
        session(installation.socket_url, token, device="two") as (two, _),
    ):
        snapshot = next(message for message in await one.until_synced() if message["ev"] == "snapshot")
        await two.until_synced()
        [item] = snapshot["notifications"]["items"]
        assert (item["actor_count"], item["seen"], snapshot["notifications"]["badge"]) == (2, False, 1)
        assert item["text"].endswith("liked your photo")
        assert (await one.ok("notification.list", limit=5))["items"] == [item]
        await one.ok("notification.seen", up_to=item["updated_at"])
        heard = await two.event("notification.seen")
        assert (heard["up_to"], heard["badge"], type(heard["u"])) == (item["updated_at"], 0, int)
        synced = await two.ok("sync", heads={}, since=0)
        assert synced["notifications"] == {"badge": 0, "items": [item | {"seen": True}]}
        assert "notifications" not in await two.ok("sync", heads={}, since=0, only=True)


async def test_preferences_are_the_same_by_socket_and_http_and_refused_by_name(installation: Installation) -> None:
    [me] = installation.mint(1, "prefers")
    headers = {"Authorization": f"Bearer {me['access_token']}"}
    change = {"channels": {"like": {"push": False}}, "quiet": {"zone": "Europe/Berlin", "from": 1_320, "to": 420}}
    async with (
        session(installation.socket_url, me["access_token"], device="one") as (wire, _),
        aiohttp.ClientSession(installation.url, headers=headers) as http,
    ):
        assert await wire.ok("notification.preferences", set=change) == change
        async with http.get("/v1/notifications/preferences") as answer:
            assert await answer.json() == change
        async with http.put("/v1/notifications/preferences", json={"set": {"pause_until": 7}}) as answer:
            assert await answer.json() == change | {"pause_until": 7}
        async with http.get("/v1/notifications?limit=3") as answer:
            assert await answer.json() == {"badge": 0, "items": []}
        async with http.put("/v1/notifications/seen", json={"up_to": 1}) as answer:
            assert answer.status == 200
        for wrong, named in [
            ({"channels": {"poke": {"push": False}}}, "channels"),
            ({"channels": {"like": {"pigeon": False}}}, "email, in_app, push"),
            ({"audience": {"like": "friends"}}, "audience"),
            ({"quiet": {"zone": "Mars/Olympus", "from": 1, "to": 2}}, "set.quiet.zone"),
            ({"quiet": {"zone": "UTC", "from": 1_440, "to": 2}}, "from"),
            ({"muted": {"people": ["nobody"]}}, "people"),
        ]:
            error = await wire.err("notification.preferences", set=wrong)
            assert error["code"] == "bad_request"
            assert named in error["message"]


@pytest.mark.verify
async def test_any_node_closes_what_another_has_opened(installation: Installation) -> None:
    me, ada = (UserId(one["user"]) for one in installation.mint(2, "closes"))
    async with beside(installation) as (desk, pool):
        await desk.fold(event(deed(ada, me, kind="mention")))
        mine = "select count(*), pg_sleep(0.05) from push_job where user_id = $1"
        async with asyncio.timeout(15):
            while not await pool.fetchval(mine, int(me)):
                pass
