"""Browsers: RFC 8030 to the push service of each, encrypted by RFC 8291, signed by RFC 8292 (VAPID)."""

import base64
import hashlib
import secrets
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from joserfc import jwt
from joserfc.jwk import ECKey
from yarl import URL

from persistence.push.contract import Delivery, ProviderName
from protocol.ids import Millis
from protocol.pushes import Content
from server.push.encryption import PLAIN_BYTES, SALT_BYTES, encrypted, public_bytes
from server.push.endpoints import CheckedResolver, EndpointRules, Unwanted
from server.push.provider import Gone, Misconfigured, Outcome, Refused, Retry, Sent, about, retry_after_s

TIMEOUT_S = 10.0
LONGEST_S = 28 * 86_400
SIGNED_S = 12 * 3_600
"""How long a token is good: at most a day (RFC 8292 §2)."""
PER_HOST = 16
AUDIENCES = 256
"""Push services whose tokens are kept."""


class Vapid:
    """Says to a push service who we are."""

    def __init__(self, key: EllipticCurvePrivateKey, contact: str, clock: Callable[[], Millis]) -> None:
        self.public = _base64url(public_bytes(key))
        self._key: Any = ECKey.import_key(key)
        self._contact = contact
        self._clock = clock
        self._signed: dict[str, tuple[int, str]] = {}

    def authorization(self, audience: str) -> str:
        """The header for an origin."""
        now = self._clock() // 1_000
        until, token = self._signed.get(audience, (0, ""))
        if until < now + SIGNED_S // 2:
            if len(self._signed) >= AUDIENCES:
                self._signed.clear()
            until = now + SIGNED_S
            claims = {"aud": audience, "exp": until, "sub": self._contact}
            token = jwt.encode({"alg": "ES256", "typ": "JWT"}, claims, self._key)
            self._signed[audience] = until, token
        return f"vapid t={token}, k={self.public}"


class WebPush:
    """Asks only endpoints that the rules allow, follows no redirect and reads no answer beyond its head."""

    name: ProviderName = "web"

    def __init__(self, vapid: Vapid, rules: EndpointRules, tls: ssl.SSLContext | None = None) -> None:
        self._vapid = vapid
        self._rules = rules
        self._tls = tls

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(self._rules), use_dns_cache=False, limit_per_host=PER_HOST, ssl=self._tls or True
        )
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(TIMEOUT_S), cookie_jar=aiohttp.DummyCookieJar()
        )
        return self

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    def service(self, delivery: Delivery) -> str:
        return URL(delivery.target.address).raw_authority if delivery.target else ""

    async def send(self, delivery: Delivery, content: Content) -> Outcome:
        target = delivery.target
        assert target is not None
        if len(plain := _payload(delivery, content)) > PLAIN_BYTES:
            return Refused(f"the payload has {len(plain)} bytes, more than {PLAIN_BYTES}")
        try:
            url = self._rules.parse(target.address)
            body = encrypted(plain, target.p256dh, target.auth, secrets.token_bytes(SALT_BYTES))
            headers = self._headers(url, delivery, content)
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
                return _outcome(response)
        except Unwanted as fault:
            return Refused(f"the endpoint is not allowed: {fault}")
        except (aiohttp.ClientError, OSError) as fault:
            return Retry(f"no answer: {type(fault).__name__}")
        except ValueError:
            return Refused("the keys of the subscription are none")

    def _headers(self, url: URL, delivery: Delivery, content: Content) -> dict[str, str]:
        return {
            "Authorization": self._vapid.authorization(str(url.origin())),
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(min(max(delivery.left_ms // 1_000, 0), LONGEST_S)),
            "Topic": topic(delivery.collapse),
            "Urgency": "high" if content.urgent else "normal",
        }


def topic(collapse: str) -> str:
    """32 characters of base64url (RFC 8030 §5.4)."""
    return _base64url(hashlib.sha256(collapse.encode()).digest()[:24])


def _payload(delivery: Delivery, content: Content) -> bytes:
    shown = {"title": content.title, "body": content.body, "badge": content.badge, "tag": topic(delivery.collapse)}
    return msgspec.json.encode(about(delivery) | shown)


def _outcome(response: aiohttp.ClientResponse) -> Outcome:
    status, error = response.status, str(response.status)
    after_s = retry_after_s(response.headers.get("Retry-After"))
    if status in (200, 201, 202, 204):
        return Sent()
    if status in (404, 410):
        return Gone(error)
    if status in (401, 403):
        return Misconfigured(error)
    if status == 429 or status >= 500:
        return Retry(error, after_s, outage=status != 429)
    return Refused(f"{error} redirects" if 300 <= status < 400 else error)


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
