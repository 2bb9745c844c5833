"""Google: the HTTP v1 API of Firebase Cloud Messaging, with an access token of a service account.

"FCM HTTP v1: projects.messages.send" and "ErrorCode" in Firebase's documentation; the grant is that of RFC 7523.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec
from joserfc import jwt
from joserfc.jwk import RSAKey

from persistence.push.contract import Delivery, ProviderName
from protocol.ids import Millis
from protocol.pushes import Content
from server.push.provider import Gone, Misconfigured, Outcome, Refused, Retry, Sent, about, retry_after_s

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TIMEOUT_S = 10.0
QUOTA_S = 60.0
"""How long to wait at least when a quota is used up and nothing else is told."""
LONGEST_S = 28 * 86_400
ANSWER_BYTES = 65_536


class _Detail(msgspec.Struct, frozen=True):
    errorCode: str = ""  # noqa: N815 - Google's name


class _Error(msgspec.Struct, frozen=True):
    status: str = ""
    details: list[_Detail] = []


class _Problem(msgspec.Struct, frozen=True):
    error: _Error = _Error()


class _Granted(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: int = 3_600


class Fcm:
    """`account` is a service account's key file."""

    name: ProviderName = "fcm"

    def __init__(self, url: str, account: Mapping[str, str], clock: Callable[[], Millis]) -> None:
        self._url = f"{url}/v1/projects/{account['project_id']}/messages:send"
        self._account = account
        self._key = RSAKey.import_key(account["private_key"])
        self._clock = clock
        self._granting = asyncio.Lock()
        self._token, self._good_until = "", 0

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_S))
        return self

    async def __aexit__(
        self, type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    def service(self, delivery: Delivery) -> str:
        return ""

    async def send(self, delivery: Delivery, content: Content) -> Outcome:
        try:
            token = await self._granted()
            if not isinstance(token, str):
                return token
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            message = msgspec.json.encode(_message(delivery, content))
            async with self._session.post(self._url, data=message, headers=headers, allow_redirects=False) as response:
                answer = await response.content.read(ANSWER_BYTES)
        except (aiohttp.ClientError, OSError) as fault:
            return Retry(f"no answer: {type(fault).__name__}")
        if response.status == 401 and token == self._token:
            self._token = ""
        return _outcome(response.status, answer, response.headers)

    async def _granted(self) -> str | Outcome:
        """An access token, one question at a time; or why there is none."""
        async with self._granting:
            now = self._clock() // 1_000
            if self._token and now < self._good_until:
                return self._token
            form = {"grant_type": GRANT, "assertion": self._assertion(now)}
            async with self._session.post(self._account["token_uri"], data=form, allow_redirects=False) as response:
                answer = await response.content.read(ANSWER_BYTES)
            if response.status == 429 or response.status >= 500:
                after_s = retry_after_s(response.headers.get("Retry-After"))
                return Retry(f"no access token: {response.status}", after_s)
            try:
                granted = msgspec.json.decode(answer, type=_Granted)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                return Misconfigured(f"no access token: {response.status}")
            # A minute early, so that none expires on its way.
            self._token, self._good_until = granted.access_token, now + granted.expires_in - 60
            return self._token

    def _assertion(self, now: int) -> str:
        account = self._account
        header = {"alg": "RS256", "typ": "JWT"}
        if kid := account.get("private_key_id"):
            header["kid"] = kid
        claims = {"iss": account["client_email"], "scope": SCOPE, "aud": account["token_uri"]}
        return jwt.encode(header, claims | {"iat": now, "exp": now + 3_600}, self._key)


def _outcome(status: int, answer: bytes, headers: Mapping[str, str]) -> Outcome:
    if status == 200:
        return Sent()
    try:
        problem = msgspec.json.decode(answer, type=_Problem).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = _Error()
    code = next((detail.errorCode for detail in problem.details if detail.errorCode), problem.status)
    error, after_s = f"{status} {code}".rstrip(), retry_after_s(headers.get("Retry-After"))
    match code:
        case "UNREGISTERED":
            return Gone(error)
        case "QUOTA_EXCEEDED" | "RESOURCE_EXHAUSTED":
            return Retry(error, max(after_s or 0.0, QUOTA_S), outage=False)
        # A token that is malformed or another sender's says nothing certain of the device: it stays.
        case "INVALID_ARGUMENT" | "SENDER_ID_MISMATCH":
            return Refused(error)
        case "UNAUTHENTICATED":
            return Retry(error, after_s)
    return Retry(error, after_s) if status == 429 or status >= 500 else Misconfigured(error)


def _message(delivery: Delivery, content: Content) -> dict[str, Any]:
    assert delivery.target is not None
    collapse = hashlib.sha256(delivery.collapse.encode()).hexdigest()
    return {
        "message": {
            "token": delivery.target.address,
            "data": about(delivery),
            "notification": {"title": content.title, "body": content.body},
            "android": {
                "collapse_key": collapse,
                "priority": "HIGH" if content.urgent else "NORMAL",
                "ttl": f"{min(max(delivery.left_ms // 1_000, 0), LONGEST_S)}s",
                "notification": {"tag": collapse, "notification_count": content.badge},
            },
        }
    }
