"""Placement: which node hosts which logical shard, by rendezvous hashing over the nodes that are there.

Every node computes the same table from the same members: each shard goes to the node whose name hashes highest with it
(Thaler and Ravishankar, "A Name-Based Mapping Scheme for Rendezvous", 1996). So a node that comes or goes moves its own
share and nothing else, and one that comes back under its name gets its shards back.
"""

from collections.abc import Mapping
from functools import lru_cache

from xxhash import xxh3_64_intdigest

from protocol.ids import SHARDS


class Placement:
    """The table of one version. `nodes` are incarnations and the names that decide what each hosts; not empty."""

    __slots__ = ("_lives", "_names", "_table", "alone", "nodes", "version")

    def __init__(self, version: int, nodes: Mapping[str, str]) -> None:
        self.version = version
        self.nodes = dict(nodes)
        self.alone = len(nodes) == 1
        lives = sorted((name, incarnation) for incarnation, name in nodes.items())
        self._names = tuple(name for name, _ in lives)
        self._lives = tuple(incarnation for _, incarnation in lives)
        self._table = _table(self._names)

    def node_of(self, id: str) -> str:
        """The incarnation that hosts the actor that this id names."""
        return self._lives[self._table[int(id) >> 10 & SHARDS - 1]]

    def count(self, node: str) -> int:
        """How many shards an incarnation hosts."""
        return self._table.count(self._lives.index(node))

    def shards(self, node: str) -> bytes:
        """The shards of an incarnation: one bit for each, the lowest of a byte first."""
        return _bits(self._names, self._lives.index(node))


@lru_cache(maxsize=64)
def _table(names: tuple[str, ...]) -> tuple[int, ...]:
    """The place of each shard's host among these names; where two hash alike, the later name has it."""
    first, *others = map(_weights, names)
    highest, table = list(first), [0] * SHARDS
    for place, weights in enumerate(others, 1):
        for shard, weight in enumerate(weights):
            if weight >= highest[shard]:
                highest[shard], table[shard] = weight, place
    return tuple(table)


@lru_cache(maxsize=64)
def _bits(names: tuple[str, ...], place: int) -> bytes:
    bits = bytearray(SHARDS // 8)
    for shard, host in enumerate(_table(names)):
        if host == place:
            bits[shard >> 3] |= 1 << (shard & 7)
    return bytes(bits)


@lru_cache(maxsize=256)
def _weights(name: str) -> tuple[int, ...]:
    octets = name.encode()
    return tuple(xxh3_64_intdigest(octets, shard) for shard in range(SHARDS))
