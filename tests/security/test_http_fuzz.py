"""Every operation of the OpenAPI document under generated requests, good and bad: all answers are as described."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from persistence.pool import open_pool
from protocol.octets import OCTET_PATHS
from server.documents import OPENAPI
from server.http import HANDLING, Rates, make_app
from server.http.rates import Rate
from server.mint import mint
from tests.server.http.stack import Stack

# Unknown keys of a query are ignored by contract; requests without a token have a test of their own.
CONFIG = SchemathesisConfig.from_dict(
    {"generation": {"allow-extra-parameters": False, "with-security-parameters": False}}
)
# Bodies of bytes have tests of their own (tests/security/test_uploads.py, test_media.py).
SCHEMA = schemathesis.openapi.from_dict(msgspec.json.decode(OPENAPI), config=CONFIG).exclude(path=list(OCTET_PATHS))
FAST = {name: Rate(name, 1_000_000, 1_000_000) for name in Rates.__struct_fields__}


BEYOND: dict[str, list[Any]] = {
    # That a key is a point of a curve, and an endpoint on the public internet, no schema can say.
    "/v1/devices": [positive_data_acceptance],
    # Nor that one of two is needed.
    "/v1/conversations/{id}/messages": [positive_data_acceptance],
}


class Site:
    """The application on a loop and thread of its own, as the requests are made by a client that blocks. What reads
    from Postgres alone does so here."""

    def __init__(self, database: str) -> None:
        self.stack = Stack()
        self._database = database
        self.stack.change("entry", rates=Rates(**FAST))
        self.url = ""
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def headers(self) -> dict[str, str]:
        """Of a login that was not revoked by an earlier request."""
        signed_in = asyncio.run_coroutine_threadsafe(self._sign_in(), self._loop).result()
        return {"Authorization": f"Bearer {signed_in}"}

    async def _sign_in(self) -> str:
        accounts = self.stack.services.accounts
        [minted] = [one async for one in mint(accounts.people, accounts.tokens, accounts.random, 1, "a")]
        return minted.access_token

    async def _serve(self) -> None:
        async with open_pool(self._database, 4) as pool:
            self.stack.keep_in(pool)
            await self._serve_it()

    async def _serve_it(self) -> None:
        self._loop = asyncio.get_running_loop()
        runner = web.AppRunner(make_app(self.stack.services), **HANDLING)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        async with self.stack.working():
            self._ready.set()
            await self._stop.wait()
        await runner.cleanup()


@pytest.fixture(scope="module")
def site(module_database: str) -> Iterator[Site]:
    site = Site(module_database)
    site.start()
    yield site
    site.stop()


@pytest.mark.verify
@SCHEMA.parametrize()
@settings(max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_request_gets_an_answer_that_is_not_described(case: "schemathesis.Case[Any]", site: Site) -> None:
    case.body = as_written(case.body)
    case.call_and_validate(base_url=site.url, headers=site.headers, excluded_checks=BEYOND.get(case.path, []))


def as_written(value: Any) -> Any:
    """JSON Schema takes 4.0 for an integer; the wire contract does not, and clients write 4."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [as_written(part) for part in value]
        case dict():
            return {key: as_written(part) for key, part in value.items()}
        case _:
            return value
