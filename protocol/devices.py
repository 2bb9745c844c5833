"""Devices over HTTP: where pushes reach somebody who is not connected (docs/protocol.md §9)."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from protocol.ids import DeviceId, Millis

Platform = Literal["apns", "fcm", "web"]

_Application = Annotated[str, Meta(max_length=64, pattern=r"^[^\u0000-\u001f]*$(?!\n)")]
_Base64Url = Annotated[str, Meta(max_length=256, pattern=r"^[A-Za-z0-9_-]+={0,2}$(?!\n)")]


class SubscriptionKeys(Struct, frozen=True, gc=False):
    """Base64url: `p256dh` is the public key, a point of P-256 in 65 bytes, `auth` 16 random bytes (RFC 8291 §3)."""

    p256dh: _Base64Url
    auth: _Base64Url


class Subscription(Struct, frozen=True, gc=False):
    """What `PushManager.subscribe` gives a page."""

    endpoint: Annotated[str, Meta(max_length=1_024, description="an https URL of a push service")]
    keys: SubscriptionKeys


class WebDevice(Struct, frozen=True, gc=False, kw_only=True, tag_field="platform", tag="web"):
    """A browser."""

    subscription: Subscription
    app: _Application | UnsetType = UNSET


class FcmDevice(Struct, frozen=True, gc=False, kw_only=True, tag_field="platform", tag="fcm"):
    """An app that is reached by Firebase."""

    token: Annotated[str, Meta(min_length=8, max_length=1_024, pattern=r"^[\u0021-\u007e]+$(?!\n)")]
    app: _Application | UnsetType = UNSET


class ApnsDevice(FcmDevice, frozen=True, gc=False, kw_only=True, tag="apns"):
    """An app that is reached by Apple; the token is in hexadecimal digits."""


class DeviceRegistered(Struct, frozen=True, gc=False):
    """The same token registered again keeps its id."""

    id: DeviceId


class DeviceShown(Struct, frozen=True, gc=False, omit_defaults=True):
    """`current`: this login registered it. The token is not shown."""

    id: DeviceId
    platform: Platform
    registered_at: Millis
    current: bool
    app: str | UnsetType = UNSET


class Devices(Struct, frozen=True, gc=False, omit_defaults=True):
    """All of them, the latest registered first; never more than fifty, so there is no next page.

    `vapid_key` is the `applicationServerKey` that a page subscribes with; absent while this server sends no Web Push.
    """

    items: list[DeviceShown]
    vapid_key: str | UnsetType = UNSET
