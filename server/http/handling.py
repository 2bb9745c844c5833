"""What a handler gets to see of one request, and what it may answer."""

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from protocol.errors import Refusal
from server.http.services import Services
from server.tokens import Caller


class Call(Struct, frozen=True):
    """One request, read: `body`, `query` and `place` are of the route's types. `spend_username` counts a sign-in."""

    body: Any
    query: Any
    place: Any
    spend_username: Callable[[str], Refusal | None]


Answer = Struct | bytes | Refusal
"""A struct to be encoded, a document that is encoded, or a refusal."""

OpenHandler = Callable[[Services, Call], Awaitable[Answer]]
Handler = Callable[[Services, Caller, Call], Awaitable[Answer]]
