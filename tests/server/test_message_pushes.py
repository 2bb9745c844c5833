"""Pushes for messages from outside: who is away has a job within a second, who is at a screen is given time to read."""

import asyncio
from typing import Any

import asyncpg
import pytest

from config.settings import load
from tests.cluster.looking import figures
from tests.server.running import Installation
from tests.server.wire import session
from tests.until import WITHIN_S, until

People = list[dict[str, str]]

JOB_S = "select extract(epoch from j.at - e.stored_at)::float from push_job j join event e using (conversation, c)"
JOB_S += " where j.user_id = $1"


class Phones:
    """The database of an installation, where phones are registered and jobs wait."""

    def __init__(self, installation: Installation) -> None:
        self._url = str(load(installation.data / "tidings.toml", {}).postgres.url)

    async def execute(self, statement: str, *arguments: object) -> list[Any]:
        connection = await asyncpg.connect(self._url)
        try:
            found: list[Any] = await connection.fetch(statement, *arguments)
            return found
        finally:
            await connection.close()

    async def register(self, user: str) -> None:
        statement = "insert into device (id, user_id, login, platform, address) values ($1, $1, 1, 'fcm', $2)"
        await self.execute(statement, int(user), f"phone of {user}")

    async def jobs(self, user: str) -> list[float]:
        """Seconds from each message's commit to its job."""
        return [row[0] for row in await self.execute(JOB_S, int(user))]

    async def await_job(self, user: str, within_s: float = WITHIN_S) -> float:
        """The same of the first one, when there is one."""
        async with asyncio.timeout(within_s):
            while True:
                if jobs := await self.jobs(user):
                    return jobs[0]
                await asyncio.sleep(0.05)

    async def await_sweep(self, within_s: float) -> None:
        """Until no sweep will come across a message again of those that there are."""
        passed = "select count(*) = 64 and min(until) > (select max(stored_at) from event) from swept"
        async with asyncio.timeout(within_s):
            while not (await self.execute(passed))[0][0]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_who_is_away_has_a_push_job_within_a_second_of_the_commit(
    installation: Installation, people: People
) -> None:
    """The least of three: whatever else the machine does only adds to it."""
    phones, ada, took = Phones(installation), people[0], []
    async with session(installation.socket_url, ada["access_token"]) as (a, _):
        for other in (people[1], *people[8:10]):
            await phones.register(other["user"])
            id = (await a.ok("conversation.open", user=other["user"]))["conversation"]["id"]
            await a.ok("message.send", conversation=id, cid="x" * 22, text="are you there?")
            took.append(await phones.await_job(other["user"]))
    assert min(took) < 1
    assert await phones.jobs(ada["user"]) == []


async def test_what_somebody_at_a_screen_reads_is_held_until_then(installation: Installation, people: People) -> None:
    phones, ada, ben = Phones(installation), people[2], people[3]
    await phones.register(ben["user"])
    before = figures(installation.private_url)
    async with (
        session(installation.socket_url, ada["access_token"]) as (a, _),
        session(installation.socket_url, ben["access_token"]) as (b, _),
    ):
        id = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        await a.ok("message.send", conversation=id, cid="x" * 22, text="are you there?")
        await b.event("message")
        await b.ok("message.read", conversation=id, c=1)
        await b.event("read")

        def read() -> bool:
            now, name = figures(installation.private_url), "tidings_message_pushes_{}_total"
            return all(now[name.format(one)] > before[name.format(one)] for one in ("held", "read"))

        await until(read, blocks=True)
    assert await phones.jobs(ben["user"]) == []


@pytest.mark.verify
@pytest.mark.parametrize("reads", [False, True])
async def test_after_that_time_what_is_not_read_is_pushed_to_other_devices(
    installation: Installation, people: People, reads: bool
) -> None:
    phones, ada, ben = Phones(installation), people[4 + 2 * reads], people[5 + 2 * reads]
    await phones.register(ben["user"])
    async with (
        session(installation.socket_url, ada["access_token"]) as (a, _),
        session(installation.socket_url, ben["access_token"]) as (b, welcome),
    ):
        id = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        await a.ok("message.send", conversation=id, cid="x" * 22, text="are you there?")
        arrived = await b.event("message")
        await b.send({"op": "ack", "epoch": welcome["epoch"], "u": arrived["u"]})
        if reads:
            await b.ok("message.read", conversation=id, c=1)
            with pytest.raises(TimeoutError):
                await phones.await_job(ben["user"])
        else:
            assert 5 <= await phones.await_job(ben["user"]) <= 15
