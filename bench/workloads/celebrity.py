"""celebrity: somebody whom a million follow posts while thousands of them are online; nobody else may feel it."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from statistics import median
from time import monotonic
from typing import Any, ClassVar

import asyncpg
import msgspec

from bench.client import Client
from bench.crowd import Crowd
from bench.hearing import Hearing
from bench.http import Line, request
from bench.load import SOCKETS_PER_PROCESS, Load
from bench.measure import Figure, Measured, Meter, distribution, latency_figures, percentile_ms, together
from bench.metrics import read_sums
from bench.posts import connect, crowd_after, follow, picture
from bench.stage import Progress, Stage
from bench.subject import RunError
from bench.wire import Frame, User
from bench.workloads.control import Control, harm

CONNECT_RATE = 1_000.0
STALLED = 100
"""Of so many followers one."""
BYSTANDERS = 20
WRITES = "tidings_feed_writes_total"


class Follower(Client):
    """Hears of posts; notes when, by the post's number."""

    __slots__ = ("heard",)

    def __init__(self, crowd: Crowd, user: User) -> None:
        super().__init__(crowd, user, f"device-{user.user}")
        self.heard: dict[str, float] = {}

    def stall(self) -> None:
        """Read nothing more."""
        # uvloop's are no `asyncio.Transport` by their class.
        transport: Any = self.transport
        transport.pause_reading()

    def happened(self, frame: Frame) -> None:
        if frame.ev == "feed.new":
            if frame.post in self.heard:
                self.crowd.faults.add("told twice", frame.post)
            self.heard[frame.post] = self.read_at


