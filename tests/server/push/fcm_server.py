"""A stand-in of Firebase Cloud Messaging and of Google's token endpoint, which checks assertions with a public key."""

import secrets
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tests.server.push.screens import Screens, Shown

PROJECT, EMAIL = "tidings-test", "push@tidings-test.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/firebase.messaging"

Answer = tuple[int, dict[str, Any], dict[str, str]]


def problem(status: int, code: str, name: str = "", **headers: str) -> Answer:
    """An error as Google writes it; `name` is FCM's own code."""
    details = [{"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": name}] if name else []
    return status, {"error": {"code": status, "message": "no", "status": code, "details": details}}, headers


class FcmServer:
    """`answers` and `grants` come before all else, in order. Devices in `gone` are not registered any more.

    Served without TLS: `account` is a service account whose token endpoint is here.
    """

    def __init__(self) -> None:
        private = generate_private_key(65_537, 2_048)
        self.private_key = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        self.screens = Screens()
        self.answers: deque[Answer] = deque()
        self.grants: deque[Answer] = deque()
        self.gone: set[str] = set()
        self.messages: list[dict[str, Any]] = []
        self.granted: list[str] = []
        self.url = ""
        self._public: Any = RSAKey.import_key(private.public_key())

    @property
    def account(self) -> dict[str, str]:
        """What an operator downloads."""
        return {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": "k1",
            "private_key": self.private_key,
            "client_email": EMAIL,
            "token_uri": f"{self.url}/token",
        }

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["FcmServer"]:
        app = web.Application()
        app.router.add_post("/token", self._token)
        app.router.add_post(f"/v1/projects/{PROJECT}/messages:send", self._send)
        async with TestServer(app) as server:
            self.url = f"http://127.0.0.1:{server.port}"
            yield self

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if self.grants:
            return _response(self.grants.popleft())
        assertion = str(form["assertion"])
        try:
            claims = jwt.decode(assertion, self._public, algorithms=["RS256"]).claims
        except (JoseError, ValueError):
            return _response((400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, {}))
        expected = {"iss": EMAIL, "scope": SCOPE, "aud": self.account["token_uri"]}
        life = claims["exp"] - claims["iat"]
        if {name: claims[name] for name in expected} != expected or life > 3_600 or claims["exp"] < time.time():
            return _response((400, {"error": "invalid_grant"}, {}))
        self.granted.append(secrets.token_urlsafe())
        return _response((200, {"access_token": self.granted[-1], "expires_in": 3_599, "token_type": "Bearer"}, {}))

    async def _send(self, request: web.Request) -> web.Response:
        message = (await request.json())["message"]
        self.messages.append(message)
        if self.answers:
            return _response(self.answers.popleft())
        if not self.granted or request.headers["Authorization"] != f"Bearer {self.granted[-1]}":
            return _response(problem(401, "UNAUTHENTICATED"))
        device = message["token"]
        if device in self.gone:
            return _response(problem(404, "NOT_FOUND", "UNREGISTERED"))
        told, android = message["notification"], message["android"]["notification"]
        shown = Shown(told["title"], told["body"], android["notification_count"], message["data"])
        self.screens.show(device, android["tag"], shown)
        return _response((200, {"name": f"projects/{PROJECT}/messages/1"}, {}))


def _response(answer: Answer) -> web.Response:
    status, body, headers = answer
    return web.json_response(body, status=status, headers=headers)
