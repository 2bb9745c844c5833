"""Devices that pushes reach while no socket is connected (wire contract §9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from .accounts import Login
from .paths import path
from .reading import text_of


class Devices:
    """The devices of whoever signed in; a device is void when the login that registered it is revoked.

    Every method raises as `Login.call`.
    """

    def __init__(self, login: Login) -> None:
        self._login = login

    async def register(self, platform: Literal["apns", "fcm"], token: str, *, app: str | None = None) -> str:
        """Have pushes reach this device; returns its id. To be called whenever the system gives another token."""
        return await self._register({"platform": platform, "token": token}, app)

    async def register_browser(self, subscription: Mapping[str, Any], *, app: str | None = None) -> str:
        """The same for a browser: `subscription` is what `PushSubscription.toJSON` gives, made with `vapid_key`."""
        return await self._register({"platform": "web", "subscription": subscription}, app)

    async def vapid_key(self) -> str | None:
        """The `applicationServerKey` to subscribe with; None while the server sends no Web Push."""
        key = (await self._login.call("GET", path("devices"))).get("vapid_key")
        return key if isinstance(key, str) else None

    async def forget(self, device: str) -> None:
        """Push to it no more. Raises Refused with `not_found` when it is not there."""
        await self._login.call("DELETE", path("devices", device))

    async def _register(self, body: dict[str, Any], app: str | None) -> str:
        return text_of(await self._login.call("POST", path("devices"), body | ({"app": app} if app else {})), "id")
