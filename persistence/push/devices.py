"""What is kept of devices that pushes reach. One suite judges both twins."""

from typing import Protocol

from msgspec import Struct

from protocol.devices import Platform
from protocol.ids import DeviceId, LoginId, Millis, UserId

DEVICES = 50
"""Devices one account can have; a further one takes the place of the one that registered longest ago."""


class Target(Struct, frozen=True, gc=False):
    """Where a push goes: a token, or the endpoint of a web subscription with its keys (RFC 8291)."""

    platform: Platform
    address: str
    p256dh: bytes = b""
    auth: bytes = b""


class Registered(Struct, frozen=True, gc=False):
    """A device whose login is not revoked."""

    id: DeviceId
    login: LoginId
    platform: Platform
    app: str | None
    registered_at: Millis


class DeviceStore(Protocol):
    """Every method raises `UnavailableError`."""

    async def register(self, user: UserId, login: LoginId, target: Target, app: str | None) -> DeviceId | None:
        """A target belongs to who registered it last. None: the user has no such login, or it is revoked."""

    async def registered(self, user: UserId) -> list[Registered]:
        """Those of logins that are not revoked, the latest registered first; at most DEVICES."""

    async def forget(self, user: UserId, device: DeviceId) -> bool:
        """Push to it no more; False if the user has no such device."""
