"""hello and its reply (wire contract §3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .pace import Pace
from .reading import Body, int_of, int_or_none, map_of, text_of

HELLO_ID: Final = 1
MESSAGE_BYTES: Final = 65_536
PLATFORM: Final = "python"
APP: Final = "tidings-client"


@dataclass(frozen=True, slots=True)
class Welcome:
    """What hello is answered with; the limits as the paces that keep them."""

    user: str
    epoch: str
    u: int
    outcome: str
    ping_ms: int
    now: int
    message_bytes: int
    requests: Pace
    typing: Pace


def described(device: str, platform: str, app: str) -> dict[str, str]:
    """A device as hello and a login name it."""
    return {"id": device, "platform": platform, "app": app}


def hello(
    token: str,
    device: Mapping[str, str],
    resume: tuple[str, int] | None,
    *,
    follow: bool,
    snapshot: bool,
    background: bool,
) -> dict[str, Any]:
    """The first request of a connection; `resume` is the (epoch, u) to continue from."""
    message: dict[str, Any] = {"op": "hello", "id": HELLO_ID, "token": token, "device": dict(device)}
    if resume is not None:
        message["resume"] = {"epoch": resume[0], "u": resume[1]}
    if follow:
        message["follow"] = True
    if not snapshot:
        message["snapshot"] = False
    if background:
        message["background"] = True
    return message


def read_welcome(ok: Body) -> Welcome:
    """The `ok` of hello's reply."""
    limits = map_of(ok, "limits")
    return Welcome(
        user=text_of(ok, "user"),
        epoch=text_of(ok, "epoch"),
        u=int_of(ok, "u"),
        outcome=text_of(ok, "outcome"),
        ping_ms=int_of(ok, "ping_ms"),
        now=int_of(ok, "now"),
        message_bytes=int_or_none(limits, "message_bytes") or MESSAGE_BYTES,
        requests=Pace(_rate(limits, "requests_per_s"), _rate(limits, "burst")),
        typing=Pace(_rate(limits, "typing_per_s")),
    )


def _rate(limits: Body, key: str) -> float:
    """A limit; one that is missing, or no number, is none."""
    value = limits.get(key)
    return float(value) if isinstance(value, int | float) else 0.0
