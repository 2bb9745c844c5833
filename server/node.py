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
from server.composition import Node
from server.observe import start_logging
from server.pools import connected


async def run(settings: Settings, number: int) -> None:
    """A node from settings to its end: one life, and another one whenever its lease was lost."""
    loop = asyncio.get_running_loop()
    told = False

    def ready() -> None:
        nonlocal told
        if not told:
            sys.stdout.write("ready\n")
            sys.stdout.flush()
        told = True

    lost = True
    while lost:
        life = joining(settings, number)
        async with connected(settings, life.incarnation) as pools:
            node = Node(settings, pools, life, number)
            for stopping in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(stopping, node.stop)
            if number:
                loop.add_reader(sys.stdin.fileno(), _watch_parent, node)
            lost = not await node.serve(ready)


def joining(settings: Settings, number: int) -> Life:
    """A new life of the node of that number."""
    node = settings.node
    address = str(node.address_of(number))
    return Life(secrets.token_hex(8), address, str(node.url_of(number)), address, str(node.private))


def _watch_parent(node: Node) -> None:
    """What it writes has no other meaning than that the membership has changed."""
    if os.read(sys.stdin.fileno(), 4_096):
        node.cluster.membership.hasten()
    else:
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        node.stop()


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
        uvloop.run(run(settings, number))
    except* (SettingError, DurabilityError) as faults:
        click.echo(str(faults.exceptions[0]), err=True)
        status = 2
    sys.exit(status)


if __name__ == "__main__":
    main()
