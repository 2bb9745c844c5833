"""Two people who are at home on different nodes, and both nodes' own addresses."""

import os
from pathlib import Path
from typing import Any

from tests.cluster.looking import apart, figures, home_of
from tests.server.running import Installation
from tests.server.wire import Map, Wire
from tests.until import until

Person = dict[str, Any]


class Homes:
    """`ada` is at home on node 1, `ben` on node 2."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.ada, self.ben = apart(installation)
        self._others: list[Person] = []

    def person(self, node: int) -> Person:
        """Somebody new who is at home on that node."""
        name = f"127.0.0.1:{self.port(node)}"
        while True:
            self._others = self._others or self.installation.mint(16, "other")
            person = self._others.pop()
            if home_of(self.installation, person) == name:
                return person

    def port(self, node: int) -> int:
        """Where that node alone accepts sockets, and HTTP."""
        return self.installation.port + node

    def url(self, node: int) -> str:
        return f"ws://127.0.0.1:{self.port(node)}/v1/socket"

    def figure(self, node: int, name: str) -> float:
        return figures(f"http://127.0.0.1:{self.port(node) + 100}").get(name, 0.0)

    def resident(self, node: int) -> int:
        """Bytes of memory that the node has now."""
        pages = Path(f"/proc/{self.installation.node_pid(node)}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    async def settle(self) -> None:
        """Return when both nodes are there and both people are at home again where they were at first."""
        await until(lambda: self.figure(1, "tidings_nodes") == self.figure(2, "tidings_nodes") == 2, blocks=True)
        names = [f"127.0.0.1:{self.port(node)}" for node in (1, 2)]
        await until(
            lambda: [home_of(self.installation, person) for person in (self.ada, self.ben)] == names, blocks=True
        )


async def stays(wire: Wire) -> None:
    """The socket is as good as ever."""
    assert wire.socket.close_code is None
    assert "ok" in await wire.ask("conversation.list", folder="inbox")


def position(welcome: Map) -> Map:
    """What a later hello resumes from."""
    return {"epoch": welcome["epoch"], "u": welcome["u"]}
