"""The router: who asked another node is answered, once, whatever comes late."""

import asyncio

import pytest

from actors.conversation_commands import Send
from actors.effects import Asked, conversation_address
from protocol.errors import UNKNOWN_OUTCOME
from protocol.ids import ConversationId, Millis
from protocol.replies import Done, Sent
from protocol.requests import SendMessage
from server.cluster.frames import ToConversation, replied
from tests.server.part import Part, with_part

ASKED = Asked(7, 1)


def elsewhere(part: Part) -> ConversationId:
    """A conversation whose actor lives there."""
    return ConversationId(part.at_home(here=False))


async def asked(part: Part, cid: str) -> Asked:
    """Somebody here says something there, always by the same id; returns what stands for the request on the link."""
    id = elsewhere(part)
    send = Send(ASKED, part.at_home(here=True), SendMessage(id=1, conversation=id, cid=cid, text=cid))
    part.cluster.router.tell(conversation_address(id), send)
    await asyncio.sleep(0)
    items = [item for frame in part.line.frames for item in frame.items if isinstance(item, ToConversation)]
    ticket = items[-1].command.request
    assert ticket is not None
    return ticket


def test_the_answer_of_another_node_is_given_to_who_asked() -> None:
    async def test(part: Part) -> None:
        ticket = await asked(part, "a")
        assert ticket.node != ""
        part.hears(1, replied(ticket, Done()))
        assert part.sockets.replies == [(ASKED, Done())]

    with_part(test)


def test_who_was_told_that_nobody_knows_is_told_nothing_more() -> None:
    async def test(part: Part) -> None:
        ticket = await asked(part, "a")
        part.hears(2)
        part.hears(3, replied(ticket, Sent(5, Millis(1))))
        assert part.sockets.replies == [(ASKED, UNKNOWN_OUTCOME)]

    with_part(test)


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "given up"])
def test_an_id_that_is_used_again_gets_no_answer_to_what_it_stood_for_before(answered: bool) -> None:
    async def test(part: Part) -> None:
        first = await asked(part, "a")
        if answered:
            part.hears(1, replied(first, Sent(1, Millis(1))))
            part.hears(2, replied(first, Sent(1, Millis(1))))
        else:
            part.hears(2)
        second = await asked(part, "b")
        part.hears(3, replied(first, Sent(1, Millis(1), dup=True)))
        assert len(part.sockets.replies) == 1
        part.hears(4, replied(second, Sent(2, Millis(2))))
        assert part.sockets.replies[1:] == [(ASKED, Sent(2, Millis(2)))]

    with_part(test)


def test_a_command_that_comes_back_to_the_node_that_passed_it_on_is_answered_once() -> None:
    async def test(part: Part) -> None:
        ticket = await asked(part, "a")
        part.cluster.router.reply(ticket, Done())
        part.hears(1, replied(ticket, Done()))
        assert part.sockets.replies == [(ASKED, Done())]

    with_part(test)
