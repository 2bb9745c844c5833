"""What a session wants done, in this order. The set is closed; whoever drives a session carries out each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from .errors import Stopped, TidingsError
from .events import Event
from .store import Change


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection after `after_ms`, to `url` or, when None, to the configured address."""

    after_ms: int
    url: str | None = None
    fresh_token: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """Write one message to the connection."""

    message: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection with this code once everything written before has left."""

    code: int


@dataclass(frozen=True, slots=True)
class Keep:
    """Remember this before anything that follows is carried out."""

    change: Change


@dataclass(frozen=True, slots=True)
class HandOn:
    """Hand an event to the application; `Session.taken(order)` says when it is done with it."""

    order: int
    event: Event


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer whoever asked under this ticket, with the `ok` of the reply or an error."""

    ticket: int
    result: dict[str, Any] | TidingsError


@dataclass(frozen=True, slots=True)
class Welcomed:
    """hello was accepted: requests flow from here on, none of them larger than `message_bytes`."""

    user: str
    outcome: str
    message_bytes: int


@dataclass(frozen=True, slots=True)
class Stop:
    """The session has ended for good. Everyone who still waits has been answered before."""

    error: Stopped


Effect: TypeAlias = Connect | Write | Close | Keep | HandOn | Answer | Welcomed | Stop
