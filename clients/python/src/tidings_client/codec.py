"""The two spellings of one contract: MessagePack in binary messages, JSON in text messages (wire contract §1)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from .errors import Malformed

_BYTES_KEYS: Final = ("waveform", "ciphertext")


@dataclass(frozen=True, slots=True)
class Codec:
    """One spelling. `decode` raises Malformed on anything that is not one map."""

    subprotocol: str
    encode: Callable[[dict[str, Any]], bytes | str]
    decode: Callable[[bytes | str], dict[str, Any]]


def check(fields: dict[str, Any], *reserved: str) -> None:
    """Raises ValueError for what a request cannot carry in both spellings: one that cannot leave must not be queued."""
    if own := {"op", "id", *reserved} & fields.keys():
        raise ValueError(f"{', '.join(sorted(own))}: set by the client itself")
    try:
        MSGPACK.encode(fields)
        JSON.encode(fields)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"a message cannot carry this: {error}") from error


def _from_msgpack(frame: bytes | str) -> dict[str, Any]:
    if isinstance(frame, str):
        raise Malformed("a text message on a MessagePack connection")
    try:
        message = msgpack.unpackb(frame)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise Malformed(f"not MessagePack: {error}") from error
    return _map(message)


def _to_json(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_base64)


def _from_json(frame: bytes | str) -> dict[str, Any]:
    try:
        message = json.loads(frame, object_hook=_with_bytes)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"not JSON: {error}") from error
    return _map(message)


def _map(message: object) -> dict[str, Any]:
    if not isinstance(message, dict):
        raise Malformed("not a map")
    return message


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    raise TypeError(f"{type(value).__name__} has no place in a message")


def _with_bytes(body: dict[str, Any]) -> dict[str, Any]:
    for key in _BYTES_KEYS:
        if isinstance(value := body.get(key), str):
            body[key] = base64.b64decode(value, validate=True)
    return body


MSGPACK: Final = Codec("tidings.v1.msgpack", msgpack.packb, _from_msgpack)
JSON: Final = Codec("tidings.v1.json", _to_json, _from_json)
