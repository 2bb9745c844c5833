"""Which nodes there are, who hosts what by which version, and how long each may go on unheard."""

from typing import Protocol

from msgspec import Struct

from protocol.ids import Millis

LEASE_MS = 3_000
"""How long a node counts as alive after it was last heard."""
RENEW_MS = 1_000
"""How often it says that it is."""
RECENT_MS = 60_000
"""How long a life that is over is remembered: longer than anything that it had running."""
OUTAGE_MS = 1_500
"""When nobody renewed for so long, it was the database that was away, and every lease begins anew."""


class Life(Struct, frozen=True, gc=False):
    """One life of a node. `incarnation` is drawn for each; `name` outlives them and decides which shards it hosts.

    `url` is what clients are sent to, `address` where other nodes reach its sockets, `private` its health and metrics;
    the latter two as host:port.
    """

    incarnation: str
    name: str
    url: str
    address: str
    private: str


class Member(Struct, frozen=True, gc=False):
    """A node that holds a lease; `confirmed` is the last version that it said it acts by."""

    node: Life
    confirmed: int


class Ended(Struct, frozen=True, gc=False):
    """A life that is over; `at` is when its lease ended. What it had running in the database may go on for a while."""

    incarnation: str
    at: Millis


class View(Struct, frozen=True, gc=False):
    """Who is there, ordered by name, and whose lease has ended within `RECENT_MS`.

    Times are milliseconds since 1970 by the database's clock.

    Whatever is stored from now on has a `stored_at` of `settled` or later: the start of the oldest transaction of ours
    that runs, or else the moment of this look.
    """

    version: int
    members: tuple[Member, ...]
    settled: Millis
    ended: tuple[Ended, ...]

    @property
    def agreed(self) -> bool:
        """Every member acts by this version."""
        return all(member.confirmed == self.version for member in self.members)


class NodeStore(Protocol):
    """Every method raises `UnavailableError`."""

    async def join(self, node: Life) -> View:
        """Take up a lease and raise the version. An earlier life under the same name ends with that.

        To be called once in a life: who does not know whether it has joined begins another one.
        """

    async def renew(self, incarnation: str, confirmed: int) -> View | None:
        """Go on for another lease, acting by the version `confirmed`; None when the lease is gone.

        Whose lease has run out is removed, and the version raised: not within a lease after an outage of the database,
        in which nobody could renew. While nobody removed it, a lease that has run out can be renewed.
        """

    async def leave(self, incarnation: str) -> None:
        """Give the lease up, raising the version; without effect when it is gone."""

    async def remove(self, name: str) -> None:
        """End the lease of whoever goes by this name: its supervisor saw it die."""

    async def look(self) -> View:
        """Who is there now; changes nothing."""

    async def cut_off(self, incarnation: str) -> None:
        """End what a life that lost its lease has running in the database: nothing of that commits any more.

        Raises `UnavailableError` also while something does not end. A life that goes on can connect anew.
        """
