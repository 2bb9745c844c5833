"""Who waits for a push: held at a screen, gone when read, one entry for each conversation, bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.events import MessageSent, ReadMoved
from protocol.ids import ConversationId, Millis, UserId
from server.messages import waiting as waiting_module
from server.messages.waiting import HOLD_S, KNOWN_S, Waiting

ME, YOU = UserId("1"), UserId("2")
ID, OTHER = ConversationId("5"), ConversationId("6")


class Clock:
    def __init__(self) -> None:
        self.time = 50.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def waiting(clock: Clock) -> Waiting:
    return Waiting(clock)


def message(c: int, id: ConversationId = ID, mentions: tuple[UserId, ...] = ()) -> MessageSent:
    return MessageSent(conversation=id, c=c, sender=YOU, cid=str(c), at=Millis(c), text=str(c), mentions=mentions)


def taken(waiting: Waiting) -> list[tuple[int, int]]:
    """Which places are shown, and up to where they speak."""
    return [(recipient.message.c, recipient.upto) for recipient in waiting.take(100)]


def test_who_is_away_is_due_at_once_and_taken_once(waiting: Waiting) -> None:
    waiting.add(ME, message(1), hold=False)
    assert taken(waiting) == [(1, 1)]
    assert taken(waiting) == []


def test_the_latest_message_of_a_conversation_speaks_for_those_before(waiting: Waiting) -> None:
    for c in (1, 3, 2):
        waiting.add(ME, message(c), hold=False)
    waiting.add(ME, message(1, OTHER), hold=False)
    assert taken(waiting) == [(3, 3), (1, 1)]


def test_a_message_that_names_its_reader_is_shown_in_place_of_later_ones(waiting: Waiting) -> None:
    waiting.add(ME, message(1, mentions=(ME,)), hold=False)
    waiting.add(ME, message(2, mentions=(YOU,)), hold=False)
    assert taken(waiting) == [(1, 2)]


def test_what_is_held_is_due_when_its_first_message_has_been_held_long_enough(waiting: Waiting, clock: Clock) -> None:
    waiting.add(ME, message(1), hold=True)
    clock.time += HOLD_S - 1
    waiting.add(ME, message(2), hold=True)
    assert taken(waiting) == []
    clock.time += 1
    assert taken(waiting) == [(2, 2)]


def test_who_goes_away_is_due_with_what_was_held(waiting: Waiting) -> None:
    waiting.add(ME, message(1), hold=True)
    waiting.add(ME, message(2), hold=False)
    waiting.add(ME, message(3), hold=True)
    assert taken(waiting) == [(3, 3)]


def test_what_is_read_is_held_no_longer(waiting: Waiting, clock: Clock) -> None:
    waiting.add(ME, message(1), hold=True)
    waiting.add(ME, message(1, OTHER), hold=True)
    waiting.note_read(ME, ReadMoved(ID, 1))
    clock.time += HOLD_S
    assert taken(waiting) == [(1, 1)]
    assert len(waiting) == 0


def test_who_reads_as_messages_come_has_time_to_read_the_newest(waiting: Waiting, clock: Clock) -> None:
    for c in range(1, 10):
        waiting.add(ME, message(c), hold=True)
        clock.time += 1
        waiting.note_read(ME, ReadMoved(ID, c - 1))
        assert taken(waiting) == []
    clock.time += HOLD_S - 0.1
    assert taken(waiting) == []
    clock.time += 0.1
    assert taken(waiting) == [(9, 9)]


def test_an_earlier_read_mark_changes_nothing(waiting: Waiting, clock: Clock) -> None:
    waiting.add(ME, message(5), hold=True)
    waiting.note_read(ME, ReadMoved(ID, 4))
    clock.time += HOLD_S
    assert taken(waiting) == [(5, 5)]


def test_what_is_put_back_is_due_with_what_came_meanwhile(waiting: Waiting) -> None:
    waiting.add(ME, message(1), hold=False)
    waiting.add(ME, message(1, OTHER), hold=False)
    batch = waiting.take(100)
    waiting.add(ME, message(2), hold=False)
    waiting.put_back(batch)
    assert sorted(taken(waiting)) == [(1, 1), (2, 2)]


def test_no_more_are_taken_than_asked_for(waiting: Waiting) -> None:
    for number in range(3):
        waiting.add(UserId(str(number)), message(1), hold=False)
    assert [len(waiting.take(2)) for _ in range(3)] == [2, 1, 0]


def test_what_finds_no_room_is_counted_and_what_has_room_goes_on(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_module, "MOST", 1)
    waiting.add(ME, message(1), hold=True)
    waiting.add(YOU, message(1), hold=False)
    waiting.add(ME, message(2), hold=False)
    assert taken(waiting) == [(2, 2)]
    assert waiting.overflowed == 1


def test_who_has_no_device_is_known_for_a_while(waiting: Waiting, clock: Clock) -> None:
    waiting.note_unreachable([ME])
    assert not waiting.reachable(ME)
    clock.time += KNOWN_S + 0.1
    waiting.take(1)
    assert not waiting.reachable(ME)
    clock.time += KNOWN_S + 0.1
    waiting.take(1)
    assert waiting.reachable(ME)


def test_all_is_released_with_what_is_left_of_its_hold(waiting: Waiting, clock: Clock) -> None:
    waiting.add(ME, message(1), hold=True)
    waiting.add(YOU, message(1, OTHER), hold=False)
    clock.time += 3
    assert sorted((one.user, one.hold_ms) for one in waiting.release()) == [(ME, (HOLD_S - 3) * 1_000), (YOU, 0)]
    assert len(waiting) == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("told"), st.booleans()),
        st.tuples(st.just("read"), st.integers(0, 3)),
        st.tuples(st.just("passes"), st.sampled_from([0.1, 3.0, HOLD_S])),
    ),
    max_size=40,
)


@given(STEPS)
def test_all_that_was_not_read_is_taken_in_the_end_and_what_was_read_while_it_was_held_never_is(
    steps: list[tuple[str, float]],
) -> None:
    clock = Clock()
    waiting = Waiting(clock)
    head = read = spoken = 0
    away = False
    for step, value in [*steps, ("passes", HOLD_S), ("passes", HOLD_S)]:
        if step == "told":
            head += 1
            away = away or not value
            waiting.add(ME, message(head), hold=bool(value))
        elif step == "read":
            read = max(read, head - int(value))
            waiting.note_read(ME, ReadMoved(ID, read))
        else:
            clock.time += value
        for recipient in waiting.take(10):
            assert recipient.upto > read or away
            assert recipient.upto > spoken
            spoken = recipient.upto
    assert max(spoken, read) == head
    assert len(waiting) == 0
