"""The settings of pushes: what providers know this server by, parsed here so that a wrong one ends the start."""

import base64
import binascii
import json
import re
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, derive_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

from config.values import Value

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _private_key(pem: str) -> Any:
    try:
        return load_pem_private_key(pem.encode(), None)
    except (TypeError, UnsupportedAlgorithm):
        return None


def _is_safe(url: str) -> bool:
    """Encrypted, or on this machine."""
    parts = urlsplit(url)
    on_this_machine = parts.scheme == "http" and parts.hostname in _LOOPBACK
    return bool(parts.hostname) and parts.port != 0 and (parts.scheme == "https" or on_this_machine)


class _Text(Value, str):
    """Text of a form; empty while it is not set. A secret one shows nothing of itself."""

    __slots__ = ()
    form: ClassVar[str] = ""
    """A regular expression for all of it. What one cannot describe is looked at by `_is_one`."""

    def __new__(cls, text: str) -> Self:
        if text and not cls._is_one(text):
            raise ValueError(cls.expects)
        return super().__new__(cls, text)

    @classmethod
    def _is_one(cls, text: str) -> bool:
        """May raise ValueError instead."""
        return re.fullmatch(cls.form, text) is not None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)" if self.secret else super().__repr__()


class ApnsKey(_Text):
    """The .p8 file of a token signing key from Apple."""

    __slots__ = ()
    expects: ClassVar[str] = "the text of the .p8 file of an APNs key, an EC key on P-256 in PEM"
    secret: ClassVar[bool] = True

    @classmethod
    def _is_one(cls, text: str) -> bool:
        key = _private_key(text)
        return isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)


class Identifier(_Text):
    """What Apple calls a key, a team or an app."""

    __slots__ = ()
    expects: ClassVar[str] = "an identifier such as ABC123DEFG or com.example.app"
    form: ClassVar[str] = r"[A-Za-z0-9._-]{1,255}"


class ServiceUrl(_Text):
    """Where a provider is reached: the real one, or a stand-in on this machine."""

    __slots__ = ()
    expects: ClassVar[str] = "a URL such as https://api.push.apple.com, without a path"

    @classmethod
    def _is_one(cls, text: str) -> bool:
        parts = urlsplit(text)
        return _is_safe(text) and text == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc


class ServiceAccount(_Text):
    """The JSON file of a Google service account. `project`, `email`, `key` and `token_url` are its parts."""

    __slots__ = ()
    expects: ClassVar[str] = "the JSON of a Google service account's key, with project_id, client_email, private_key"
    secret: ClassVar[bool] = True

    @classmethod
    def _is_one(cls, text: str) -> bool:
        parts = json.loads(text)
        named = isinstance(parts, dict) and all(
            isinstance(parts.get(name), str) and parts[name]
            for name in ("project_id", "client_email", "private_key", "token_uri")
        )
        return (
            named
            and isinstance(_private_key(parts["private_key"]), RSAPrivateKey)
            and re.fullmatch(r"[a-z0-9:.-]{1,100}", parts["project_id"]) is not None
            and _is_safe(parts["token_uri"])
        )

    @property
    def parts(self) -> dict[str, str]:
        """The file's own keys."""
        found: dict[str, str] = json.loads(self)
        return found


class VapidKey(_Text):
    """The private key that push services of browsers know this server by (RFC 8292)."""

    __slots__ = ()
    expects: ClassVar[str] = "a private key on P-256, 32 bytes in base64url; `tidings admin push vapid` makes one"
    secret: ClassVar[bool] = True

    @classmethod
    def _is_one(cls, text: str) -> bool:
        return cls.private(text) is not None

    @staticmethod
    def private(text: str) -> EllipticCurvePrivateKey | None:
        """The key in that text, if there is one."""
        try:
            octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            return derive_private_key(int.from_bytes(octets), SECP256R1()) if len(octets) == 32 else None
        except (binascii.Error, ValueError):
            return None


class Contact(_Text):
    """Whom a push service asks when something is wrong with what this server sends (RFC 8292 §2.1)."""

    __slots__ = ()
    expects: ClassVar[str] = "mailto:you@example.com, or an https URL"
    form: ClassVar[str] = r"mailto:[^@\s]+@[^@\s]+|https://[^\s/]+\S*"


class SmtpUrl(_Text):
    """Who takes mail: smtp:// with STARTTLS (on this machine also without), smtps:// with TLS from the start."""

    __slots__ = ()
    expects: ClassVar[str] = "a URL such as smtp://user:password@mail.example.com:587 or smtps://mail.example.com:465"
    secret: ClassVar[bool] = True

    @classmethod
    def _is_one(cls, text: str) -> bool:
        parts = urlsplit(text)
        return parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0 and not parts.path


class MailAddress(_Text):
    """Whom mail is from."""

    __slots__ = ()
    expects: ClassVar[str] = "an address such as tidings@example.com"
    form: ClassVar[str] = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+"


class Push(Struct, frozen=True, kw_only=True):
    """Who brings pushes to devices; a provider whose key is not set is off."""

    apns_key: ApnsKey = ApnsKey("")
    apns_key_id: Identifier = Identifier("")
    apns_team_id: Identifier = Identifier("")
    apns_topic: Identifier = Identifier("")
    apns_url: ServiceUrl = ServiceUrl("https://api.push.apple.com")
    fcm_account: ServiceAccount = ServiceAccount("")
    fcm_url: ServiceUrl = ServiceUrl("https://fcm.googleapis.com")
    vapid_key: VapidKey = VapidKey("")
    vapid_contact: Contact = Contact("")
    smtp_url: SmtpUrl = SmtpUrl("")
    email_from: MailAddress = MailAddress("")


NEEDS = (
    ("apns_key", ("apns_key_id", "apns_team_id", "apns_topic", "apns_url")),
    ("fcm_account", ("fcm_url",)),
    ("vapid_key", ("vapid_contact",)),
    ("smtp_url", ("email_from",)),
)
"""A setting that turns a provider on, and what else must be set then."""
