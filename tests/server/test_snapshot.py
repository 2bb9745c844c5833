"""What a client without state starts from, and how it learns that this is not all (docs/protocol.md §3)."""

import pytest

from tests.server.running import Installation
from tests.server.wire import session

REPLY_BYTES = 256 * 1024


@pytest.mark.parametrize("binary", [True, False], ids=["msgpack", "json"])
@pytest.mark.parametrize(
    ("count", "text", "shown"),
    [(3, "", 3), (20, "", 20), (23, "", 20), (12, "\u0001" * 4_000, 8)],
    ids=["all", "twenty", "more than twenty", "more than fits"],
)
async def test_a_snapshot_holds_the_newest_that_fit_and_says_where_the_others_follow(
    installation: Installation, count: int, text: str, shown: int, binary: bool
) -> None:
    me, *others = installation.mint(count + 1, f"snap{count}.{binary}.")
    async with session(installation.socket_url, me["access_token"], snapshot=False, device="old") as (wire, _):
        ids: list[str] = []
        for other in others:
            opened = await wire.ok("conversation.open", user=other["user"])
            ids.insert(0, opened["conversation"]["id"])
            if text:
                await wire.ok("message.send", conversation=ids[0], cid="the last word", text=text)
    async with session(installation.socket_url, me["access_token"], binary=binary, device="new") as (wire, _):
        wire.received = 0
        snapshot, _ = await wire.until_synced()
        assert wire.received <= REPLY_BYTES
        assert [item["id"] for item in snapshot["conversations"]] == ids[:shown]
        assert ("next" in snapshot) == (shown < count)
        if "next" in snapshot:
            rest = await wire.ok("conversation.list", folder="inbox", before=snapshot["next"])
            assert [item["id"] for item in rest["items"]] == ids[shown:]
