"""The graph at a terminal: `tidings chat` follows, blocks and answers requests by name."""

from collections.abc import Awaitable, Callable, Mapping

from server.chat.directory import Directory
from tidings_client import Graph, Relation

HELP = """\
/follow NAME        follow somebody, or ask to; /unfollow NAME ends it
/follow-requests    who asks to follow you; /approve NAME, /reject NAME
/private            who wants to follow you has to ask; /public: nobody has to
/block NAME         be nobody to somebody; /unblock NAME ends it"""


class Relations:
    """One person's side of the graph. `say` prints a line; all raise what `Graph` raises."""

    def __init__(self, graph: Graph, directory: Directory, say: Callable[[str], None]) -> None:
        self._graph = graph
        self._directory = directory
        self._say = say
        self._deeds: Mapping[str, Callable[[str], Awaitable[Relation]]] = {
            "/follow": graph.follow,
            "/unfollow": graph.unfollow,
            "/approve": graph.accept,
            "/reject": graph.decline,
            "/block": lambda user: graph.decide("block", user),
            "/unblock": lambda user: graph.decide("block", user, on=False),
        }

    async def line(self, word: str, name: str) -> bool:
        """Do what a line says whose first word and rest these are; False if it is about something else."""
        if word in self._deeds:
            await self._do(word, name)
        elif word in ("/private", "/public"):
            await self._graph.set_private(word == "/private")
            self._say("who wants to follow you has to ask" if word == "/private" else "anybody may follow you")
        elif word == "/follow-requests":
            await self._requests()
        else:
            return False
        return True

    async def _do(self, word: str, name: str) -> None:
        user = await self._directory.user(name) if name else None
        if user is None:
            self._say(f"! there is no {name!r} here" if name else "! name somebody")
            return
        self._say(f"{name}: {told(await self._deeds[word](user))}")

    async def _requests(self) -> None:
        page = await self._graph.people("follow-requests")
        for person in page.items:
            self._say(f"{person.username} asks to follow you")
        if page.next is not None:
            self._say("… and more")
        if not page.items:
            self._say("nobody asks to follow you")


def told(relation: Relation) -> str:
    """Where one stands with somebody, in words."""
    if relation.blocked:
        return "blocked"
    mine = {"following": "you follow them", "requested": "you have asked to follow them"}
    theirs = {"following": "they follow you", "requested": "they ask to follow you"}
    known = [mine.get(relation.state), theirs.get(relation.reverse)]
    return ", ".join(part for part in known if part) or "you do not follow each other"
