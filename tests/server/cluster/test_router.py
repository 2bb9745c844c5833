"""The router: who asked another node is answered, once, whatever comes late; nothing is sent round in circles."""

import asyncio

import msgspec
import pytest
from structlog.testing import capture_logs

from actors.conversation_commands import Send
from actors.effects import Asked, conversation_address, user_address
from protocol.codec import Encoded
from protocol.errors import UNKNOWN_OUTCOME
from protocol.groups import GroupsTouched
from protocol.ids import ConversationId, Millis, UserId
from protocol.posts import PostId
from protocol.replies import Done, Sent
from protocol.requests import SendMessage
from server.cluster.frames import Item, PostWithdrawn, Replied, ToConversation, ToUsers, Unread, replied
from tests.contracts.grounds import said
from tests.server.part import THERE, Part, with_part

ASKED = Asked(7, 1)


def elsewhere(part: Part) -> ConversationId:
    """A conversation whose actor lives there."""
    return ConversationId(part.at_home(here=False))


def sent(part: Part) -> list[Item]:
    """What has left over the link."""
    return [item for frame in part.line.frames for item in frame.items]


async def asked(part: Part, cid: str) -> Asked:
    """Somebody here says something there, always by the same id; returns what stands for the request on the link."""
    id = elsewhere(part)
    send = Send(ASKED, part.at_home(here=True), SendMessage(id=1, conversation=id, cid=cid, text=cid))
    part.cluster.router.tell(conversation_address(id), send)
    await asyncio.sleep(0)
    *_, item = sent(part)
    assert isinstance(item, ToConversation)
    ticket = item.command.request
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


TWICE = pytest.mark.parametrize(("hops", "passed_on"), [(0, True), (1, True), (2, False), (3, False)])
"""How often a node that acts by another version has passed it on already."""


@TWICE
def test_an_event_for_users_of_another_node_is_passed_on_twice_and_told_here_then(hops: int, passed_on: bool) -> None:
    async def test(part: Part) -> None:
        user = part.at_home(here=False)
        part.attach(user)
        await asyncio.sleep(0.1)
        event = said(ConversationId("5"), 1, UserId("9")).event
        part.hears(1, ToUsers((user,), Encoded(event).msgpack, hops))
        await asyncio.sleep(0.1)
        assert [item.hops for item in sent(part) if isinstance(item, ToUsers)] == ([hops + 1] if passed_on else [])
        assert [told for _, told in part.sockets.told] == ([] if passed_on else [event])

    with_part(test)


@TWICE
def test_a_command_for_another_node_is_passed_on_twice_and_carried_out_here_then(hops: int, passed_on: bool) -> None:
    async def test(part: Part) -> None:
        user = part.at_home(here=False)
        id = await part.open(user, UserId(str(int(user) + 1)))
        send = Send(Asked(7, 1, THERE.incarnation), user, SendMessage(id=1, conversation=id, cid="a", text="a"))
        part.hears(1, ToConversation(id, send, hops))
        await asyncio.sleep(0.1)
        assert [item.hops for item in sent(part) if isinstance(item, ToConversation)] == (
            [hops + 1] if passed_on else []
        )
        answers = [item.sent.c for item in sent(part) if isinstance(item, Replied) and item.sent]
        assert answers == ([] if passed_on else [1])

    with_part(test)


def test_which_groups_changed_is_heard_where_the_user_has_their_home_and_by_no_device() -> None:
    async def test(part: Part) -> None:
        heard: list[tuple[UserId, tuple[int, ...]]] = []
        part.cluster.router.tell_groups(lambda user, ids: heard.append((user, tuple(ids))))
        mine, other = part.at_home(here=True), part.at_home(here=False)
        part.attach(mine)
        await asyncio.sleep(0.1)
        part.cluster.router.deliver((user_address(mine),), GroupsTouched((7, 8)))
        part.cluster.router.deliver((user_address(other),), GroupsTouched((9,)))
        part.hears(1, ToUsers((mine,), Encoded(GroupsTouched((10,))).msgpack, 0))
        await asyncio.sleep(0.1)
        assert heard == [(mine, (7, 8)), (mine, (10,))]
        assert [item.users for item in sent(part) if isinstance(item, ToUsers)] == [(other,)]
        assert part.sockets.told == []

    with_part(test)


def test_a_post_that_is_gone_is_told_to_every_node_and_passed_on_by_none() -> None:
    async def test(part: Part) -> None:
        heard: list[PostId] = []
        part.cluster.router.tell_feed(lambda encoded: None, lambda user: None, heard.append)
        part.cluster.router.withdrawn(PostId("8"))
        part.hears(1, PostWithdrawn(PostId("9")))
        await asyncio.sleep(0)
        assert heard == ["8", "9"]
        assert sent(part) == [PostWithdrawn(PostId("8"))]

    with_part(test)


def test_what_a_newer_node_says_is_passed_over_counted_and_logged_once() -> None:
    async def test(part: Part) -> None:
        user = part.at_home(here=True)
        part.attach(user)
        await asyncio.sleep(0.1)
        event = said(ConversationId("5"), 1, UserId("9")).event
        new = ToUsers((user,), msgspec.msgpack.encode({"ev": "brand.new"}))
        with capture_logs() as logs:
            part.hears(1, Unread("an unknown tag"), new, ToUsers((user,), Encoded(event).msgpack), Unread("again"))
        await asyncio.sleep(0.1)
        assert [told for _, told in part.sockets.told] == [event]
        assert part.cluster.router.unread == 3
        assert [(line["log_level"], line["fault"]) for line in logs] == [("warning", "an unknown tag")]

    with_part(test)
