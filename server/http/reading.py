"""Reading a request: body, query and path become the route's structs, or a refusal that names the field."""

import asyncio
from functools import reduce
from operator import or_
from typing import Any

import msgspec
from aiohttp import hdrs, web
from msgspec import Struct

from protocol.errors import Refusal
from protocol.patterns import in_words
from protocol.requests import read_later
from protocol.route import Route

BODY_BYTES = 65_536

# What msgspec lets through besides its own: bad UTF-8, nesting too deep, integers of thousands of digits.
FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)
TOO_LARGE = Refusal("too_large", f"the body may have {BODY_BYTES:,} bytes")
TOO_SLOW = Refusal("bad_request", "the body did not arrive in time")
COMPRESSED = Refusal("bad_request", "the body must not be compressed")
NO_BODY = Refusal("bad_request", "body: there is none: send an object in JSON")
BROKEN_OFF = Refusal("bad_request", "the body broke off")
DETAIL_CHARACTERS = 400


async def read_body(request: web.Request, route: Route, within_s: float) -> Any:
    """The body as one of the route's structs; None when the route takes none."""
    if not route.bodies:
        return None
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        return COMPRESSED
    try:
        async with asyncio.timeout(within_s):
            octets = await request.read()
    except web.HTTPRequestEntityTooLarge:
        return TOO_LARGE
    except TimeoutError:
        return TOO_SLOW
    except (web.RequestPayloadError, ConnectionError):
        # Nobody is left to read the answer.
        return BROKEN_OFF
    if not octets:
        return NO_BODY
    try:
        # The decoder does not look into what it skips.
        octets.decode()
        return msgspec.json.decode(octets, type=_meant(octets, route.bodies), dec_hook=read_later)
    except FAULTS as fault:
        return _refusal("body", fault, *route.bodies)


def read_query(request: web.Request, route: Route) -> Any:
    """The query as the route's struct; None when the route has none. Of a repeated key the last value counts."""
    return None if route.query is None else _convert(dict(request.query), route.query, "query")


def read_place(request: web.Request, route: Route) -> Any:
    """The variables of the path as the route's struct; None when there are none."""
    return None if route.place is None else _convert(dict(request.match_info), route.place, "path")


def _meant(octets: bytes, bodies: tuple[type[Struct], ...]) -> Any:
    if len(bodies) == 1 or all(body.__struct_config__.tag for body in bodies):
        return reduce(or_, bodies)
    given = msgspec.json.decode(octets, type=dict[str, msgspec.Raw]).keys()
    for body in bodies[:-1]:
        if all(field.name in given for field in msgspec.structs.fields(body) if field.required):
            return body
    return bodies[-1]


def _convert(values: dict[str, str], type: type[Struct], part: str) -> Any:
    try:
        return msgspec.convert(values, type, strict=False)
    except FAULTS as fault:
        return _refusal(part, fault, type)


def _refusal(part: str, fault: Exception, *read: type[Struct]) -> Refusal:
    # The decoder's own words name the field and never quote its value; those of Python's errors may.
    if isinstance(fault, msgspec.MsgspecError):
        return Refusal("bad_request", f"{part}: {in_words(fault, *read)}"[:DETAIL_CHARACTERS])
    return Refusal("bad_request", f"{part}: not JSON that can be read")
