"""What a close code asks of the client, and how long it waits before it comes back (wire contract §8)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

from .errors import AuthenticationFailed, ProtocolFault, Revoked, Stopped, Superseded, VersionRefused

GOODBYE: Final = 1000
DETACH: Final = 3000
MOVED: Final = 4002
NOT_TO_BE_RESENT: Final = frozenset({1002, 1007, 1009})

JITTER_BASE_MS: Final = 1_000
JITTER_CAP_MS: Final = 30_000
SERVER_TROUBLE_MS: Final = 5_000

_STOPS: Final[dict[int, tuple[type[Stopped], str]]] = {
    4301: (Superseded, "a newer connection of this device took over"),
    4303: (AuthenticationFailed, "authentication failed"),
    4304: (Revoked, "the login was revoked"),
    4306: (VersionRefused, "the server does not speak this version"),
    4307: (ProtocolFault, "the server reports a breach of the contract"),
}


class Then(Enum):
    """What to do after a close."""

    RESUME = auto()
    FRESH_TOKEN = auto()
    STOP = auto()


@dataclass(frozen=True, slots=True)
class Advice:
    """How to go on; `retry_ms` None means full jitter, `url` is good for one attempt."""

    then: Then
    retry_ms: int | None = None
    url: str | None = None


def read_close(code: int | None, reason: str = "") -> Advice:
    """Reads a close by its band alone, so that codes yet to be invented are understood. None is a cut connection."""
    said = _read_reason(reason)
    told = said.get("retry_ms")
    retry_ms = max(0, told) if type(told) is int else None
    band = (code or 0) // 100
    if band == 43:
        return Advice(Then.STOP)
    if band == 42:
        return Advice(Then.FRESH_TOKEN, retry_ms)
    if band == 41:
        return Advice(Then.RESUME, SERVER_TROUBLE_MS if retry_ms is None else retry_ms)
    url = said.get("url") if code == MOVED else None
    return Advice(Then.RESUME, retry_ms, url if isinstance(url, str) else None)


def stopped_by(code: int) -> Stopped:
    """The typed error for a close code of the band 4300-4399."""
    kind, why = _STOPS.get(code, (Stopped, "the server asked not to reconnect"))
    return kind(why, code)


def full_jitter(attempt: int, random: Callable[[], float]) -> int:
    """Milliseconds before attempt 0, 1, 2, …: uniform below 1 s, 2 s, 4 s, … 30 s.

    `random` gives [0, 1). Full jitter after "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """
    ceiling = min(JITTER_CAP_MS, JITTER_BASE_MS << min(attempt, 16))
    return int(random() * ceiling)


def _read_reason(reason: str) -> dict[str, Any]:
    try:
        said = json.loads(reason) if reason.startswith("{") else {}
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
