"""A running installation under attack, and whether it is any the worse for it."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import os
import resource
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tests.security.raw import WITHIN_S, Raw, plain
from tests.server.running import Installation
from tests.server.wire import session

Person = dict[str, Any]
AT_ONCE_S = 2.0


class Watched:
    """`person` gives somebody whom no test has used yet."""

    def __init__(self, folder: Path, settings: Mapping[str, object], people: int) -> None:
        self._installation = Installation(folder, settings)
        self._people_wanted = people
        self._people: Iterator[Person] = iter(())
        self._witness: Person = {}
        self._devices = itertools.count()

    def start(self) -> "Watched":
        self._installation.start()
        self._witness, *people = self._installation.mint(self._people_wanted + 1, "target")
        self._people = iter(people)
        return self

    def stop(self) -> None:
        self._installation.stop()

    @property
    def port(self) -> int:
        return self._installation.port

    @property
    def socket_url(self) -> str:
        return self._installation.socket_url

    @property
    def data(self) -> Path:
        return self._installation.data

    @property
    def log(self) -> str:
        return self._installation.log.read_text()

    def resident(self) -> int:
        """Bytes of memory that the node has now."""
        pages = Path(f"/proc/{self._installation.node_pid()}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def person(self) -> Person:
        return next(self._people)

    @asynccontextmanager
    async def attacked(self, *, logs: int = 1) -> AsyncIterator[None]:
        """What happens inside leaves the node as it was.

        Others are answered at once, no connection is left over, and the log has `logs` more lines, but for those of a
        Postgres that stood still (`of_a_stall`); none has a token, the word "secret" (which attacks put where it must
        not get out), or a traceback.
        """
        before = await self.connections()
        start = len(self.log)
        yield
        async with asyncio.timeout(AT_ONCE_S):
            device = f"witness-{next(self._devices)}"
            async with session(self.socket_url, self._witness["access_token"], device=device) as (wire, _):
                await wire.ok("conversation.list")
        async with asyncio.timeout(WITHIN_S):
            while any(map(int.__gt__, await self.connections(), before)):
                continue
        lines = self.log[start:].splitlines()
        judged = [line for line in lines if not of_a_stall(json.loads(line))]
        assert len(judged) == logs, lines
        assert {json.loads(line)["level"] for line in judged} <= {"info"}, lines
        for line in lines:
            for secret in ("eyJ", "secret", "Traceback"):
                assert secret not in line

    async def connections(self) -> tuple[int, int]:
        """Sockets, and connections that speak HTTP."""
        figures = await self.metrics()
        return int(figures["tidings_connections"]), int(figures["tidings_http_connections"])

    async def metrics(self) -> dict[str, float]:
        async with plain(self.port + 101) as peer:
            await peer.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await peer.answer()
        lines = (line for line in answer.body.decode().splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    @contextmanager
    def few_descriptors(self, more: int) -> Iterator[None]:
        """The node may open so many more files than it has now."""
        pid = self._installation.node_pid()
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + more, before[1]))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)

    def forge(self, person: Person, *, secret: bytes | None = None, header: Any = None, **claims: Any) -> str:
        """A token for somebody, signed with the installation's key unless told otherwise."""
        kid, _, encoded = (self._installation.data / "token.key").read_text().partition(":")
        payload = json.loads(_unbase64(person["access_token"].split(".")[1])) | claims
        parts = [header or {"alg": "HS256", "kid": kid, "typ": "JWT"}, payload]
        signed = b".".join(_base64(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        key = base64.b64decode(encoded) if secret is None else secret
        return (signed + b"." + _base64(hmac.digest(key, signed, hashlib.sha256))).decode()

    def expired(self, person: Person) -> str:
        return self.forge(person, exp=int(time.time()) - 1)


def of_a_stall(line: Mapping[str, Any]) -> bool:
    """Postgres did not answer, or does again: so it goes on a busy machine, whichever test runs then. Whether others
    are served meanwhile the witness tells."""
    stood_still = line["level"] == "warning" and "Postgres did not answer" in line.get("fault", "")
    return stood_still or (line["level"] == "info" and line["event"].startswith("over: "))


async def request(peer: Raw, method: str, path: str, body: Any = None, token: str = "") -> Any:
    """One HTTP exchange on a connection that stays; the answer's status and body."""
    octets = b"" if body is None else json.dumps(body).encode()
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    start = f"{method} {path} HTTP/1.1\r\nHost: chat.example\r\n{authorization}Content-Length: {len(octets)}\r\n"
    await peer.send(f"{start}Content-Type: application/json\r\n\r\n".encode() + octets)
    answer = await peer.answer()
    return answer.status, json.loads(answer.body or b"null")


def _base64(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
