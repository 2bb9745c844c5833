"""What is kept of the graph: who follows, blocks, mutes, restricts whom. One suite judges both twins."""

from typing import Literal, Protocol

from protocol.graph import People, Relation, Suggested
from protocol.ids import ConversationId, UserId
from protocol.people import Profile

Kind = Literal["block", "mute", "restrict", "close_friend"]
"""What one person decides alone about another."""

Deed = Literal[
    "follow",
    "unfollow",
    "accept",
    "decline",
    "remove",
    "block",
    "unblock",
    "mute",
    "unmute",
    "restrict",
    "unrestrict",
    "befriend",
    "unfriend",
]
"""What somebody does to somebody else. `accept` and `decline` answer the other's request, `remove` ends their
following; `befriend` and `unfriend` are about my list of close friends."""

Names = Literal["followers", "following", "requests", "block", "mute", "restrict", "close_friend"]
"""My lists: `requests` are those that wait for me."""

Others = Literal["followers", "following"]
"""Lists of anybody's."""

GraphRefusal = Literal["absent", "blocked", "no request", "full"]
"""Why a deed is not done. `absent`: no such person, or one who blocks me. `blocked`: I block them. `no request`: none
of theirs waits. `full`: the list that would grow has as many as there may be."""

LIMITS: dict[Names, int] = {
    "following": 7_500,
    "block": 10_000,
    "mute": 10_000,
    "restrict": 10_000,
    "close_friend": 10_000,
}
"""How many one person may have; `following` counts the requests that wait with it."""


class GraphStore(Protocol):
    """Every method raises `UnavailableError`; two people are never the same one."""

    async def change(self, me: UserId, them: UserId, deed: Deed) -> Relation | GraphRefusal:
        """Do it, and write its activities (`protocol.activity`) with it; a repeat changes and writes nothing.

        Deeds between two people happen one after the other. Blocking ends what the two follow and asked, and takes
        them off each other's close friends; that and unblocking raise the fence of their 1:1 conversation, whose
        actor so reloads before it commits anything more.
        """

    async def fence(self, me: UserId, them: UserId) -> list[ConversationId]:
        """Raise the fences of all conversations that both are in, once a block between them has come or gone: who
        writes there reloads. Also what was opened while that was decided has then heard of it."""

    async def relation(self, me: UserId, them: UserId) -> Relation | None:
        """Where I stand with them. None: no such person, or one who blocks me."""

    async def page(self, me: UserId, names: Names, before: str | None, limit: int) -> People:
        """People on a list of mine, the newest first, without those who block me. Raises ValueError: no cursor."""

    async def others(
        self, viewer: UserId, user: UserId, names: Others, before: str | None, limit: int
    ) -> People | None:
        """A list of somebody's as `viewer` may see it, without those who block or are blocked. None: `user` is nobody
        for them, or shows it only to who follows. Raises ValueError: no cursor."""

    async def suggestions(self, me: UserId, limit: int) -> list[Suggested]:
        """Whom those follow whom I follow, and I do not, the most common first: from the VIA newest of mine and the
        VIA newest of each of theirs."""

    async def profile(self, viewer: UserId, id: UserId) -> Profile | None:
        """Somebody as `viewer` sees them. None: no such person, or one who blocks the viewer."""

    async def profile_named(self, viewer: UserId, username: str) -> Profile | None:
        """The same by username, in whatever case it is written."""

    async def set_private(self, me: UserId, private: bool) -> tuple[UserId, ...]:
        """Set whether I have to be asked. Who is no more private accepts all requests: of these people, as many as
        ACCEPTED_AT_ONCE in one call, after which others may wait still: say it again.
        """


VIA = 50
"""How many people, and how many of each, suggestions are looked for among."""
ACCEPTED_AT_ONCE = 500
"""How many waiting requests one transaction accepts when somebody is no more private."""
