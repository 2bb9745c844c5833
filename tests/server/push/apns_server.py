"""A stand-in of Apple's push service: HTTP/2 over TLS, provider tokens checked with the public key."""

import asyncio
import json
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypercorn.asyncio import serve
from hypercorn.config import Config
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from tests.server.push.authority import Authority, pem
from tests.server.push.screens import Screens, Shown

TOPIC, KEY_ID, TEAM_ID = "com.example.tidings", "ABC123DEFG", "DEF123GHIJ"
HOUR_S = 3_600

Answer = tuple[int, dict[str, Any], dict[str, str]]


class ApnsServer:
    """`key` is the .p8 that it knows. `answers` come before all else, in order; `requests` are their headers.

    A device in `gone` was there until that time, in milliseconds.
    """

    def __init__(self) -> None:
        private = generate_private_key(SECP256R1())
        self.key = pem(private)
        self.screens = Screens()
        self.answers: deque[Answer] = deque()
        self.gone: dict[str, int] = {}
        self.requests: list[dict[str, str]] = []
        self.url = ""
        self._public: Any = ECKey.import_key(private.public_key())

    @asynccontextmanager
    async def serving(self, authority: Authority) -> AsyncIterator["ApnsServer"]:
        listening = socket.create_server(("127.0.0.1", 0))
        config = Config()
        self.url = f"https://localhost:{listening.getsockname()[1]}"
        config.bind = [f"fd://{listening.detach()}"]
        config.certfile, config.keyfile = str(authority.certificate), str(authority.key)
        config.alpn_protocols, config.errorlog = ["h2"], None
        config.graceful_timeout = 0.1
        over = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(serve(self._app, config, shutdown_trigger=over.wait))
            try:
                yield self
            finally:
                over.set()

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await _lifespan(receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = b""
        while (part := await receive())["type"] == "http.request":
            body += part["body"]
            if not part.get("more_body"):
                break
        assert scope["http_version"] == "2"
        status, problem, more = self._answer(scope["method"], scope["path"], headers, body)
        shown = [(name.encode(), value.encode()) for name, value in more.items()]
        await send({"type": "http.response.start", "status": status, "headers": shown})
        await send({"type": "http.response.body", "body": json.dumps(problem).encode() if problem else b""})

    def _answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.requests.append({**headers, "path": path})
        if self.answers:
            return self.answers.popleft()
        device = path.removeprefix("/3/device/")
        if refused := self._refused(headers):
            return 403, {"reason": refused}, {}
        if method != "POST" or device == path:
            return 404, {"reason": "BadPath"}, {}
        if headers["apns-topic"] != TOPIC:
            return 400, {"reason": "BadTopic"}, {}
        if len(bytes.fromhex(device)) != 32:
            return 400, {"reason": "BadDeviceToken"}, {}
        if len(headers["apns-collapse-id"].encode()) > 64:
            return 400, {"reason": "BadCollapseId"}, {}
        if len(body) > 4_096:
            return 413, {"reason": "PayloadTooLarge"}, {}
        if since := self.gone.get(device):
            return 410, {"reason": "Unregistered", "timestamp": since}, {}
        if int(headers["apns-expiration"]) > time.time():
            self._show(device, headers["apns-collapse-id"], json.loads(body))
        return 200, {}, {"apns-id": headers["apns-id"]}

    def _refused(self, headers: Mapping[str, str]) -> str:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme != "bearer":
            return "MissingProviderToken"
        try:
            read = jwt.decode(token, self._public, algorithms=["ES256"])
        except (JoseError, ValueError):
            return "InvalidProviderToken"
        if (read.header["kid"], read.claims["iss"]) != (KEY_ID, TEAM_ID):
            return "InvalidProviderToken"
        return "ExpiredProviderToken" if abs(time.time() - read.claims["iat"]) > HOUR_S else ""

    def _show(self, device: str, collapse: str, payload: dict[str, Any]) -> None:
        aps = payload.pop("aps")
        shown = Shown(aps["alert"]["title"], aps["alert"]["body"], aps["badge"], payload)
        self.screens.show(device, collapse, shown)


async def _lifespan(receive: Any, send: Any) -> None:
    while (event := (await receive())["type"]) != "lifespan.shutdown":
        await send({"type": f"{event}.complete"})
    await send({"type": "lifespan.shutdown.complete"})
