"""What is asked of preferences again when a push is sent."""

import pytest

from protocol.ids import Millis, UserId
from protocol.preferences import DEFAULTS, Muted, Preferences, QuietHours
from server.push.wishes import Wishes
from tests.server.push.deliveries import PHONE, a_delivery

MINUTE_MS = 60_000
SEVEN = Millis(7 * 60 * MINUTE_MS)
WISHES = Wishes(lambda: SEVEN, lambda zone, at: 0)


@pytest.mark.parametrize(
    ("preferences", "wait_ms"),
    [
        (DEFAULTS, 0),
        (Preferences({"message": {"push": False}}), None),
        (Preferences(muted=Muted(people=(UserId("9"),))), None),
        (Preferences(muted=Muted(threads=("5",))), None),
        (Preferences(pause_until=Millis(SEVEN + 1)), None),
        (Preferences(audience={"message": "following"}), None),
        (Preferences(quiet=QuietHours("UTC", 0, 7 * 60 + 30)), 30 * MINUTE_MS),
    ],
)
def test_a_message_is_sent_only_while_its_reader_wants_it(preferences: Preferences, wait_ms: int | None) -> None:
    assert WISHES.wait_ms(a_delivery(PHONE, sender=UserId("9"), preferences=preferences)) == wait_ms


def test_mail_is_asked_about_as_mail() -> None:
    wanted = Preferences({"message": {"push": False, "email": True}})
    assert WISHES.wait_ms(a_delivery(None, sender=UserId("9"), preferences=wanted)) == 0
    assert WISHES.wait_ms(a_delivery(None, sender=UserId("9"))) is None


def test_what_is_about_a_notification_was_decided_when_its_window_closed() -> None:
    refused = Preferences({"message": {"push": False}})
    assert WISHES.wait_ms(a_delivery(PHONE, conversation=None, c=None, preferences=refused)) == 0
