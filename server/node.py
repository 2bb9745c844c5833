"""One node as a process: `python -m server.node --config FILE [--number I]`.

Prints `ready` on stdout when it serves. Ends on SIGTERM or SIGINT, or when its parent is gone (its stdin
ends), by draining, and with status 2 and one sentence on stderr when a setting is wrong.
"""

import asyncio
import os
import secrets
import signal
import sys
from pathlib import Path

import click
import uvloop

from config.settings import SettingError, Settings, load
from persistence.durability import DurabilityError
from persistence.nodes.contract import Life
from server.composition import Parts
from server.descriptors import allow_as_many
from server.life import Node
from server.observe import start_logging
from server.pools import connected


class Process:
    """From settings to the end: one life of the node, and another one whenever its lease was lost.

    `stop` ends whichever life there is, and has no other follow.
    """

    def __init__(self, settings: Settings, number: int) -> None:
        self._settings = settings
        self._number = number
        self._node: Node | None = None
        self._stopping = False
        self._told = False

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for stopping in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stopping, self.stop)
        if self._number:
            loop.add_reader(sys.stdin.fileno(), self._hear_parent)
        lost = True
        while lost and not self._stopping:
            life = joining(self._settings, self._number)
            async with connected(self._settings, life.incarnation) as pools:
                self._node = Node(Parts(self._settings, pools, life, self._number))
                if self._stopping:
                    self._node.stop()
                lost = not await self._node.serve(self._ready)

    def stop(self) -> None:
        self._stopping = True
        if self._node:
            self._node.stop()

    def _ready(self) -> None:
        if not self._told:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
        self._told = True

    def _hear_parent(self) -> None:
        """What it writes has no other meaning than that the membership has changed; at its end it is gone."""
        if not os.read(sys.stdin.fileno(), 4_096):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self.stop()
        elif self._node:
            self._node.hasten()


def joining(settings: Settings, number: int) -> Life:
    """A new life of the node of that number."""
    node = settings.node
    address = str(node.address_of(number))
    return Life(secrets.token_hex(8), address, str(node.url_of(number)), address, str(node.private))


@click.command()
@click.option("--config", type=click.Path(path_type=Path), default=None)
@click.option("--listen", default=None, help="The address that it shares, whatever the settings say.")
@click.option("--number", type=int, default=0, help="This node's number, from 1, when a supervisor runs it.")
def main(config: Path | None, listen: str | None, number: int) -> None:
    """Run one node."""
    status = 0
    try:
        said: dict[str, object] = {} if listen is None else {"node.listen": listen}
        settings = load(config, os.environ, said)
        if number:
            settings = load(config, os.environ, said | {"node.private": settings.node.private_of(number)})
        start_logging(settings.log.level)
        allow_as_many(settings.gateway)
        uvloop.run(Process(settings, number).run())
    except* (SettingError, DurabilityError) as faults:
        click.echo(str(faults.exceptions[0]), err=True)
        status = 2
    sys.exit(status)


if __name__ == "__main__":
    main()
