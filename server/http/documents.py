"""What anybody may read: the two documents of the interface, and whether this node does its job."""

from collections.abc import Mapping

from protocol.errors import Refusal
from protocol.routes import Readiness
from server.documents import ASYNCAPI, OPENAPI
from server.http.handling import Answer, Call, OpenHandler
from server.http.services import Services

RETRY_MS = 2_000


async def _show_openapi(services: Services, call: Call) -> Answer:
    return OPENAPI


async def _show_asyncapi(services: Services, call: Call) -> Answer:
    return ASYNCAPI


async def _show_readiness(services: Services, call: Call) -> Answer:
    reason = await services.ready()
    return Readiness() if reason is None else Refusal("unavailable", reason, RETRY_MS)


DOCUMENT_HANDLERS: Mapping[str, OpenHandler] = {
    "document.openapi": _show_openapi,
    "document.asyncapi": _show_asyncapi,
    "health.ready": _show_readiness,
}
