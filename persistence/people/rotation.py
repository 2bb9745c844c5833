"""When a refresh token is exchanged, when the answer is repeated, and when it betrays a thief (RFC 9700 §4.14.2).

A login has one family; each exchange replaces its secret. Whoever shows the family with any secret but the current
one holds an old token: the client and somebody else both had it, so the login ends. One case looks the same and is
innocent: the answer to an exchange was lost, or two tabs of one client exchanged at the same moment. For GRACE_MS
after an exchange the token just replaced therefore gets the *same* successor again, never a second one: whichever
answer arrives last, all copies of the client hold the one current token. A thief who comes within that time shares
the client's token, and is found out at the next exchange, when only one of the two can be first.

GRACE_MS covers one request without a reply (10 s, docs/protocol.md §2) and its retry. A client that sat on a lost
answer for longer has to sign in again: the price of detection.
"""

from typing import Literal

from msgspec import Struct

GRACE_MS = 20_000


class Family(Struct, frozen=True, gc=False):
    """Of a login, as its row tells it: digests of secrets. `previous` is empty before the first exchange, and was
    replaced `idle_ms` ago."""

    secret: bytes
    previous: bytes
    idle_ms: int
    revoked: bool


def judge(family: Family, secret: bytes, idle_limit_ms: int) -> Literal["rotate", "repeat", "reuse", "refuse"]:
    """What becomes of a login whose family was shown with this secret's digest."""
    if family.revoked or family.idle_ms > idle_limit_ms:
        return "refuse"
    if secret == family.secret:
        return "rotate"
    if secret == family.previous and family.idle_ms <= GRACE_MS:
        return "repeat"
    return "reuse"
