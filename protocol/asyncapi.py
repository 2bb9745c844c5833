"""The AsyncAPI 3 document of the socket, written from the structs of requests, answers and events."""

from typing import Any, get_args

import msgspec
from msgspec import Struct

from protocol import errors
from protocol.codec import BY_SUBPROTOCOL
from protocol.errors import Close, Refusal
from protocol.events import DurableEvent
from protocol.examples import EXAMPLES
from protocol.live import FeedNew, PostCounted, PostRemoved, PresenceChanged, TrayChanged, Typing, UploadMoved
from protocol.requests import AnyRequest
from protocol.routes import ANSWERS
from protocol.schemas import reference, schemas_of
from protocol.session import Continuity, Ping, Snapshot, Synced

_POSITION = {"type": "integer", "minimum": 1, "description": "goes up by exactly 1 in the user's stream"}
_REQUEST = {"type": "integer", "minimum": 1, "maximum": 2**31, "description": "the id of the request"}
_REFUSED = "refused"

REQUESTS: tuple[type[Any], ...] = get_args(AnyRequest)
DURABLE: tuple[type[Struct], ...] = get_args(DurableEvent)
EVENTS: tuple[type[Struct], ...] = (
    *DURABLE,
    FeedNew,
    Typing,
    TrayChanged,
    UploadMoved,
    PresenceChanged,
    PostCounted,
    PostRemoved,
    Synced,
    Ping,
    Continuity,
    Snapshot,
)


def asyncapi() -> dict[str, Any]:
    """The document as JSON values; the same on every call."""
    kinds: set[type[Struct]] = {*REQUESTS, *ANSWERS.values(), *EVENTS, Refusal}
    schemas = _without_discriminators(schemas_of(kinds))
    messages = _messages()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tidings over a socket",
            "version": "1",
            "description": "One map per WebSocket message, both ways. Keys are never renamed, retyped or removed "
            "within version 1; unknown keys and unknown events are ignored by both sides.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "socket": {
                "address": "/v1/socket",
                "description": f"Subprotocols: {', '.join(sorted(BY_SUBPROTOCOL))}. None offered: JSON.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
                "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
            }
        },
        "operations": _operations(),
        "components": {"messages": messages, "schemas": schemas},
        "x-closing-codes": [
            {"status": close.status, "code": close.code}
            for close in sorted((c for c in vars(errors).values() if isinstance(c, Close)), key=lambda c: c.status)
        ],
    }


def _operations() -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for kind in REQUESTS:
        op = _tag(kind)
        operations[op] = {"action": "receive", "channel": {"$ref": "#/channels/socket"}, "messages": [_named(op)]}
        if kind in ANSWERS:
            replies = [_named(f"{op}.ok"), _named(_REFUSED)]
            operations[op]["reply"] = {"channel": {"$ref": "#/channels/socket"}, "messages": replies}
    heard = [_named(f"event.{_tag(kind)}") for kind in EVENTS]
    operations["events"] = {"action": "send", "channel": {"$ref": "#/channels/socket"}, "messages": heard}
    return operations


def _messages() -> dict[str, Any]:
    messages: dict[str, Any] = {}
    for kind in REQUESTS:
        messages[_tag(kind)] = _message(kind, reference(kind), msgspec.to_builtins(EXAMPLES[kind]))
        if kind in ANSWERS:
            answer = ANSWERS[kind]
            shown = {"re": 1, "ok": msgspec.to_builtins(EXAMPLES[answer])}
            messages[f"{_tag(kind)}.ok"] = _message(answer, _reply("ok", answer), shown)
    refusal = {"re": 1, "err": {"code": "unavailable", "message": errors.UNAVAILABLE.message, "retry_ms": 1_000}}
    messages[_REFUSED] = _message(Refusal, _reply("err", Refusal), refusal)
    for kind in EVENTS:
        payload: dict[str, Any] = reference(kind)
        shown = msgspec.to_builtins(EXAMPLES[kind])
        if kind in DURABLE:
            payload = {"allOf": [payload, {"properties": {"u": _POSITION}, "required": ["u"]}]}
            shown = {"u": 118, **shown}
        messages[f"event.{_tag(kind)}"] = _message(kind, payload, shown)
    return messages


def _message(kind: type[Struct], payload: dict[str, Any], example: Any) -> dict[str, Any]:
    summary = (kind.__doc__ or kind.__name__).strip().split("\n")[0]
    return {"summary": summary, "payload": payload, "examples": [{"payload": example}]}


def _reply(key: str, kind: type[Struct]) -> dict[str, Any]:
    # Only what cannot be read at all is answered with 0, and only with an error.
    request = _REQUEST if key == "ok" else {**_REQUEST, "minimum": 0}
    return {"type": "object", "properties": {"re": request, key: reference(kind)}, "required": ["re", key]}


def _without_discriminators(value: Any) -> Any:
    """AsyncAPI's discriminator has another shape than OpenAPI's; the tags of the alternatives are told without it."""
    match value:
        case dict():
            return {key: _without_discriminators(part) for key, part in value.items() if key != "discriminator"}
        case list():
            return [_without_discriminators(part) for part in value]
        case _:
            return value


def _tag(kind: type[Struct]) -> str:
    return str(kind.__struct_config__.tag)


def _named(name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/socket/messages/{name}"}
