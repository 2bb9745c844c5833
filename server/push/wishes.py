"""Wishes: whether somebody still wants a message pushed when it is sent, as it may have waited for a night."""

from collections.abc import Callable
from typing import cast

from actors.preferences import OffsetAt, decide_message
from persistence.push.contract import Delivery
from protocol.activity import Kind
from protocol.ids import Millis


class Wishes:
    """`clock` gives milliseconds since 1970."""

    def __init__(self, clock: Callable[[], Millis], offset_at: OffsetAt) -> None:
        self._clock = clock
        self._offset_at = offset_at

    def wait_ms(self, delivery: Delivery) -> int | None:
        """How long it has to wait for the end of quiet hours; None: it is not wanted any more, by this channel.

        What is about notifications was asked when their window closed, and is sent as it was decided then.
        """
        if delivery.conversation is None or delivery.sender is None:
            return 0
        now, kind, sender, thread = self._clock(), cast(Kind, delivery.kind), delivery.sender, delivery.conversation
        preferences, follows = delivery.preferences, delivery.follows
        wishes = decide_message(preferences, kind, sender, thread, follows, now, self._offset_at)
        wanted = wishes.email if delivery.provider == "email" else wishes.push
        return max(0, wishes.not_before - now) if wanted else None
