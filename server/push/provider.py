"""What a provider is, and what may become of one attempt to have it show something on a device."""

import time
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Protocol, Self

from msgspec import Struct

from persistence.push.contract import Delivery, ProviderName
from protocol.pushes import Content

LONGEST_WAIT_S = 3_600.0
"""More than that no provider has us wait, whatever its Retry-After says."""


class Sent(Struct, frozen=True):
    """The provider has it."""


class Retry(Struct, frozen=True):
    """Later it may succeed: after `after_s` if that is told. An `outage` is the provider's, not this delivery's."""

    error: str
    after_s: float | None = None
    outage: bool = True


class Gone(Struct, frozen=True):
    """The device is not reached by this target any more; since when, in milliseconds, if that is told."""

    error: str
    since_ms: int | None = None


class Misconfigured(Struct, frozen=True):
    """The provider takes nothing from us until an operator acts."""

    error: str


class Refused(Struct, frozen=True):
    """This one will never be taken; others may."""

    error: str


Outcome = Sent | Retry | Gone | Misconfigured | Refused


class Provider(Protocol):
    """Holds connections from `async with` on. `send` raises nothing that it expects."""

    @property
    def name(self) -> ProviderName: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def service(self, delivery: Delivery) -> str:
        """Who fails together: the host of a web push, empty where there is one for all."""

    async def send(self, delivery: Delivery, content: Content) -> Outcome:
        """Have it shown, in place of what was shown under the same `collapse`."""


def retry_after_s(text: str | None) -> float | None:
    """Retry-After (RFC 9110 §10.2.3), seconds or a date, in bounds; None if it says nothing."""
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST_WAIT_S)
    try:
        wait = parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return min(max(wait, 0.0), LONGEST_WAIT_S)


def about(delivery: Delivery) -> dict[str, str]:
    """What the app is told beside the text: what to open, and for which of its accounts."""
    told = {
        "user": delivery.user,
        "kind": delivery.kind,
        "conversation": delivery.conversation,
        "c": delivery.c,
        "notification": delivery.notification,
    }
    return {name: str(value) for name, value in told.items() if value is not None}
