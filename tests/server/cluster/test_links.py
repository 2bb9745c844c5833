"""Links: frames in order, holes noticed, and nobody waits for ever for an answer."""

from collections.abc import Callable, Sequence

import msgspec
import pytest

from actors.conversation_commands import MarkDelivered, Send
from actors.effects import Asked
from protocol.codec import MSGPACK
from protocol.errors import UNKNOWN_OUTCOME, Refusal
from protocol.ids import ConversationId, Millis, UserId
from protocol.live import Typing
from protocol.replies import Done, Sent
from protocol.requests import SendMessage
from server.cluster import links as module
from server.cluster.frames import Frame, Item, Replied, ToConversation, ToUsers, Unread, decode, encode, replied
from server.cluster.links import HEARTBEAT_S, LATE_BEATS, SILENT_S, STRANGER_S, WITHIN_S, Links

HERE, THERE = "here", "there"
CONVERSATION, USER = ConversationId("499521150615683072"), UserId("499521150615683073")
ITEM = ToConversation(CONVERSATION, MarkDelivered(USER, 3))


class Wire:
    """A bus that keeps what is published."""

    def __init__(self) -> None:
        self.connected = True
        self.frames: list[Frame] = []

    def publish(self, node: str, data: bytes) -> None:
        if self.connected:
            self.frames.append(decode(data))

    def announce(self) -> None:
        raise AssertionError("links have no news")


TOLD = Millis(10**12)
"""A node that has told all that it made durable."""


class Rig:
    """One end of a link, its wire, and a clock."""

    def __init__(self) -> None:
        self.time = 100.0
        self.settled = Millis(1_000)
        self.wire = Wire()
        self.taken: list[Item] = []
        self.on_taken: Callable[[], object] = lambda: None
        self.answers: list[tuple[Asked, Refusal]] = []
        self.links = Links(
            HERE,
            lambda: self.time,
            lambda: self.settled,
            lambda: TOLD,
            self._take,
            lambda *answer: self.answers.append(answer),
        )
        self.links.join(self.wire)
        self.links.meet([HERE, THERE])

    def _take(self, sender: str, items: Sequence[Item]) -> None:
        self.taken += items
        self.on_taken()

    def comes(self, number: int, *items: Item, echo: int | None = None, told: int = TOLD) -> None:
        """A frame from there, made after our last beat unless it is said which one."""
        echo = self.links._beat if echo is None else echo
        self.links.received(encode(Frame(THERE, number, 1, echo, Millis(told), items)))

    def passes(self, seconds: float) -> None:
        """Time, with the heart beating here."""
        end = self.time + seconds
        while self.time < end:
            self.time += HEARTBEAT_S
            self.links.tick()

    @property
    def peer(self) -> module.Peer:
        return self.links.peers[THERE]


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def sent(rig: Rig, *items: Item) -> list[Frame]:
    for item in items:
        rig.links.send(THERE, item)
    rig.links._flush()
    return rig.wire.frames


async def test_what_a_turn_of_the_loop_produces_leaves_in_one_frame(rig: Rig) -> None:
    (frame,) = await sent(rig, ITEM, ITEM, ITEM)
    assert (frame.sender, frame.number, len(frame.items)) == (HERE, 1, 3)


async def test_frames_are_numbered_from_one_and_a_heartbeat_bears_the_last_number(rig: Rig) -> None:
    await sent(rig, ITEM)
    await sent(rig, ITEM)
    rig.links.tick()
    assert [(frame.number, len(frame.items)) for frame in rig.wire.frames] == [(1, 1), (2, 1), (2, 0)]


async def test_a_frame_that_would_be_too_large_for_the_bus_is_cut(rig: Rig) -> None:
    large = ToUsers((USER,), b"x" * 200_000)
    frames = await sent(rig, *[large] * 8)
    assert [frame.number for frame in frames] == list(range(1, len(frames) + 1))
    assert sum(len(frame.items) for frame in frames) == 8
    assert all(len(encode(frame)) <= module.MOST for frame in frames)


def test_items_are_taken_in_order_and_repeats_are_dropped(rig: Rig) -> None:
    other = ToConversation(CONVERSATION, MarkDelivered(USER, 4))
    rig.comes(1, ITEM)
    rig.comes(2, other)
    rig.comes(2, other)
    rig.comes(1, ITEM)
    assert rig.taken == [ITEM, other]
    assert not rig.links.doubtful()


def test_a_missing_number_is_a_hole_until_the_log_was_read(rig: Rig) -> None:
    rig.comes(1, ITEM)
    rig.settled = Millis(2_000)
    rig.comes(3, ITEM)
    rig.settled = Millis(3_000)
    rig.comes(4, ITEM)
    assert rig.links.doubtful() == [rig.peer]
    assert rig.peer.settled == 1_000
    rig.peer.mended(rig.peer.holes, Millis(3_000))
    assert not rig.links.doubtful()
    rig.settled = Millis(4_000)
    rig.comes(5, ITEM)
    assert rig.peer.settled == 4_000


