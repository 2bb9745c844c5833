"""Where the pages come from that a node serves itself, and where such a page may open its socket."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from config.sections import Node

_LOOPBACK: Final = ("127.0.0.1", "[::1]", "localhost")
_USUAL: Final = {"http": 80, "https": 443}


def own_origins(node: Node, number: int) -> frozenset[str]:
    """The origins under which a browser has the pages of the node of that number, as its settings name it.

    They are added to `gateway.origins`: a page that all nodes serve is sent on to its home's own port, which is another
    origin. Whatever else reaches a node, such as a name of which only the proxy in front knows, has to be listed there.
    """
    ports = {node.listen.port, node.own_port(number)}
    url = urlsplit(str(node.url_of(number)))
    origins = {
        _origin("http", name, port) for name in {*_names(node.listen.host), url.hostname or ""} for port in ports
    }
    scheme = {"ws": "http", "wss": "https"}[url.scheme]
    return frozenset(origins | {_origin(scheme, url.hostname or "", url.port or _USUAL[scheme])})


def socket_source(node: Node, number: int) -> str:
    """Where the sockets of all nodes are, as a source of Content-Security-Policy: any port, if they have their own."""
    url = urlsplit(str(node.url_of(number)))
    return f"{url.scheme}://{_bracketed(url.hostname or '')}" + (":*" if url.port else "")


def _names(host: str) -> tuple[str, ...]:
    try:
        address = ip_address(host)
    except ValueError:
        return _LOOPBACK if host == "localhost" else (host.lower(),)
    if address.is_unspecified:
        return ()
    return _LOOPBACK if address.is_loopback else (host,)


def _origin(scheme: str, name: str, port: int) -> str:
    return f"{scheme}://{_bracketed(name)}" + ("" if port == _USUAL[scheme] else f":{port}")


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name and not name.startswith("[") else name
