"""Devices that pushes reach while no socket is connected (wire contract §9)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from .accounts import ask
from .addresses import http_url
from .reading import text_of


async def register_device(
    url: str, access_token: str, platform: Literal["apns", "fcm"], token: str, *, app: str | None = None
) -> str:
    """Have pushes reach this device, as long as the login lives; returns the device's id. To be called whenever the
    system gives another token. Raises as `sign_up`."""
    return await _register(url, access_token, {"platform": platform, "token": token}, app)


async def register_browser(
    url: str, access_token: str, subscription: Mapping[str, Any], *, app: str | None = None
) -> str:
    """The same for a browser: `subscription` is what `PushSubscription.toJSON` gives, made with `vapid_key`."""
    return await _register(url, access_token, {"platform": "web", "subscription": subscription}, app)


async def vapid_key(url: str, access_token: str) -> str | None:
    """The `applicationServerKey` to subscribe with; None while the server sends no Web Push. Raises as `sign_up`."""
    said = await asyncio.to_thread(ask, http_url(url, "/v1/devices"), "GET", None, access_token)
    key = said.get("vapid_key")
    return key if isinstance(key, str) else None


async def forget_device(url: str, access_token: str, device: str) -> None:
    """Push to it no more. Raises as `sign_up`: Refused with `not_found` when it is not there."""
    await asyncio.to_thread(ask, http_url(url, f"/v1/devices/{device}"), "DELETE", None, access_token)


async def _register(url: str, access_token: str, body: dict[str, Any], app: str | None) -> str:
    body = body | ({"app": app} if app else {})
    return text_of(await asyncio.to_thread(ask, http_url(url, "/v1/devices"), "POST", body, access_token), "id")
