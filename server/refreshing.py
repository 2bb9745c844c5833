"""Refresh tokens: 128 bits that name a login for its life, then 256 bits that change with every exchange.

Opaque to clients, base64url (RFC 4648 §5). Stored are SHA-256 digests only: of random bits no slower hash is needed.
The successor of a token is also stored sealed under that token, so that a repeated exchange gets the same answer
although nobody keeps the answer (why: `persistence.people.rotation`).
"""

import base64
import binascii
import hashlib
from collections.abc import Callable

from msgspec import Struct

from persistence.people.contract import Refresh, Successor

FAMILY_BYTES = 16
SECRET_BYTES = 32


class RefreshToken(Struct, frozen=True, gc=False):
    """What only the client holds."""

    family: bytes
    secret: bytes

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(self.family + self.secret).decode()

    def __repr__(self) -> str:
        return "RefreshToken(…)"

    @property
    def stored(self) -> Refresh:
        return Refresh(hashlib.sha256(self.family).digest(), hashlib.sha256(self.secret).digest())

    def sealed(self, successor: "RefreshToken") -> Successor:
        """The successor as it is stored, to be opened by this token."""
        return Successor(successor.stored.secret, _mask(self.secret, successor.secret))

    def open(self, sealed: bytes) -> "RefreshToken":
        """The successor that was sealed by this token."""
        return RefreshToken(self.family, _mask(self.secret, sealed))


def new_token(random: Callable[[int], bytes]) -> RefreshToken:
    """The first token of a login, from a cryptographic source of that many bytes."""
    return RefreshToken(random(FAMILY_BYTES), random(SECRET_BYTES))


def parse(text: str) -> RefreshToken | None:
    """The token in a client's text, or None when it is none of ours."""
    try:
        octets = base64.b64decode(text, b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(octets) != FAMILY_BYTES + SECRET_BYTES:
        return None
    return RefreshToken(octets[:FAMILY_BYTES], octets[FAMILY_BYTES:])


def _mask(secret: bytes, octets: bytes) -> bytes:
    # A pad used once: each secret has one successor. The prefix keeps it apart from the digest that is stored.
    pad = hashlib.sha256(b"successor of " + secret).digest()
    return bytes(a ^ b for a, b in zip(pad, octets, strict=True))
