"""Which endpoints of web pushes may be asked: whoever registers one must not make this server talk to its own network.

An endpoint is looked at when it is saved and when it is sent to. The connection then goes to the very addresses that
were looked at: a name that means another address a moment later changes nothing.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

Address = IPv4Address | IPv6Address
Lookup = Callable[[str], Awaitable[Sequence[str]]]

LOOKUP_S = 3.0
LOOKUPS = 8
"""Names that are looked up at once. They have threads of their own: a slow name server holds up only these."""

_GLOBAL = IPv6Network("2000::/3")
_NOT_GLOBAL = tuple(
    IPv6Network(network)
    # Protocol assignments with Teredo, documentation twice, and 6to4, which has an IPv4 address within.
    for network in ("2001::/23", "2001:db8::/32", "3fff::/20", "2002::/16")
)
_SPECIAL = tuple(
    IPv4Network(network)
    # IANA's registry of special purposes (RFC 6890), whole: what Python calls global differs between its releases.
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)


class Unwanted(Exception):
    """This endpoint must not be asked; the message says why."""


def is_public(address: Address) -> bool:
    """Whether the address is of the public internet, and of no other address in disguise (mapped, NAT64, 6to4)."""
    if isinstance(address, IPv6Address):
        return address in _GLOBAL and not any(address in network for network in _NOT_GLOBAL)
    return not any(address in network for network in _SPECIAL)


def system_lookup() -> Lookup:
    """The system's own way to find a host's addresses."""
    threads = ThreadPoolExecutor(LOOKUPS, "lookup")

    async def lookup(host: str) -> Sequence[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(threads, socket.getaddrinfo, host, 443, 0, socket.SOCK_STREAM)
        return [str(place[0]) for *_, place in found]

    return lookup


class EndpointRules:
    """`allows` judges an address, `ports` may be asked (None: any); tests, whose servers are local, have others."""

    def __init__(
        self,
        lookup: Lookup,
        allows: Callable[[Address], bool] = is_public,
        ports: frozenset[int] | None = frozenset((443,)),
    ) -> None:
        self._lookup = lookup
        self._allows = allows
        self._ports = ports

    def parse(self, text: str) -> URL:
        """The endpoint as it will be asked, its host in ASCII (IDNA). Raises Unwanted."""
        if not text.isprintable() or any(character in text for character in " \\"):
            raise Unwanted("it has characters that no URL has")
        try:
            url = URL(text)
            host, port = url.raw_host or "", url.port
        except ValueError:
            raise Unwanted("it is no URL") from None
        if url.scheme != "https":
            raise Unwanted("it is not https")
        if url.raw_user is not None or url.raw_password is not None:
            raise Unwanted("it has a user name or a password")
        if url.raw_fragment:
            raise Unwanted("it has a fragment")
        if self._ports is not None and port not in self._ports:
            raise Unwanted("its port is not 443")
        if not _is_name(host):
            raise Unwanted("its host is no full domain name")
        return url

    async def check(self, text: str) -> URL:
        """The same, and its host has public addresses only. Raises Unwanted; TimeoutError and OSError without an
        answer."""
        url = self.parse(text)
        await self.addresses(str(url.raw_host))
        return url

    async def addresses(self, host: str) -> Sequence[str]:
        """All addresses of a host, every one of them allowed. Raises as `check`."""
        async with asyncio.timeout(LOOKUP_S):
            found = await self._lookup(host)
        for text in found:
            # A zone has no meaning on the internet.
            if "%" in text or not self._allows(ip_address(text)):
                raise Unwanted("its host is not on the public internet")
        return found


class CheckedResolver(AbstractResolver):
    """Gives a connector the addresses that the rules allow, and no others."""

    def __init__(self, rules: EndpointRules) -> None:
        self._rules = rules

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in await self._rules.addresses(host)
        ]

    async def close(self) -> None:
        """It holds nothing."""


def _is_name(host: str) -> bool:
    """Labels with at least one dot, the last one not a number: so no spelling of an address is taken for a name."""
    labels = host.split(".")
    shaped = all(0 < len(label) <= 63 and label.replace("-", "a").replace("_", "a").isalnum() for label in labels)
    last = labels[-1]
    return shaped and host.isascii() and len(labels) > 1 and len(host) <= 253 and not last[0].isdigit()
