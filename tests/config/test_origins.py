"""Where the node's own pages come from, by its settings."""

import pytest

from config.origins import own_origins, socket_source
from config.sections import Node
from config.values import Address, SocketUrl


def node(listen: str, url: str = "") -> Node:
    return Node(listen=Address(listen), url=SocketUrl(url))


def test_a_node_on_loopback_has_pages_under_all_its_names_on_its_ports() -> None:
    origins = own_origins(node("127.0.0.1:8080"), 2)
    names = ("127.0.0.1", "[::1]", "localhost")
    assert {f"http://{name}:{port}" for name in names for port in (8080, 8082)} <= origins
    assert "http://localhost:8081" not in origins
    assert "http://localhost" not in origins


def test_behind_a_proxy_the_host_of_the_nodes_url_is_ours() -> None:
    behind = node("10.0.0.4:8080", "wss://chat.example.com/{port}/v1/socket")
    assert "https://chat.example.com" in own_origins(behind, 1)
    assert socket_source(behind, 1) == "wss://chat.example.com"
    ported = node("0.0.0.0:8080", "ws://box.lan:{port}/v1/socket")
    assert {"http://box.lan:8080", "http://box.lan:8081"} <= own_origins(ported, 1)
    assert socket_source(ported, 1) == "ws://box.lan:*"


def test_usual_ports_are_left_out_as_browsers_do() -> None:
    assert "http://10.0.0.4" in own_origins(node("10.0.0.4:80"), 0)


@pytest.mark.parametrize("listen", ["[::1]:8080", "[fd00::7]:8080"])
def test_numbers_of_version_six_stand_in_brackets(listen: str) -> None:
    assert f"http://{listen}" in own_origins(node(listen), 1)
    assert socket_source(node(listen), 1) == f"ws://{listen.rpartition(':')[0]}:*"
