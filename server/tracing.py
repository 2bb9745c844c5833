"""Traces across nodes: the `traceparent` of an HTTP request (W3C Trace Context) goes to wherever its op is decided.

What goes wrong with it is logged with it there.
"""

import re
from contextvars import ContextVar

TRACE: ContextVar[str] = ContextVar("trace", default="")
"""Of the request that is being handled; "" when it brought none."""

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def begin(header: str | None) -> None:
    """Handle a request with this `traceparent`; one that is none of version 00 is left out."""
    TRACE.set(header if header and _TRACEPARENT.fullmatch(header) else "")
