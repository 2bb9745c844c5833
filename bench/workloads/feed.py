"""feed: pages of 50, cold and warm, over the socket and over HTTP; and the fan-out of an author whom 9,999 follow."""

from __future__ import annotations

import asyncio
from array import array
from random import Random
from time import monotonic
from typing import ClassVar

import asyncpg
import msgspec

from bench.client import Client
from bench.http import getting
from bench.load import Load
from bench.measure import Figure, Measured, Meter, distribution, latency_figures, percentile_ms
from bench.metrics import read_sums
from bench.posts import connect, fanned_out_ms, follow, publish, seed_posts
from bench.prepare import for_each
from bench.schedule import Pacer, poisson
from bench.stage import Progress, Stage

PAGE = 50
HTTP_CONNECTIONS = 8
FANOUTS = 5
FANNED_OUT_WITHIN_S = 20.0
LOOK_S = 0.02
REBUILT = "tidings_feed_lists_rebuilt_total"


class Page(msgspec.Struct, gc=False):
    """A page, as far as it is looked at."""

    items: list[msgspec.Raw]


_read = msgspec.json.Decoder(Page).decode
_read_packed = msgspec.msgpack.Decoder(Page).decode


class Feed(msgspec.Struct, frozen=True):
    """`readers` each follow `followed` authors, who have 20 posts each, and read pages of 50 at `rate` per second.

    Then `fans` read their feed once, and the author whom they all follow posts `FANOUTS` times.
    """

    readers: int = 500
    followed: int = 100
    rate: float = 150.0
    window_s: float = 20.0
    fans: int = 9_999
    seed: int = 1

    name: ClassVar[str] = "feed"
    raised: ClassVar[dict[str, str]] = {"TIDINGS_GATEWAY__REQUESTS_PER_S": "1000", "TIDINGS_GATEWAY__BURST": "2000"}
    needs_disk: ClassVar[bool] = False

    def users_for(self, nodes: int) -> int:
        return max(self.readers, self.fans) + self.followed + 1

    def quick(self) -> Feed:
        return msgspec.structs.replace(self, readers=100, window_s=4.0, fans=1_000)

    async def ours(self, stage: Stage, progress: Progress) -> Measured:
        people = [user.user for user in stage.users]
        star, authors = people[-1], people[-1 - self.followed : -1]
        database = await connect(stage.database)
        try:
            progress("posts and followers are made")
            await seed_posts(database, authors, 20)
            await follow(database, [(reader, author) for reader in people[: self.readers] for author in authors])
            await follow(database, [(fan, star) for fan in people[: self.fans]])
            async with Load(stage) as load:
                measured = await self._read(load, stage, progress)
                measured.figures += await self._fan_out(load, stage, database, star, progress)
                measured.faults += load.faults.lines()
                return measured
        finally:
            await database.close()

    async def _read(self, load: Load, stage: Stage, progress: Progress) -> Measured:
        clients = [Client(load.crowd, user, f"device-{user.user}") for user in stage.users[: self.readers]]
        await load.connect(clients, 500.0)
        cold, warm, over_http = array("d"), array("d"), array("d")

        async def first(client: Client) -> None:
            begun = monotonic()
            page = await client.ask("feed.page", limit=PAGE)
            cold.append(monotonic() - begun)
            self._check(load, _read_packed(page))

        await for_each(clients, first, progress, "every list is rebuilt", at_once=2)
        random, meter = Random(self.seed), Meter(stage.nodes, stage.stores)
        async with asyncio.TaskGroup() as asking:

            async def again(client: Client, due: float, taken: array[float]) -> None:
                page = await client.ask("feed.page", limit=PAGE)
                taken.append(monotonic() - due)
                self._check(load, _read_packed(page))

            progress(f"{self.rate:.0f} pages/s over sockets")

            def ask(_: int, due: float) -> None:
                asking.create_task(again(random.choice(clients), due, warm))

            pacer = Pacer(poisson(self.rate, self.window_s, random), ask)
            await pacer.run()
        figures = meter.per("page", len(warm))
        progress(f"{self.rate:.0f} pages/s over HTTP")
        lags = await self._over_http(load, stage, random, over_http)
        series = {"cold page": cold, "warm page": warm, "warm page over HTTP": over_http}
        return Measured(
            figures,
            [figure for name, seconds in series.items() for figure in latency_figures(name, seconds, 50, 99, 99.9)],
            lag_p99_ms=max(percentile_ms(pacer.lags, 99), lags),
            curves=[distribution(name, seconds) for name, seconds in series.items()],
        )

    async def _over_http(self, load: Load, stage: Stage, random: Random, taken: array[float]) -> float:
        async with getting(stage.host, stage.port, HTTP_CONNECTIONS) as get, asyncio.TaskGroup() as asking:

            async def read(due: float) -> None:
                user = random.choice(stage.users[: self.readers])
                status, body = await get(f"/v1/feed?limit={PAGE}", user.access_token)
                taken.append(monotonic() - due)
                if status != 200:
                    load.faults.add("page refused over HTTP", str(status))
                else:
                    self._check(load, _read(body))

            def ask(_: int, due: float) -> None:
                asking.create_task(read(due))

            pacer = Pacer(poisson(self.rate, self.window_s, random), ask)
            await pacer.run()
        return percentile_ms(pacer.lags, 99)

    def _check(self, load: Load, page: Page) -> None:
        if len(page.items) != PAGE:
            load.faults.add("page not full", f"{len(page.items)} posts")

    async def _make_lists(self, load: Load, stage: Stage, progress: Progress) -> None:
        async with getting(stage.host, stage.port, HTTP_CONNECTIONS) as get:

            async def read(token: str) -> None:
                status, _ = await get("/v1/feed?limit=1", token)
                if status != 200:
                    load.faults.add("page refused over HTTP", str(status))

            tokens = [user.access_token for user in stage.users[: self.fans]]
            await for_each(tokens, read, progress, "every follower has a list", at_once=HTTP_CONNECTIONS)

    async def _fan_out(
        self, load: Load, stage: Stage, database: asyncpg.Connection, star: str, progress: Progress
    ) -> list[Figure]:
        await self._make_lists(load, stage, progress)
        before, took = await asyncio.to_thread(read_sums, stage), list[float]()
        for number in range(FANOUTS):
            progress(f"post {number + 1} of the author whom {self.fans} follow")
            post, begun = await publish(database, star), monotonic()
            ms = await fanned_out_ms(database, post)
            while ms is None and monotonic() - begun < FANNED_OUT_WITHIN_S:
                await asyncio.sleep(LOOK_S)
                ms = await fanned_out_ms(database, post)
            if ms is None:
                load.faults.add("fan-out not finished", f"within {FANNED_OUT_WITHIN_S:.0f} s")
            else:
                took.append(ms)
        after = await asyncio.to_thread(read_sums, stage)
        writes = after.get("tidings_feed_writes_total", 0.0) - before.get("tidings_feed_writes_total", 0.0)
        rebuilt = after.get(REBUILT, 0.0)
        return [
            Figure("longest fan-out, from publication to the last list", "ms", max(took, default=0.0)),
            Figure("shortest fan-out", "ms", min(took, default=0.0)),
            Figure("followers whose list a post was given to, per post", "", writes / FANOUTS, "neither"),
            Figure("lists rebuilt in all", "", rebuilt, "neither"),
        ]
