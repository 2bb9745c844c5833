"""Apple: HTTP/2 with a provider token.

"Sending notification requests to APNs", "Establishing a token-based connection to APNs" and "Handling notification
responses from APNs" in Apple's documentation of User Notifications.
"""

import hashlib
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from uuid import NAMESPACE_URL, uuid5

import httpx
import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey

from persistence.push.contract import Delivery, ProviderName
from protocol.ids import Millis
from protocol.pushes import Content
from server.push.provider import Gone, Misconfigured, Outcome, Refused, Retry, Sent, about, retry_after_s

PAYLOAD_BYTES = 4_096
REFRESH_MS = 45 * 60_000
"""A provider token is good for an hour, and may not be changed more often than every 20 minutes."""
YOUNG_MS = 20 * 60_000
TIMEOUT_S = 10.0
CONNECTIONS = 4

# BadDeviceToken is also what every token of the other environment gets: a wrong `apns_url` must not empty the table.
_OF_THIS_ONE = {
    *("BadCollapseId", "BadDeviceToken", "BadExpirationDate", "BadMessageId", "BadPriority", "DeviceTokenNotForTopic"),
    *("DuplicateHeaders", "InvalidPushType", "MissingDeviceToken", "PayloadEmpty", "PayloadTooLarge"),
}
_FOR_NOW = {"IdleTimeout", "TooManyProviderTokenUpdates"}


class _Problem(msgspec.Struct, frozen=True):
    reason: str = ""
    timestamp: int | None = None


class ProviderToken:
    """The token that says who we are, signed with ES256 anew every 45 minutes."""

    def __init__(self, key: str, key_id: str, team_id: str, clock: Callable[[], Millis]) -> None:
        self._key = ECKey.import_key(key)
        self._header = {"alg": "ES256", "kid": key_id}
        self._team_id = team_id
        self._clock = clock
        self._token, self._issued = "", Millis(0)

    def __str__(self) -> str:
        now = self._clock()
        if not self._token or now - self._issued > REFRESH_MS:
            self._issued = now
            self._token = jwt.encode(self._header, {"iss": self._team_id, "iat": now // 1_000}, self._key)
        return self._token

    def expire(self) -> bool:
        """Sign another one next time; False if this one cannot have expired yet."""
        if self._token and self._clock() - self._issued < YOUNG_MS:
            return False
        self._token = ""
        return True


class Apns:
    """`url` is of the environment, `topic` the bundle id; `tls` is for servers that the system does not trust."""

    name: ProviderName = "apns"

    def __init__(
        self, url: str, topic: str, token: ProviderToken, clock: Callable[[], Millis], tls: Any = None
    ) -> None:
        self._url = url
        self._topic = topic
        self._token = token
        self._clock = clock
        self._tls = tls

    async def __aenter__(self) -> Self:
        self._client = httpx.AsyncClient(
            http1=False,
            http2=True,
            verify=self._tls or ssl.create_default_context(),
            timeout=TIMEOUT_S,
            limits=httpx.Limits(max_connections=CONNECTIONS),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    def service(self, delivery: Delivery) -> str:
        return ""

    async def send(self, delivery: Delivery, content: Content) -> Outcome:
        assert delivery.target is not None
        if len(payload := _payload(delivery, content)) > PAYLOAD_BYTES:
            return Refused(f"the payload has {len(payload)} bytes, more than {PAYLOAD_BYTES}")
        try:
            response = await self._client.post(
                f"{self._url}/3/device/{delivery.target.address}",
                content=payload,
                headers=self._headers(delivery, content),
            )
        except (httpx.HTTPError, OSError) as fault:
            return Retry(f"no answer: {type(fault).__name__}")
        return self._outcome(response)

    def _headers(self, delivery: Delivery, content: Content) -> dict[str, str]:
        return {
            "authorization": f"bearer {self._token}",
            # The same for each attempt, so that Apple may know a repeat.
            "apns-id": str(uuid5(NAMESPACE_URL, f"{delivery.user}/{delivery.key}/{delivery.device}")),
            "apns-topic": self._topic,
            "apns-push-type": "alert",
            "apns-priority": "10" if content.urgent else "5",
            "apns-expiration": str((self._clock() + delivery.left_ms) // 1_000),
            "apns-collapse-id": collapse_id(delivery.collapse),
        }

    def _outcome(self, response: httpx.Response) -> Outcome:
        status = response.status_code
        if status == 200:
            return Sent()
        try:
            problem = msgspec.json.decode(response.content, type=_Problem)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            problem = _Problem()
        reason, error = problem.reason, f"{status} {problem.reason}".rstrip()
        after_s = retry_after_s(response.headers.get("retry-after"))
        if status == 410:
            return Gone(error, problem.timestamp)
        if reason == "ExpiredProviderToken" and self._token.expire():
            return Retry(error, 0.0, outage=False)
        if reason in _OF_THIS_ONE or status == 413:
            return Refused(error)
        if status == 429 or reason in _FOR_NOW:
            return Retry(error, after_s, outage=False)
        if status >= 500:
            return Retry(error, after_s)
        return Misconfigured(error)


def collapse_id(collapse: str) -> str:
    """At most 64 bytes."""
    return hashlib.sha256(collapse.encode()).hexdigest()


def _payload(delivery: Delivery, content: Content) -> bytes:
    alert = {"title": content.title, "body": content.body}
    aps = {"alert": alert, "badge": content.badge, "sound": "default", "thread-id": collapse_id(delivery.collapse)}
    return msgspec.json.encode(about(delivery) | {"aps": aps})
