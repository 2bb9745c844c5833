"""A stand-in of a browser's push service, and of the browsers behind it: they decrypt by a library of others."""

import base64
import json
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import http_ece  # type: ignore[import-untyped]
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from tests.server.push.authority import Authority
from tests.server.push.screens import Screens, Shown

Answer = tuple[int, dict[str, str]]


class Browser:
    """One subscription: `endpoint` is where its push service takes messages for it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.auth = secrets.token_bytes(16)
        self._key = generate_private_key(SECP256R1())
        self.p256dh = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    @property
    def subscription(self) -> dict[str, Any]:
        """As `PushSubscription.toJSON` gives it."""
        keys = {"p256dh": _base64url(self.p256dh), "auth": _base64url(self.auth)}
        return {"endpoint": self.endpoint, "keys": keys}

    def decrypt(self, body: bytes) -> dict[str, Any]:
        plain: dict[str, Any] = json.loads(http_ece.decrypt(body, private_key=self._key, auth_secret=self.auth))
        return plain


class WebPushServer:
    """`public_key` is the one that subscriptions were made for; None: any. `answers` come before all else, in order."""

    def __init__(self, public_key: str | None = None) -> None:
        self.public_key = public_key
        self.screens = Screens()
        self.answers: deque[Answer] = deque()
        self.gone: set[str] = set()
        self.requests: list[dict[str, str]] = []
        self.port = 0
        self._browsers: dict[str, Browser] = {}

    @asynccontextmanager
    async def serving(self, authority: Authority) -> AsyncIterator["WebPushServer"]:
        app = web.Application()
        app.router.add_post("/push/{browser}", self._push)
        server = TestServer(app, scheme="https")
        await server.start_server(ssl=authority.server())
        assert server.port
        self.port = server.port
        yield self
        await server.close()

    def browser(self, host: str = "push.example.com") -> Browser:
        """A new one."""
        path = f"/push/{secrets.token_urlsafe(16)}"
        self._browsers[path] = Browser(f"https://{host}:{self.port}{path}")
        return self._browsers[path]

    async def _push(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append(dict(request.headers))
        if self.answers:
            status, headers = self.answers.popleft()
            return web.Response(status=status, headers=headers, text="no")
        browser = self._browsers[request.path]
        if browser.endpoint in self.gone:
            return web.Response(status=410)
        if not self._is_signed(request):
            return web.Response(status=403)
        if len(body) > 4_096:
            return web.Response(status=413)
        told = browser.decrypt(body)
        title, text, badge, tag = (told.pop(name) for name in ("title", "body", "badge", "tag"))
        assert len(request.headers["Topic"]) <= 32
        assert request.headers["Topic"] == tag
        self.screens.show(browser.endpoint, tag, Shown(title, text, badge, told))
        return web.Response(status=201, headers={"Location": "/message/1"})

    def _is_signed(self, request: web.Request) -> bool:
        scheme, _, rest = request.headers["Authorization"].partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        if scheme != "vapid" or (self.public_key and parts["k"] != self.public_key):
            return False
        point = base64.urlsafe_b64decode(parts["k"] + "=" * (-len(parts["k"]) % 4))
        key: Any = ECKey.import_key(EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point))
        try:
            claims = jwt.decode(parts["t"], key, algorithms=["ES256"]).claims
        except (JoseError, ValueError):
            return False
        now = time.time()
        return bool(
            claims["aud"] == f"https://{request.host}"
            and now < claims["exp"] <= now + 86_400
            and claims["sub"].startswith("mailto:")
        )


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
