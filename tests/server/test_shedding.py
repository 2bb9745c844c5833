"""What a node that is late lets go of: typing first, then others' receipts, then new sessions; never sends, resumes.

Presence goes between typing and receipts: tests/server/presence/test_presence.py.
"""

import pytest

from server.load import Sheds
from tests.security.raw import Raw, greeted, hello, upgraded
from tests.security.timed import Timed, timed


async def two_who_talk(node: Timed) -> tuple[str, str, str]:
    """Tokens of two, and the id of their conversation."""
    _, one = await node.sign_up("ann")
    ben, other = await node.sign_up("ben")
    async with greeted(node.port, one) as peer:
        opened = await peer.ask("conversation.open", 2, user=ben)
        return one, other, str(opened["ok"]["conversation"]["id"])


async def events_up_to_message(peer: Raw, text: str) -> list[str]:
    """The kinds of events that come before this message."""
    kinds = []
    while (event := await peer.receive()).get("text") != text:
        kinds.append(event.get("ev", "reply"))
    return kinds


@pytest.mark.parametrize("sheds", list(Sheds))
async def test_typing_goes_first_then_receipts_and_sends_never(sheds: Sheds) -> None:
    async with timed() as node:
        one, other, conversation = await two_who_talk(node)
        async with greeted(node.port, one) as ann, greeted(node.port, other) as ben:
            assert "ok" in await ann.ask("message.send", 2, conversation=conversation, cid="first", text="first")
            assert await events_up_to_message(ben, "first") == []
            node.gateway.load.sheds = sheds
            await ann.say({"op": "typing", "conversation": conversation, "kind": "text"})
            assert "ok" in await ann.ask("message.send", 3, conversation=conversation, cid="second", text="second")
            assert await events_up_to_message(ben, "second") == (["typing"] if sheds < Sheds.TYPING else [])
            assert "ok" in await ben.ask("message.read", 2, conversation=conversation, c=2)
            assert "ok" in await ben.ask("message.send", 3, conversation=conversation, cid="third", text="third")
            assert ("receipt" in await events_up_to_message(ann, "third")) == (sheds < Sheds.RECEIPTS)


@pytest.mark.parametrize("sheds", [Sheds.RECEIPTS, Sheds.SESSIONS])
async def test_new_sessions_go_last_and_resumes_never(sheds: Sheds) -> None:
    async with timed() as node:
        _, token = await node.sign_up("ann")
        async with upgraded(node.port) as phone:
            await phone.say(hello(token, device="phone"))
            position = (await phone.reply(1))["ok"]
        node.gateway.load.sheds = sheds
        resume = {"epoch": position["epoch"], "u": position["u"]}
        async with upgraded(node.port) as phone:
            await phone.say(hello(token, device="phone", resume=resume))
            assert (await phone.reply(1))["ok"]["outcome"] == "resumed"
        async with upgraded(node.port) as tablet:
            await tablet.say(hello(token, device="tablet"))
            answer = await tablet.reply(1)
            if sheds < Sheds.SESSIONS:
                assert answer["ok"]["outcome"] == "fresh"
            else:
                assert answer["err"]["code"] == "unavailable"
                assert answer["err"]["retry_ms"] > 0
                assert (await tablet.closed())[0] == 4103