def test_a_lost_tail_is_a_hole_as_soon_as_the_heart_beats(rig: Rig) -> None:
    rig.comes(1, ITEM)
    rig.comes(3)
    assert rig.links.doubtful() == [rig.peer]


def test_a_hole_that_comes_while_the_log_is_read_stays(rig: Rig) -> None:
    rig.comes(2, ITEM)
    holes = rig.peer.holes
    rig.comes(4, ITEM)
    rig.peer.mended(holes, Millis(5_000))
    assert rig.links.doubtful() == [rig.peer]


def test_who_is_not_heard_for_a_second_is_silent_until_heard_again(rig: Rig) -> None:
    rig.passes(SILENT_S)
    assert rig.links.passes(THERE)
    rig.passes(2 * HEARTBEAT_S)
    assert not rig.links.passes(THERE)
    assert rig.links.unheard() == [rig.peer]
    rig.comes(0)
    assert rig.links.passes(THERE)


def test_a_moment_in_which_this_process_stood_still_makes_nobody_silent(rig: Rig) -> None:
    rig.time += 15
    rig.links.tick()
    assert rig.links.passes(THERE)


def test_who_does_not_hear_us_is_not_told_anything_that_needs_an_answer(rig: Rig) -> None:
    for _ in range(LATE_BEATS + 1):
        rig.passes(HEARTBEAT_S)
        rig.comes(0, echo=1)
    assert not rig.links.passes(THERE)
    assert not rig.links.unheard()
    rig.comes(0)
    assert rig.links.passes(THERE)


def test_what_was_made_long_ago_is_left_to_the_log(rig: Rig) -> None:
    for _ in range(LATE_BEATS + 1):
        rig.passes(HEARTBEAT_S)
        rig.comes(0)
    rig.comes(1, ITEM, echo=1)
    assert not rig.taken
    assert rig.links.doubtful() == [rig.peer]
    rig.comes(2, ITEM)
    assert rig.taken == [ITEM]


def test_the_first_frames_of_a_newcomer_are_not_late(rig: Rig) -> None:
    for _ in range(LATE_BEATS + 1):
        rig.passes(HEARTBEAT_S)
        rig.comes(0)
    rig.links.received(encode(Frame("newcomer", 1, 1, 0, TOLD, (ITEM,))))
    assert rig.taken == [ITEM]


def test_a_beat_is_echoed(rig: Rig) -> None:
    rig.links.received(encode(Frame(THERE, 0, 41, 1, TOLD, ())))
    rig.links.tick()
    assert rig.wire.frames[-1].echo == 41


@pytest.mark.parametrize("what", ["silence", "hole", "too late", "no bus", "gone"])
async def test_who_asked_in_vain_is_told_that_nobody_knows(rig: Rig, what: str) -> None:
    asked = Asked(7, 1)
    rig.links.ask(THERE, asked)
    await sent(rig, ITEM)
    match what:
        case "silence":
            rig.passes(SILENT_S + 2 * HEARTBEAT_S)
        case "hole":
            rig.comes(2, ITEM)
        case "too late":
            for _ in range(int(WITHIN_S / HEARTBEAT_S) + 2):
                rig.comes(0)
                rig.passes(HEARTBEAT_S)
        case "no bus":
            rig.links.bus_lost()
        case "gone":
            assert [peer.incarnation for peer in rig.links.meet([HERE])] == [THERE]
    assert rig.answers == [(asked, UNKNOWN_OUTCOME)]


async def test_who_was_answered_is_told_nothing_else(rig: Rig) -> None:
    asked = Asked(7, 1, trace="00-trace")
    ticket = rig.links.ask(THERE, asked)
    assert (ticket.node, ticket.trace) == (HERE, asked.trace)
    assert rig.links.answered(ticket) == asked
    rig.passes(WITHIN_S + SILENT_S)
    assert not rig.answers


async def test_the_answer_to_an_earlier_question_is_not_taken_for_that_to_a_later_one_of_the_same_id(rig: Rig) -> None:
    """A client may use an id again as soon as it was answered, and be it with `unknown_outcome`."""
    asked = Asked(7, 1)
    earlier = rig.links.ask(THERE, asked)
    rig.links.bus_lost()
    later = rig.links.ask(THERE, asked)
    assert rig.links.answered(earlier) is None
    assert rig.links.answered(later) == asked
    assert rig.links.answered(later) is None


