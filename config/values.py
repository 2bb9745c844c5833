"""The kinds of value a setting can have beside numbers and words: each parses itself and says what it expects.

Every class takes the raw text and raises ValueError when it is not one of its kind; `expects` completes the sentence
"set it to …". Values that are secret show nothing of themselves in `repr`.
"""

import base64
import binascii
import ipaddress
import re
from typing import ClassVar, Self
from urllib.parse import urlsplit

KEY_BYTES = 32
"""The shortest signing key: as long as the output of HMAC-SHA-256 (RFC 7518 §3.2)."""


class Value:
    """What the kinds have in common."""

    __slots__ = ()
    expects: ClassVar[str]
    secret: ClassVar[bool] = False


class Address(Value, str):
    """Where to listen: `host:port`, an IPv6 host in brackets. Is the text itself, with its parts parsed."""

    __slots__ = ("host", "port")
    expects: ClassVar[str] = "an address such as 127.0.0.1:8080 or [::1]:8080"

    host: str
    port: int

    def __new__(cls, text: str) -> Self:
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if not colon or not host or (":" in host and not bracketed) or not port.isascii() or not port.isdigit():
            raise ValueError(cls.expects)
        if int(port) > 65535:
            raise ValueError(cls.expects)
        address = super().__new__(cls, text)
        address.host = host[1:-1] if bracketed else host
        address.port = int(port)
        return address

    def at(self, port: int) -> "Address":
        """The same host with another port. Raises ValueError when there is no such port."""
        return Address(f"{self.rpartition(':')[0]}:{port}")


PORT = "{port}"
"""In what several nodes have in common, this stands for the port of each one's own."""


class PeerAddress(Address):
    """How others reach what listens here: `host:port` as in Address, or `host:{port}`; empty while it is not set."""

    __slots__ = ()
    expects: ClassVar[str] = "an address such as 10.0.0.1:8080, or 10.0.0.1:{port}"

    def __new__(cls, text: str) -> Self:
        if text:
            Address(text.replace(PORT, "0"))
        return str.__new__(cls, text)

    def of(self, port: int) -> Address:
        """Where the node with this port of its own is reached. It has to be set."""
        return Address(self.replace(PORT, str(port)))


class Network(Value):
    """A range of addresses in CIDR notation (RFC 4632); a single address is a range of one."""

    __slots__ = ("_range",)
    expects: ClassVar[str] = "an address or a range such as 10.0.0.0/8"

    def __init__(self, text: str) -> None:
        self._range = ipaddress.ip_network(text)

    def holds(self, address: str) -> bool:
        """Whether `address`, an IPv4 or IPv6 address in text, lies in this range."""
        return ipaddress.ip_address(address) in self._range

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and other._range == self._range

    def __hash__(self) -> int:
        return hash(self._range)

    def __str__(self) -> str:
        return str(self._range)

    def __repr__(self) -> str:
        return f"Network({str(self)!r})"


class Origin(Value, str):
    """What a browser sends in its Origin header (RFC 6454 §7): scheme, host and, unless usual, the port; no path."""

    __slots__ = ()
    expects: ClassVar[str] = "an origin such as https://app.example.com, without a path"

    def __new__(cls, text: str) -> Self:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.netloc or text != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(cls.expects)
        return super().__new__(cls, text.lower())


class Username(Value, str):
    """Somebody's username, without the @."""

    __slots__ = ()
    expects: ClassVar[str] = "a username such as alice"

    def __new__(cls, text: str) -> Self:
        if not re.fullmatch(r"[A-Za-z0-9._]{1,30}", text):
            raise ValueError(cls.expects)
        return super().__new__(cls, text)


class PostgresUrl(Value, str):
    """How to reach Postgres, password included; empty while it is not set."""

    __slots__ = ()
    expects: ClassVar[str] = "a URL such as postgresql://user:password@host:5432/tidings"
    secret: ClassVar[bool] = True

    def __new__(cls, text: str) -> Self:
        if text and not text.startswith(("postgresql://", "postgres://")):
            raise ValueError(cls.expects)
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return "PostgresUrl(…)"


class NatsUrl(Value, str):
    """How to reach NATS, password included; empty while it is not set."""

    __slots__ = ()
    expects: ClassVar[str] = "a URL such as nats://user:password@host:4222"
    secret: ClassVar[bool] = True

    def __new__(cls, text: str) -> Self:
        if text and not _names_host(text, ("nats", "tls")):
            raise ValueError(cls.expects)
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return "NatsUrl(…)"


class RedisUrl(Value, str):
    """How to reach Redis or Valkey, password included; empty while it is not set."""

    __slots__ = ()
    expects: ClassVar[str] = "a URL such as redis://user:password@host:6379/0, rediss://… or unix:///path/to/socket"
    secret: ClassVar[bool] = True

    def __new__(cls, text: str) -> Self:
        if text and not _names_host(text, ("redis", "rediss")) and not text.startswith("unix:///"):
            raise ValueError(cls.expects)
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return "RedisUrl(…)"


LONGEST_URL = 98
"""What `{"code":"moved","url":"…"}` leaves of the 123 bytes of a reason (RFC 6455 §5.5)."""


class SocketUrl(Value, str):
    """Where clients open a WebSocket (wire contract §1); empty while it is not set. A close frame has to hold it."""

    __slots__ = ()
    expects: ClassVar[str] = (
        "a URL such as wss://node1.example.com/v1/socket, or wss://example.com/{port}/v1/socket, of 98 bytes at most"
    )

    def __new__(cls, text: str) -> Self:
        if len(text.encode()) > LONGEST_URL:
            raise ValueError(cls.expects)
        if text and not (_names_host(text.replace(PORT, "1"), ("ws", "wss")) and text.endswith("/v1/socket")):
            raise ValueError(cls.expects)
        return super().__new__(cls, text)

    def of(self, port: int) -> "SocketUrl":
        """Where clients reach the node with this port of its own."""
        return SocketUrl(self.replace(PORT, str(port)))


def _names_host(url: str, schemes: tuple[str, ...]) -> bool:
    """Whether the URL has one of these schemes, a host and, if any, a usable port. May raise ValueError instead."""
    parts = urlsplit(url)
    return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0


class SigningKey(Value):
    """One key for access tokens: its id, which travels in the token, and its secret bytes."""

    __slots__ = ("kid", "secret_bytes")
    expects: ClassVar[str] = f"kid:secret, the secret being at least {KEY_BYTES} random bytes in base64"
    secret: ClassVar[bool] = True

    def __init__(self, text: str) -> None:
        kid, colon, encoded = text.partition(":")
        try:
            secret = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise ValueError(self.expects) from None
        if not colon or not kid or len(secret) < KEY_BYTES:
            raise ValueError(self.expects)
        self.kid = kid
        self.secret_bytes = secret

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SigningKey) and (other.kid, other.secret_bytes) == (self.kid, self.secret_bytes)

    def __hash__(self) -> int:
        return hash((self.kid, self.secret_bytes))

    def __repr__(self) -> str:
        return f"SigningKey({self.kid!r}, …)"
