"""Deliveries as a provider's adapter gets them."""

import itertools
import time

import msgspec

from persistence.push.contract import Delivery
from persistence.push.devices import Target
from protocol.ids import ConversationId, DeviceId, Millis, UserId
from protocol.pushes import Content

HELLO = Content("Ada", "hello", "New message", 3, True)
PHONE = Target("apns", "ab" * 32)
HOUR_MS = 3_600_000

_numbers = itertools.count(1)


def clock() -> Millis:
    return Millis(time.time_ns() // 1_000_000)


def a_delivery(target: Target | None = PHONE, **more: object) -> Delivery:
    fields: dict[str, object] = {
        "id": next(_numbers),
        "claim": 1,
        "provider": target.platform if target else "email",
        "user": UserId("7"),
        "key": "k",
        "kind": "message",
        "collapse": "m:5",
        "body": msgspec.msgpack.encode(HELLO),
        "plain": False,
        "attempts": 1,
        "age_ms": 20,
        "left_ms": HOUR_MS,
        "conversation": ConversationId("5"),
        "c": 9,
        "device": DeviceId("3") if target else None,
        "target": target,
        "registered": 1 if target else 0,
        "email": "" if target else "ada@example.com",
    }
    return Delivery(**(fields | more))  # type: ignore[arg-type]