async def test_an_answer_in_the_frame_that_shows_a_hole_counts(rig: Rig) -> None:
    asked = Asked(7, 1)
    ticket, lost = rig.links.ask(THERE, asked), rig.links.ask(THERE, Asked(7, 2))
    rig.on_taken = lambda: rig.links.answered(ticket)
    rig.comes(2, replied(ticket, Done()))
    assert rig.answers == [(Asked(7, 2), UNKNOWN_OUTCOME)]
    assert rig.links.answered(lost) is None


async def test_numbering_goes_on_for_a_node_of_which_there_is_news_later_than_of_others(rig: Rig) -> None:
    rig.links.send("newcomer", ITEM)
    rig.links._flush()
    rig.links.meet([HERE, THERE, "another"])
    rig.links.meet([HERE, THERE, "another", "newcomer"])
    rig.links.send("newcomer", ITEM)
    rig.links._flush()
    assert [frame.number for frame in rig.wire.frames] == [1, 2]


def test_a_frame_of_a_node_that_is_gone_is_taken_once_all_the_same(rig: Rig) -> None:
    """It may hold a choice that has been followed by others: carried out again, it would take their place."""
    rig.comes(1, ITEM)
    rig.links.meet([HERE])
    rig.comes(1, ITEM)
    rig.comes(2, ITEM)
    assert rig.taken == [ITEM, ITEM]


def test_who_never_becomes_a_node_is_forgotten(rig: Rig) -> None:
    rig.links.received(encode(Frame("nobody", 1, 1, 1, TOLD, ())))
    rig.passes(STRANGER_S - HEARTBEAT_S)
    assert "nobody" in rig.links._strangers
    rig.passes(2 * HEARTBEAT_S)
    assert not rig.links._strangers


def test_frames_of_a_node_before_the_news_of_it_count(rig: Rig) -> None:
    rig.links.received(encode(Frame("newcomer", 1, 1, 1, TOLD, (ITEM,))))
    rig.links.meet([HERE, THERE, "newcomer"])
    rig.links.received(encode(Frame("newcomer", 2, 1, 1, TOLD, (ITEM,))))
    assert rig.taken == [ITEM, ITEM]
    assert not rig.links.doubtful()


def test_a_node_that_may_have_something_to_tell_is_settled_no_further_than_it_says(rig: Rig) -> None:
    there = rig.links.peers[THERE]
    rig.settled = Millis(5_000)
    rig.comes(0, told=3_000)
    assert there.settled == 3_000
    rig.comes(1, ITEM, told=2_000)
    assert there.settled == 3_000
    rig.comes(1, told=9_000)
    assert there.settled == 5_000


def test_what_cannot_be_read_harms_nothing(rig: Rig) -> None:
    rig.links.received(b"\xc1 nonsense")
    rig.comes(1, ITEM)
    assert rig.taken == [ITEM]


def newer(number: int, *items: object) -> bytes:
    """A frame of a release that knows other items, and says more in the frame and in those that we know."""
    frame = [THERE, number, 1, 2, TOLD, [msgspec.to_builtins(item) for item in items], "more"]
    return msgspec.msgpack.encode(frame)


def test_of_a_frame_of_a_newer_release_what_is_not_known_is_left_out_and_the_rest_is_taken(rig: Rig) -> None:
    longer = [*msgspec.to_builtins(ITEM), "more"]
    command = msgspec.to_builtins(ITEM)
    command[2] = ["a new command"]
    rig.links.received(newer(1, ITEM, (99, "something"), longer, {"not": "even tagged"}, command, ITEM))
    assert [item for item in rig.taken if not isinstance(item, Unread)] == [ITEM] * 3
    assert len(rig.taken) == 6


def test_a_frame_of_which_nothing_is_known_is_no_hole(rig: Rig) -> None:
    rig.links.received(newer(1, (99, "something")))
    rig.comes(2, ITEM)
    assert not rig.links.doubtful()
    assert [type(item) for item in rig.taken] == [Unread, ToConversation]


def test_every_item_comes_out_as_it_went_in() -> None:
    send = Send(Asked(1, 2, HERE), USER, SendMessage(id=2, conversation=CONVERSATION, cid="c", text="héllo"))
    typing = Typing(CONVERSATION, 3, USER, "text")
    items = (
        ToConversation(CONVERSATION, send, 1),
        ToUsers((USER,), b"\x81\xa2ev\xa6synced"),
        replied(Asked(1, 2), Sent(4, Millis(5), dup=True)),
        replied(Asked(1, 2), Done()),
        replied(Asked(1, 2), UNKNOWN_OUTCOME),
    )
    frame = Frame(HERE, 9, 3, 4, TOLD, items)
    assert decode(encode(frame)) == frame
    results = [item.result for item in items if isinstance(item, Replied)]
    assert results == [Sent(4, Millis(5), dup=True), Done(), UNKNOWN_OUTCOME]
    body = MSGPACK.encode(typing)
    encoded = ToUsers((USER,), body).encoded()
    assert (encoded.event, encoded.msgpack) == (typing, body)
