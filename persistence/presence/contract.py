"""What is kept of presence: how users stand, and who may see it. Each with its memory twin, and one suite for both."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from msgspec import Struct

from protocol.ids import ConversationId, Millis, UserId

LEASE_MS = 6_000
"""How long what a node wrote counts for the others after it was last heard."""
KEPT_S = 30 * 86_400
"""How long a record is kept that nobody writes again."""


class Record(Struct, frozen=True, gc=False, array_like=True):
    """How a user stood when the node of that incarnation wrote it.

    `at`: while online, when it was written; else when the user was last active, 0 when that is not known.
    """

    node: str
    state: Literal["online", "idle", "offline"]
    at: Millis
    conversation: ConversationId | None = None


class News(Struct, frozen=True, gc=False, array_like=True):
    """What a node tells all others at once. `number` goes up by one with each that tells something.

    One that tells nothing bears the number of the last. `related`: what these two may see of each other has changed,
    or of anybody, where the second is None. `again`: the sender has written everything again.
    """

    sender: str
    number: int
    records: tuple[tuple[UserId, Record], ...] = ()
    related: tuple[tuple[UserId, UserId | None], ...] = ()
    again: bool = False


class PresenceStore(Protocol):
    """Everything raises `UnavailableError` when there is no answer within 200 ms."""

    async def write(self, records: Mapping[UserId, Record], news: News | None = None) -> None:
        """Keep these in place of what is kept, and tell the news."""

    async def read(self, users: Sequence[UserId]) -> list[Record | None]:
        """What is kept of each."""

    async def hold(self, node: str) -> None:
        """From now on this node's lease counts, for `LEASE_MS`: everything that it had to write is written."""

    async def renew(self, node: str, news: News, nodes: Sequence[str]) -> tuple[bool, set[str]]:
        """Whether this node's lease was there still, and whose of `nodes` are. Tells the news."""

    def listening(self) -> AbstractAsyncContextManager[AsyncIterator[News]]:
        """All news from the moment on in which it is entered; ends by raising `UnavailableError`."""


class Sight(Struct, frozen=True, gc=False):
    """`seen`: one may see how the other stands; `viewing`: also that they look at that conversation of theirs."""

    seen: bool
    viewing: bool


class Looking(Struct, frozen=True, gc=False):
    """Somebody, and others whom they may or may not see; for each a conversation that one of both has on screen."""

    user: UserId
    others: Mapping[UserId, ConversationId | None]


class SightStore(Protocol):
    """Who may see whom, which is always mutual. Everything raises `UnavailableError`."""

    async def sights(self, looking: Collection[Looking]) -> dict[UserId, dict[UserId, Sight]]:
        """For each who looks, what they may see of each of the others. It does the same work whatever that is."""

    async def is_visible(self, user: UserId) -> bool:
        """What they have set; True for who does not exist."""

    async def set_visible(self, user: UserId, visible: bool) -> None:
        """Whether anybody may see them."""

    async def changed(self, within_ms: int) -> list[tuple[UserId, UserId | None]]:
        """Who has blocked whom lately, and who has shown or hidden themselves: then the second is None."""
