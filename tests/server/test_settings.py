"""A member's own settings of a conversation: told to their devices when they change, and to nobody else."""

from tests.server.running import Installation
from tests.server.wire import session

People = list[dict[str, str]]
LOOK_BACK = 60_000


async def test_settings_that_stand_already_make_no_event(installation: Installation, people: People) -> None:
    ada, ben = people[0], people[1]
    async with (
        session(installation.socket_url, ada["access_token"], device="phone", snapshot=False) as (phone, _),
        session(installation.socket_url, ada["access_token"], device="tablet", snapshot=False) as (tablet, _),
    ):
        conversation = (await phone.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        for _ in range(2):
            assert await phone.ok("conversation.settings", conversation=conversation, pinned=True) == {}
        assert await phone.ok("conversation.settings", conversation=conversation, pinned=True, mute_until=5) == {}
        first, second = await tablet.event("settings"), await tablet.event("settings")
        assert first == {"u": 1, "ev": "settings", "conversation": conversation, "pinned": True}
        assert second == {"u": 2, "ev": "settings", "conversation": conversation, "mute_until": 5}
        shown = await tablet.ok("conversation.get", conversation=conversation)
        assert shown["settings"] == {"pinned": True, "mute_until": 5}


async def test_nobody_learns_from_a_sync_when_somebody_read_in_private_or_set_something(
    installation: Installation, people: People
) -> None:
    ada, ben = people[2], people[3]
    async with (
        session(installation.socket_url, ada["access_token"], snapshot=False) as (a, _),
        session(installation.socket_url, ben["access_token"], snapshot=False) as (b, _),
    ):
        conversation = (await a.ok("conversation.open", user=ben["user"]))["conversation"]["id"]
        await b.ok("conversation.accept", conversation=conversation)
        await b.ok("conversation.settings", conversation=conversation, send_receipts=False)
        await a.ok("message.send", conversation=conversation, cid="read this", text="have you read this?")
        # What is named counts as delivered, which Ben sees; from then on Ada's own marks stand still.
        await a.ok("sync", heads={conversation: 1}, since=0)
        await b.event("receipt")
        # The server looks back from `since`: this one means now.
        since = (await a.ok("sync", heads={}, since=0, only=True))["now"] + LOOK_BACK + 1
        await b.ok("message.read", conversation=conversation, c=1)
        for change in ({"draft": "I have"}, {"mute_until": 5}, {"pinned": True, "archived": True}):
            await b.ok("conversation.settings", conversation=conversation, **change)
        for heads in ({conversation: 1}, {}):
            assert (await a.ok("sync", heads=heads, since=since))["conversations"] == []
            (mine,) = (await b.ok("sync", heads=heads, since=since))["conversations"]
            assert (mine["id"], mine["read_c"], mine["settings"]["draft"]) == (conversation, 1, "I have")
        await b.ok("conversation.settings", conversation=conversation, send_receipts=True)
        (theirs,) = (await a.ok("sync", heads={conversation: 1}, since=since))["conversations"]
        assert [member["read_c"] for member in theirs["members"] if member["user"] == ben["user"]] == [1]
