"""What is kept of pushes: jobs, written with their cause, and their deliveries. One suite judges both twins.

    job:       waiting ─► expanded, one delivery for each device ─► cleared, a week after its expiry
                  └─► dropped: it would be shown in vain
    delivery:  waiting ─► claimed ─► sent | gone | dead | waiting again
                  └─► dropped: in vain, or expired before anybody who could send it claimed it

A claim that nobody settles runs out, and another sender has the delivery. So a device may be told twice; `collapse` is
the same both times, and it shows one.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from persistence.push.devices import Target
from protocol.ids import ConversationId, DeviceId, Millis, UserId
from protocol.preferences import DEFAULTS, Preferences
from protocol.pushes import Content

ProviderName = Literal["apns", "fcm", "web", "email"]

Channel = Literal["push", "email"]

ATTEMPTS = 10
"""How often a delivery is tried."""

KEPT_MS = 7 * 86_400_000
"""How long after its expiry a job is kept: so long its key stays taken, and its dead deliveries can be replayed."""


class Push(Struct, frozen=True, kw_only=True):
    """A job. Nothing happens when the user had one with this `key` before.

    It is due `hold_ms` from now and expires `life_ms` from now. With a `conversation` it is dropped when `c` was read,
    with a `notification` when that was seen, with a `sender` when the user wants nothing of them.
    """

    user: UserId
    key: str
    kind: str
    collapse: str
    content: Content
    life_ms: int
    hold_ms: int = 0
    channels: tuple[Channel, ...] = ("push",)
    sender: UserId | None = None
    conversation: ConversationId | None = None
    c: int | None = None
    notification: str | None = None


class Delivery(Struct, frozen=True, kw_only=True):
    """A claimed one. `body` is MessagePack of `Content`; `plain` wants its content not shown.

    `attempts` counts this one. `age_ms` is how long ago the cause was, `left_ms` until the expiry. `target` is None for
    a mail to `email`; `registered` is when its device was, in microseconds. Of a message, `sender` said it;
    `preferences` and whether the user `follows` the sender say whether they still want it.
    """

    id: int
    claim: int
    provider: ProviderName
    user: UserId
    key: str
    kind: str
    collapse: str
    body: bytes
    plain: bool
    attempts: int
    age_ms: int
    left_ms: int
    conversation: ConversationId | None = None
    c: int | None = None
    notification: str | None = None
    device: DeviceId | None = None
    target: Target | None = None
    registered: int = 0
    email: str = ""
    sender: UserId | None = None
    preferences: Preferences = DEFAULTS
    follows: bool = False


class Settled(Struct, frozen=True, kw_only=True):
    """What became of a claimed delivery. It is void when the claim has run out and somebody else has it.

    `waiting` is due again in `wait_ms`; unless it `counts`, it was no attempt. `registered`, unless 0, removes the
    device if that is still its registration.
    """

    id: int
    claim: int
    state: Literal["sent", "gone", "dead", "dropped", "waiting"]
    error: str | None = None
    wait_ms: int = 0
    counts: bool = True
    registered: int = 0


class Listed(Struct, frozen=True, kw_only=True):
    """A delivery as an operator sees it: no content and no token. `due_at` of a dead one is when it died."""

    id: int
    user: UserId
    provider: ProviderName
    kind: str
    attempts: int
    at: Millis
    due_at: Millis
    error: str | None


class PushStore(Protocol):
    """Every method raises `UnavailableError`. Whatever a method drops it counts by reason."""

    async def request(self, pushes: Sequence[Push]) -> None:
        """Write these jobs."""

    async def expand(self, limit: int) -> Mapping[str, int]:
        """Of jobs that are due, make deliveries to all devices, and the mailbox: how many under "expanded"."""

    async def claim(
        self, provider: ProviderName, limit: int, lease_ms: int
    ) -> tuple[list[Delivery], Mapping[str, int]]:
        """Deliveries that are due, for the caller alone until the lease runs out."""

    async def expire(self, limit: int) -> Mapping[ProviderName, int]:
        """End what expired and nobody claims, as no node has its provider: of each the oldest `limit` are looked at.

        How many were ended, by provider.
        """

    async def settle(self, settled: Sequence[Settled]) -> None:
        """Note what became of them."""

    async def listed(self, state: Literal["waiting", "dead"], limit: int) -> list[Listed]:
        """The dead the latest first, the waiting in no order."""

    async def replay(self, ids: Collection[int] | None, limit: int, life_ms: int) -> int:
        """Have dead deliveries, these or the oldest, tried anew for `life_ms` at least; how many there were."""

    async def waiting(self) -> Mapping[str, int]:
        """Jobs under "job" and deliveries by provider that wait; each counted to 100,000."""

    async def clear(self, limit: int) -> int:
        """Remove that many jobs that expired KEPT_MS ago; how many there were."""
