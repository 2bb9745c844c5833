"""A client that was away: what `hello` answers, what follows, and how many bytes that costs (docs/protocol.md §3)."""

import msgpack
import pytest

from tests.server.running import Installation
from tests.server.wire import Map, Wire, session

People = list[dict[str, str]]


async def _talk(wire: Wire, conversation: str, count: int, text: str = "again") -> None:
    """`count` sends, all acked; a connection may have at most 128 requests in flight."""
    for start in range(0, count, 100):
        numbers = range(start, min(start + 100, count))
        ids = [
            await wire.begin("message.send", conversation=conversation, cid=f"{text[:8]}-{number}", text=text)
            for number in numbers
        ]
        for id in ids:
            assert "ok" in await wire.reply(id)


@pytest.mark.parametrize("missed", [0, 1, 500])
async def test_who_resumes_gets_exactly_what_was_missed_and_no_more_bytes_than_that(
    installation: Installation, people: People, missed: int
) -> None:
    ada, ben = people[0], people[1]
    device = f"phone-{missed}"
    async with session(installation.socket_url, ada["access_token"]) as (a, _):
        conversation = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        async with session(installation.socket_url, ben["access_token"], device=device) as (b, before):
            await b.until_synced()
            await b.socket.close(3000)
        await _talk(a, conversation, missed, f"missed {missed}")
        resume = {"epoch": before["epoch"], "u": before["u"]}
        async with session(installation.socket_url, ben["access_token"], device=device, resume=resume) as (b, after):
            events = await b.until_synced()
            received = b.received
    assert (after["outcome"], after["epoch"], after["u"]) == ("resumed", before["epoch"], before["u"] + missed)
    assert [event["ev"] for event in events] == ["message"] * missed + ["synced"]
    assert [event["u"] for event in events] == [*range(before["u"] + 1, after["u"] + 1), after["u"]]
    assert received <= sum(len(msgpack.packb(event)) for event in events[:-1]) + 1_024


async def test_a_position_from_the_future_or_of_another_epoch_is_answered_with_a_resync(
    installation: Installation, people: People
) -> None:
    token = people[2]["access_token"]
    async with session(installation.socket_url, token, device="first") as (_, welcome):
        for resume in (
            {"epoch": welcome["epoch"], "u": welcome["u"] + 1},
            {"epoch": "another", "u": welcome["u"]},
        ):
            async with session(installation.socket_url, token, device="second", resume=resume) as (wire, after):
                assert after["outcome"] == "resync"
                assert [event["ev"] for event in await wire.until_synced()] == ["snapshot", "synced"]


async def test_without_a_snapshot_only_synced_follows(installation: Installation, people: People) -> None:
    async with session(installation.socket_url, people[2]["access_token"], snapshot=False) as (wire, welcome):
        assert await wire.until_synced() == [{"ev": "synced", "u": welcome["u"]}]


async def test_after_the_ring_has_let_go_the_answer_is_a_resync_and_sync_brings_the_rest(
    installation: Installation, people: People
) -> None:
    ada, ben = people[3], people[4]
    async with session(installation.socket_url, ada["access_token"]) as (a, _):
        conversation = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        async with session(installation.socket_url, ben["access_token"]) as (b, before):
            await b.until_synced()
            await b.socket.close(3000)
        await _talk(a, conversation, 400, "x" * 4_000)
        resume = {"epoch": before["epoch"], "u": before["u"]}
        async with session(installation.socket_url, ben["access_token"], resume=resume, snapshot=False) as (b, after):
            assert after["outcome"] == "resync"
            await b.until_synced()
            assert await _sync_all(b, conversation) == list(range(1, 401))


async def _sync_all(wire: Wire, conversation: str) -> list[int]:
    """Every c that sync and the history after it give to a client that has stored nothing of one conversation."""
    page: Map = await wire.ok("sync", heads={conversation: 0}, since=0)
    (item,) = page["conversations"]
    found = [event["c"] for event in item["events"]]
    more = item["more"]
    while more:
        history = await wire.ok("message.history", conversation=conversation, after=found[-1], limit=100)
        found += [event["c"] for event in history["events"]]
        more = history["more"]
    return found


async def test_a_goodbye_ends_the_claim_on_the_ring(installation: Installation, people: People) -> None:
    ada, ben = people[5], people[6]
    async with (
        session(installation.socket_url, ada["access_token"]) as (a, _),
        session(installation.socket_url, ben["access_token"], device="stays") as (_, first),
    ):
        conversation = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        async with session(installation.socket_url, ben["access_token"], device="leaves") as (b, _):
            await b.until_synced()
            await b.socket.close(1000)
        await _talk(a, conversation, 3)
        resume = {"epoch": first["epoch"], "u": first["u"]}
        async with session(installation.socket_url, ben["access_token"], device="leaves", resume=resume) as (_, again):
            # The other device still claims these events, so they can be resumed all the same.
            assert again["outcome"] == "resumed"


async def test_a_newer_hello_of_the_same_device_supersedes_the_older_socket(
    installation: Installation, people: People
) -> None:
    token = people[7]["access_token"]
    async with session(installation.socket_url, token) as (old, _), session(installation.socket_url, token) as (new, _):
        assert await old.closed() == (4301, {"code": "superseded"})
        assert (await new.ok("conversation.list", folder="inbox"))["items"] == []
