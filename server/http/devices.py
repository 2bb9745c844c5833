"""Devices that pushes reach: registered by a login, and void when it is revoked."""

import base64
import binascii
import socket
from collections.abc import Mapping

from msgspec import UNSET

from persistence.push.devices import Target
from protocol.devices import ApnsDevice, DeviceRegistered, Devices, DeviceShown, FcmDevice, WebDevice
from protocol.errors import UNAVAILABLE, Refusal
from protocol.replies import Done
from protocol.unset import or_none
from server.http.handling import Answer, Call, Handler
from server.http.services import Services
from server.push.encryption import AUTH_BYTES, is_point
from server.push.endpoints import Unwanted
from server.tokens import Caller

NOT_HEX = Refusal("bad_request", "token: of apns it is an even number of hexadecimal digits, at most 200")
NO_POINT = Refusal("bad_request", "subscription.keys.p256dh: not a point of P-256, 65 bytes in base64url")
NO_SECRET = Refusal("bad_request", f"subscription.keys.auth: not {AUTH_BYTES} bytes in base64url")
NO_LOGIN = Refusal("unauthenticated", "the login of this token is revoked")
NO_SUCH_DEVICE = Refusal("not_found", "there is no such device")
NOT_PUBLIC = "its host is not on the public internet"
APNS_DIGITS = 200


async def _register_device(services: Services, caller: Caller, call: Call) -> Answer:
    asked: WebDevice | ApnsDevice | FcmDevice = call.body
    target = await _subscribed(services, asked) if isinstance(asked, WebDevice) else _token(asked)
    if isinstance(target, Refusal):
        return target
    id = await services.push.devices.register(caller.user, caller.login, target, or_none(asked.app) or None)
    return NO_LOGIN if id is None else DeviceRegistered(id)


async def _list_devices(services: Services, caller: Caller, call: Call) -> Answer:
    shown = [
        DeviceShown(device.id, device.platform, device.registered_at, device.login == caller.login, device.app or UNSET)
        for device in await services.push.devices.registered(caller.user)
    ]
    return Devices(shown, services.push.vapid_key or UNSET)


async def _forget_device(services: Services, caller: Caller, call: Call) -> Answer:
    return Done() if await services.push.devices.forget(caller.user, call.place.id) else NO_SUCH_DEVICE


DEVICE_HANDLERS: Mapping[str, Handler] = {
    "device.register": _register_device,
    "device.list": _list_devices,
    "device.forget": _forget_device,
}


def _token(asked: ApnsDevice | FcmDevice) -> Target | Refusal:
    if not isinstance(asked, ApnsDevice):
        return Target("fcm", asked.token)
    try:
        octets = bytes.fromhex(asked.token)
    except ValueError:
        return NOT_HEX
    # Written in one way, so that a device is there once.
    return NOT_HEX if len(octets) * 2 > APNS_DIGITS else Target("apns", octets.hex())


async def _subscribed(services: Services, asked: WebDevice) -> Target | Refusal:
    subscription = asked.subscription
    p256dh, auth = _octets(subscription.keys.p256dh), _octets(subscription.keys.auth)
    if not is_point(p256dh):
        return NO_POINT
    if len(auth) != AUTH_BYTES:
        return NO_SECRET
    try:
        endpoint = await services.push.endpoints.check(subscription.endpoint)
    except Unwanted as fault:
        return Refusal("bad_request", f"subscription.endpoint: {fault}")
    except socket.gaierror as fault:
        # A name that is not there is told like one of this network.
        known = fault.errno in (socket.EAI_NONAME, socket.EAI_NODATA)
        return Refusal("bad_request", f"subscription.endpoint: {NOT_PUBLIC}") if known else UNAVAILABLE
    except OSError:
        return UNAVAILABLE
    return Target("web", str(endpoint), p256dh, auth)


def _octets(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4))
    except binascii.Error:
        return b""
