"""Whose request it is, by network address: the unit that limits count for those who are not signed in."""

import ipaddress
from collections.abc import Sequence

from config.values import Network


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The first address, seen from us, that no trusted proxy vouches for.

    `forwarded` are the values of X-Forwarded-For, in which each proxy adds on the right whom it heard from. Nothing
    left of an untrusted or unreadable entry is believed.
    """
    address = peer
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    while hops and _is_trusted(address, trusted):
        hop = hops.pop()
        if not _is_address(hop):
            break
        address = hop
    return address


def limited_unit(address: str) -> str:
    """What one customer of a network holds: an IPv4 address, or an IPv6 network of 64 bits (RFC 6177)."""
    if not _is_address(address):
        return address
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), 64), strict=False))


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    return _is_address(address) and any(network.holds(address) for network in trusted)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
