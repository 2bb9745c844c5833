"""How the server says no: error codes of a request, closing codes of a connection. Both say whether to retry."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

Code = Literal[
    "bad_request",
    "unknown_op",
    "forbidden",
    "not_found",
    "conflict_state",
    "id_reused",
    "too_large",
    "unauthenticated",
    "out_of_order",
    "rate_limited",
    "unavailable",
    "unknown_outcome",
    "internal",
]

FINAL: frozenset[Code] = frozenset(
    ("bad_request", "unknown_op", "forbidden", "not_found", "conflict_state", "id_reused", "too_large")
)


class Refusal(Struct, frozen=True, gc=False, omit_defaults=True):
    """The `err` of a reply. `retry_ms` is given where a retry at a certain time makes sense."""

    code: Code
    message: str
    retry_ms: int | UnsetType = UNSET


class Close(Struct, frozen=True, gc=False, omit_defaults=True):
    """Ends one connection: the code's band tells an unknown client what to do (docs/protocol.md §8)."""

    status: int
    code: str
    retry_ms: int | UnsetType = UNSET
    url: str | UnsetType = UNSET


DRAINING = Close(4001, "draining")
CONTINUITY_LOST = Close(4010, "continuity_lost")
INTERNAL = Close(4100, "internal")
OVERLOADED = Close(4103, "overloaded")
TOO_SLOW = Close(4108, "too_slow")
NO_ACK = Close(4112, "no_ack")
RATE = Close(4113, "rate")
TOKEN_EXPIRED = Close(4205, "token_expired")
SUPERSEDED = Close(4301, "superseded")
AUTHENTICATION_FAILED = Close(4303, "authentication_failed")
REVOKED = Close(4304, "revoked")
PROTOCOL_ERROR = Close(4307, "protocol_error")


def moved(url: str) -> Close:
    """The home of the user is elsewhere. The reason has room for a URL of 98 bytes (RFC 6455 §5.5)."""
    return Close(4002, "moved", url=url)


NOT_FOUND = Refusal("not_found", "there is no such conversation")
ID_REUSED = Refusal("id_reused", "this cid was used before for another request: take a new one")
UNAVAILABLE = Refusal("unavailable", "the server cannot do this now: try again", 1_000)
UNKNOWN_OUTCOME = Refusal("unknown_outcome", "it is not known whether this was carried out: send it again", 200)
FAILED = Refusal("internal", "the server failed to carry this out: send it again")
