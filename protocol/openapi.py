"""The OpenAPI 3.1 document of the HTTP interface, written from the table of routes and the structs it names."""

from collections import defaultdict
from typing import Any

from msgspec import Struct

from protocol.errors import Code
from protocol.octets import OCTET_PATHS
from protocol.problems import MEDIA_TYPE, STATUS, Problem
from protocol.route import Route
from protocol.routes import ROUTES
from protocol.schemas import reference, schemas_of

_HEADERS: dict[str, Any] = {
    "RateLimit": {"$ref": "#/components/headers/RateLimit"},
    "RateLimit-Policy": {"$ref": "#/components/headers/RateLimit-Policy"},
}


def openapi() -> dict[str, Any]:
    """The document as JSON values; the same on every call."""
    parts = {part for route in ROUTES for part in (route.query, route.place) if part is not None}
    kinds = {kind for route in ROUTES for kind in (*route.bodies, route.answer)} | parts | {Problem}
    schemas = schemas_of(kinds)
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for route in ROUTES:
        paths[route.path][route.method.lower()] = _operation(route, schemas)
    for part in parts:
        del schemas[part.__name__]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tidings over HTTP",
            "version": "1",
            "description": "Accounts, profiles and the graph, uploads and pictures, posts, stories, notifications, "
            "and the twins of the socket's operations. Keys and routes are never renamed, retyped or removed within "
            "version 1; unknown keys are ignored.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": dict(paths) | OCTET_PATHS,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "headers": {
                "RateLimit": {"schema": {"type": "string"}, "description": "what is left of each limit that counted"},
                "RateLimit-Policy": {"schema": {"type": "string"}, "description": "the limits themselves"},
                "ETag": {"schema": {"type": "string"}, "description": "send it back as If-None-Match"},
                "Retry-After": {"schema": {"type": "integer"}, "description": "seconds"},
            },
            "schemas": schemas,
        },
    }


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": route.name, "summary": route.summary}
    operation["tags"] = [route.name.split(".")[0]]
    if parameters := _parameters(route.place, "path", schemas) + _parameters(route.query, "query", schemas):
        operation["parameters"] = parameters
    if route.bodies:
        bodies = [reference(body) for body in route.bodies]
        schema = bodies[0] if len(bodies) == 1 else {"anyOf": bodies}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    operation["responses"] = _responses(route)
    if route.open:
        operation["security"] = []
    return operation


def _parameters(part: type[Struct] | None, place: str, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if part is None:
        return []
    schema = schemas[part.__name__]
    required = schema.get("required", ())
    return [
        {"name": name, "in": place, "required": name in required, "schema": shape}
        for name, shape in schema["properties"].items()
    ]


def _responses(route: Route) -> dict[str, Any]:
    headers = dict(_HEADERS)
    if route.cached:
        headers["ETag"] = {"$ref": "#/components/headers/ETag"}
    content = {"application/json": {"schema": reference(route.answer)}}
    responses: dict[str, Any] = {str(route.status): {"description": "done", "headers": headers, "content": content}}
    if route.cached:
        responses["304"] = {"description": "not changed since the ETag sent along", "headers": headers}
    by_status: dict[str, list[Code]] = defaultdict(list)
    for code in _refusals(route):
        by_status[str(STATUS[code].value)].append(code)
    for status, codes in sorted(by_status.items()):
        problem = {MEDIA_TYPE: {"schema": reference(Problem)}}
        responses[status] = {"description": ", ".join(codes), "content": problem}
    for status in ("429", "503"):
        responses[status]["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return responses


def _refusals(route: Route) -> list[Code]:
    codes: list[Code] = [*route.refusals, "rate_limited", "unavailable", "internal"]
    if not route.open:
        codes.append("unauthenticated")
    if route.bodies:
        codes.append("too_large")
    if route.bodies or route.query or route.place:
        codes.append("bad_request")
    return sorted(set(codes))
