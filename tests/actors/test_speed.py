"""How long a decision may take: the best of many rounds, since a busy machine only adds to it."""

import gc
from collections.abc import Callable, Sequence
from time import thread_time
from typing import Any

import pytest

from actors.conversation import Conversation, Send
from actors.effects import Asked
from actors.membership import Membership
from actors.user import Attach, Delivered, Policy, User
from protocol.codec import Encoded
from protocol.events import MessageSent
from protocol.ids import ConversationId, Millis, UserId
from protocol.replies import Limits
from protocol.requests import SendMessage

pytestmark = pytest.mark.verify

ID = ConversationId("7" * 18)
ANN, BEN = UserId("1" * 18), UserId("2" * 18)
NOW = Millis(1_700_000_000_000)
TEXT = "hello there, how are you doing today?"
COMMANDS = 2_000
ROUNDS = 50


def microseconds(make: Callable[[], Any], commands: Sequence[Any]) -> float:
    """Per command, on a fresh actor each round."""
    best = float("inf")
    for _ in range(ROUNDS):
        handle = make().handle
        gc.collect()
        started = thread_time()
        for command in commands:
            handle(command, NOW)
        best = min(best, thread_time() - started)
    return best / len(commands) * 1e6


def test_a_send_is_decided_in_8_microseconds() -> None:
    def wire(number: int) -> SendMessage:
        return SendMessage(id=number + 1, conversation=ID, cid=f"cid{number:024d}", text=TEXT)

    sends = [Send(Asked(1, number + 1), ANN, wire(number)) for number in range(COMMANDS)]
    assert microseconds(lambda: Conversation(ID, 0, NOW, [Membership(ANN), Membership(BEN)]), sends) <= 8


def test_an_event_is_given_to_one_flowing_session_in_2_5_microseconds() -> None:
    policy = Policy(300_000, 25_000, 50_000, 512 * 1024, 4 * 1024 * 1024, Limits(65_536, 20, 200, 0.33))

    def make() -> User:
        user = User(BEN, "e" * 22, policy)
        user.handle(Attach(Asked(70_000, 1), "d" * 36, None, snapshot=False, background=False), NOW)
        return user

    def event(c: int) -> MessageSent:
        return MessageSent(conversation=ID, c=c, sender=ANN, cid=f"cid{c:024d}", at=NOW, text=TEXT)

    # Encoded already: that is done once for all recipients.
    delivered = [Delivered(Encoded(event(c))) for c in range(1, COMMANDS + 1)]
    assert all(one.encoded.size for one in delivered)
    assert microseconds(make, delivered) <= 2.5