class Celebrity(msgspec.Struct, frozen=True):
    """`online` followers of one author, a hundredth of them stalled, of `followers` in all; a post every `every_s`.

    Bystanders talk before and meanwhile at `talk` messages per second; what they, pings and idling cost is measured
    before, as long, and is not in the cost of a follower.
    """

    online: int = 10_000
    followers: int = 1_000_000
    posts: int = 10
    every_s: float = 2.0
    talk: float = 100.0
    seed: int = 1

    name: ClassVar[str] = "celebrity"
    raised: ClassVar[dict[str, str]] = {}
    needs_disk: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not 100 <= self.online <= SOCKETS_PER_PROCESS - BYSTANDERS:
            raise ValueError(f"online: 100 to {SOCKETS_PER_PROCESS - BYSTANDERS}")

    def users_for(self, nodes: int) -> int:
        return self.online + BYSTANDERS + 1

    def quick(self) -> Celebrity:
        return msgspec.structs.replace(self, online=1_000, followers=100_000, posts=3)

    async def ours(self, stage: Stage, progress: Progress) -> Measured:
        fans, star = stage.users[: self.online], stage.users[-1].user
        database = await connect(stage.database)
        try:
            progress(f"{self.followers} follow")
            await crowd_after(database, star, self.followers - self.online)
            await follow(database, [(fan.user, star) for fan in fans])
            await database.execute("vacuum analyze follow")
            async with Load(stage) as load:
                bystanders = stage.users[self.online : self.online + BYSTANDERS]
                control = await Control.gather(load, bystanders, self.talk, self.seed, progress)
                # Held until the end, those who stall too: a transport that nobody holds closes its socket.
                followers = [Follower(load.crowd, fan) for fan in fans]
                progress(f"{len(followers)} connections")
                await load.connect(followers, CONNECT_RATE)
                for one in followers[::STALLED]:
                    one.stall()
                listening = [one for number, one in enumerate(followers) if number % STALLED]
                return await self._measure(load, stage, database, control, listening, progress)
        finally:
            await database.close()

    async def _measure(
        self,
        load: Load,
        stage: Stage,
        database: asyncpg.Connection[asyncpg.Record],
        control: Control,
        listening: Sequence[Follower],
        progress: Progress,
    ) -> Measured:
        hearing, told_all = Hearing(listening, _heard), self.posts * len(listening)
        progress("quiet")
        meter = Meter(stage.nodes, stage.stores, stage.buses)
        before = await control.talk("before", self.every_s * self.posts)
        without = meter.per("follower told", told_all)
        writes, meter = await asyncio.to_thread(read_sums, stage), Meter(stage.nodes, stage.stores, stage.buses)
        progress("posts")
        async with asyncio.TaskGroup() as group:
            posting = group.create_task(self._post(stage, database))
            during = await control.talk("while posts are told", self.every_s * self.posts)
            published = await posting
        figures = [
            msgspec.structs.replace(one, value=one.value - other.value)
            for one, other in zip(meter.per("follower told", told_all), without, strict=True)
        ]
        after = await asyncio.to_thread(read_sums, stage)
        heard = await asyncio.to_thread(hearing.end)
        if heard.faults:
            return Measured([], faults=[*load.faults.lines(), *heard.faults])
        own = [
            Figure("CPU per follower told, of who reads for them", "µs", 1e6 * heard.cpu_s / told_all),
            Figure("writes for followers", "", after.get(WRITES, 0.0) - writes.get(WRITES, 0.0)),
            harm(before, during),
        ]
        told = self._told(load, heard.kept, published)
        measured = together([before, during, told, _apart(control.times, heard.kept, published)])
        measured.figures = [*figures, *own, *measured.figures]
        measured.faults = load.faults.lines()
        return measured

    async def _post(self, stage: Stage, database: asyncpg.Connection[asyncpg.Record]) -> dict[str, float]:
        """The posts, each with the monotonic second from before it was stored."""
        published = dict[str, float]()
        pictures = [await picture(database, stage.users[-1].user) for _ in range(self.posts)]
        line = await Line.open(stage.host, stage.port)
        for media in pictures:
            begun = monotonic()
            published[await _posted(line, stage.users[-1].access_token, media)] = begun
            await asyncio.sleep(self.every_s)
        line.close()
        return published

    def _told(self, load: Load, heard: list[dict[str, float]], published: dict[str, float]) -> Measured:
        if missing := sum(post not in one for one in heard for post in published):
            load.faults.add("not told", "of a post", missing)
        times = [sorted(one[post] - begun for one in heard if post in one) for post, begun in published.items()]
        times = [one for one in times if one]
        series = {
            "first told": array("d", (one[0] for one in times)),
            "median told": array("d", (median(one) for one in times)),
            "last told": array("d", (one[-1] for one in times)),
            "last told after the first": array("d", (one[-1] - one[0] for one in times)),
        }
        return Measured(
            [Figure("the first post, of which everybody here is asked about: last told", "ms", 1e3 * times[0][-1])],
            [figure for name, seconds in series.items() for figure in latency_figures(name, seconds, 50, 100)],
            lag_p99_ms=percentile_ms(array("d"), 99),
            curves=[distribution("last told", series["last told"])],
        )


def _heard(client: Client) -> dict[str, float]:
    assert isinstance(client, Follower)
    return client.heard


def _apart(acks: list[tuple[float, float]], heard: list[dict[str, float]], published: dict[str, float]) -> Measured:
    """Acks of messages that were under way while a post was told, apart from all others of the same time."""
    told = [(begun, max(one.get(post, begun) for one in heard)) for post, begun in published.items()]
    series = {"while a post is being told": array("d"), "between two posts": array("d")}
    for due, acked in acks:
        meets = any(due < end and begin < acked for begin, end in told)
        series["while a post is being told" if meets else "between two posts"].append(acked - due)
    return Measured(
        [],
        [one for when, took in series.items() for one in latency_figures(f"control group's ack {when}", took, 50, 99)],
    )


async def _posted(line: Line, token: str, media: str) -> str:
    """Post over HTTP, as people do; the post's id. Raises RunError."""
    status, answer = await line.answer(
        request("POST", "/v1/posts", token, msgspec.json.encode({"cid": f"bench {media}", "media": [media]}))
    )
    if status != 201:
        raise RunError(f"POST /v1/posts was answered with {status}: {answer.decode()}")
    return str(msgspec.json.decode(answer)["id"])
