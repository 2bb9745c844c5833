"""What has to hold before anything is started: the settings of a start fit together, and its ports are free."""

import os
import socket
from pathlib import Path

from msgspec.structs import replace

from config.catalogue import SETTINGS
from config.sections import Node
from config.settings import REQUIRED, SettingError, Settings, load
from config.values import PORT, Address
from server.embedded import EmbeddedNats

MOST_NODES = 50
"""Of one supervisor: node I takes the ports I and 100 + I above the shared one."""
NATS_ABOVE = 99
HIGHEST_PORT = 65_000
EVERYWHERE = ("0.0.0.0", "::")


def load_for(
    data: Path | None, config: Path | None, overrides: dict[str, object], nodes: int, port: int | None = None
) -> Settings:
    """The settings of a start; embedded services bring some along, which are filled in later. Raises SettingError.

    `port` takes the place of the one that `node.listen` names, on the same host.
    """
    settings = load(config, os.environ, overrides, required=() if data else REQUIRED)
    if port is not None:
        settings = replace(settings, node=replace(settings.node, listen=settings.node.listen.at(port)))
    if data and (settings.postgres.url or settings.tokens.keys):
        name = "postgres.url" if settings.postgres.url else "tokens.keys"
        raise SettingError(f"{SETTINGS[name]} is set, but --embedded brings its own: leave out one of the two.")
    if not 0 < settings.node.listen.port <= HIGHEST_PORT:
        raise SettingError(
            f"{SETTINGS['node.listen']} is {settings.node.listen}: choose a port from 1 to {HIGHEST_PORT}, "
            "since a node takes some above it too."
        )
    _check_reachable(settings.node, nodes, alone=nodes == 1 and data is not None)
    return settings


def _check_reachable(node: Node, nodes: int, *, alone: bool) -> None:
    """Clients are sent to one of the nodes, which are told apart by where the others reach them, on this machine and on
    others; `alone`: there are none."""
    for name, value in (("node.url", node.url), ("node.address", node.address)):
        if nodes > 1 and value and PORT not in value:
            raise SettingError(
                f"{SETTINGS[name]} is {value}, which only one node can have: write {PORT} where the port of each one's "
                "own belongs, or leave out --nodes."
            )
        if node.listen.host in EVERYWHERE and not value and not (alone and name == "node.address"):
            raise SettingError(
                f"{SETTINGS[name]} is not set, and {SETTINGS['node.listen']} is {node.listen}, which leads nowhere: "
                "set it, or listen on the address of this machine."
            )


def check_free(settings: Settings, nodes: int, nats: EmbeddedNats | None) -> None:
    """Nodes share their port, so a foreign listener would go unnoticed. Raises SettingError when there is one."""
    node = settings.node
    numbers = range(1, nodes + 1)
    addresses = [node.listen, *(node.listen.at(node.own_port(number)) for number in numbers)]
    addresses += [node.private_of(number) for number in numbers]
    # What an earlier supervisor left there is taken down when NATS starts.
    if nats and not nats.residents():
        addresses.append(Address(f"127.0.0.1:{nats.port}"))
    for address in addresses:
        _check_free(address)


def _check_free(address: Address) -> None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as fault:
            reason = fault.strerror or str(fault)
            raise SettingError(
                f"{address} cannot be listened on ({reason}): choose another --port, or another address in "
                "node.listen (TIDINGS_NODE__LISTEN) or node.private (TIDINGS_NODE__PRIVATE)."
            ) from fault
