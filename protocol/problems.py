"""Refusals over HTTP: RFC 9457 problem documents. The code is the socket's own; the status follows from it."""

from collections.abc import Mapping
from http import HTTPStatus

from msgspec import UNSET, Struct, UnsetType

from protocol.errors import Code, Refusal

MEDIA_TYPE = "application/problem+json"

STATUS: Mapping[Code, HTTPStatus] = {
    "bad_request": HTTPStatus.BAD_REQUEST,
    "unknown_op": HTTPStatus.METHOD_NOT_ALLOWED,
    "forbidden": HTTPStatus.FORBIDDEN,
    "not_found": HTTPStatus.NOT_FOUND,
    "conflict_state": HTTPStatus.CONFLICT,
    "id_reused": HTTPStatus.CONFLICT,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "unauthenticated": HTTPStatus.UNAUTHORIZED,
    "out_of_order": HTTPStatus.CONFLICT,
    "rate_limited": HTTPStatus.TOO_MANY_REQUESTS,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "unknown_outcome": HTTPStatus.GATEWAY_TIMEOUT,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
}


class Problem(Struct, frozen=True, gc=False):
    """`code` says what a client does next (docs/protocol.md §2); `type` stays `about:blank`, as `code` is the type."""

    title: str
    status: int
    detail: str
    code: Code
    type: str = "about:blank"
    retry_ms: int | UnsetType = UNSET


def problem(refusal: Refusal, status: int | None = None) -> Problem:
    """The document for a refusal; with another status than its code's where that has a meaning of its own."""
    status = status or STATUS[refusal.code].value
    return Problem(_phrase(status), status, refusal.message, refusal.code, retry_ms=refusal.retry_ms)


def _phrase(status: int) -> str:
    # tus.io, the checksum extension.
    return "Checksum Mismatch" if status == 460 else HTTPStatus(status).phrase
