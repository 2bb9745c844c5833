"""Ids: 41 bits of milliseconds since 2025-01-01, 13 bits of logical shard, 10 bits of sequence, as decimal strings.

The scheme is Instagram's own ("Sharding & IDs at Instagram", 2012): an id alone tells when a thing was made and which
of 8,192 logical shards holds it. Ids are drawn in Postgres by `next_id(shard)`; here they are only read.
"""

from typing import NewType

from msgspec import Meta

UserId = NewType("UserId", str)
LoginId = NewType("LoginId", str)
ConversationId = NewType("ConversationId", str)
DeviceId = NewType("DeviceId", str)
Millis = NewType("Millis", int)

EPOCH = 1_735_689_600_000
SHARDS = 8_192

# `$` alone would let a trailing newline through, and two spellings of one id would be two ids.
ID = Meta(pattern=r"^(?:[1-9][0-9]{0,17}|[1-8][0-9]{18})$(?!\n)", description="an id: a positive 63-bit integer")
CID = Meta(
    min_length=1,
    max_length=64,
    pattern=r"^[^\u0000]*$(?!\n)",
    description="names one request for ever: random, at least 96 bits, chosen by the client",
)


def shard_of(id: UserId | ConversationId | LoginId) -> int:
    """The logical shard, 0…8191, of the thing that `id` names."""
    return int(id) >> 10 & SHARDS - 1
