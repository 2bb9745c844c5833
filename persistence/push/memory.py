"""Devices and pushes in memory: for tests, and for reading what the Postgres stores must do."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from persistence.push.contract import ATTEMPTS, KEPT_MS, Delivery, Listed, ProviderName, Push, Settled
from persistence.push.devices import DEVICES, Registered, Target
from protocol.ids import DeviceId, LoginId, Millis, UserId

_PROVIDERS: tuple[ProviderName, ...] = ("apns", "fcm", "web", "email")


class _Device(Struct, frozen=True):
    id: DeviceId
    user: UserId
    login: LoginId
    target: Target
    app: str | None
    registered: int


class MemoryDevices:
    """The memory twin of `DeviceStore`. `live` says whether a user has a login that is not revoked."""

    def __init__(self, now: Callable[[], Millis], live: Callable[[UserId, LoginId], bool]) -> None:
        self._now = now
        self._live = live
        self._drawn = 0
        self._rows: dict[DeviceId, _Device] = {}

    async def register(self, user: UserId, login: LoginId, target: Target, app: str | None) -> DeviceId | None:
        if not self._live(user, login):
            return None
        self._drawn += 1
        where = target.platform, target.address
        held = [row.id for row in self._rows.values() if (row.target.platform, row.target.address) == where]
        id = held[0] if held else DeviceId(str(self._drawn))
        # Later than any registration before it, also of the same millisecond.
        self._rows[id] = _Device(id, user, login, target, app, self._now() * 1_000 + self._drawn % 1_000)
        for row in self._mine(user)[DEVICES:]:
            del self._rows[row.id]
        return id

    async def registered(self, user: UserId) -> list[Registered]:
        return [
            Registered(row.id, row.login, row.target.platform, row.app, Millis(row.registered // 1_000))
            for row in self.reachable(user)
        ]

    async def forget(self, user: UserId, device: DeviceId) -> bool:
        if (row := self._rows.get(device)) is None or row.user != user:
            return False
        del self._rows[device]
        return True

    def reachable(self, user: UserId) -> list[_Device]:
        """Devices of logins that are not revoked, the latest registered first."""
        return [row for row in self._mine(user) if self._live(user, row.login)]

    def remove(self, device: DeviceId, registered: int) -> None:
        """Remove the device if that is still its registration."""
        if (row := self._rows.get(device)) and row.registered == registered:
            del self._rows[device]

    def _mine(self, user: UserId) -> list[_Device]:
        return sorted((row for row in self._rows.values() if row.user == user), key=lambda row: -row.registered)


class _Job(Struct):
    push: Push
    at: Millis
    due_at: Millis
    expires_at: Millis
    state: Literal["waiting", "expanded", "dropped"] = "waiting"


class _Delivery(Struct):
    id: int
    job: _Job
    provider: ProviderName
    device: DeviceId | None
    due_at: Millis
    state: Literal["waiting", "sent", "gone", "dropped", "dead"] = "waiting"
    attempts: int = 0
    claim: int = 0
    error: str | None = None


class MemoryPush:
    """The memory twin of `PushStore`."""

    def __init__(
        self,
        now: Callable[[], Millis],
        devices: MemoryDevices,
        email: Callable[[UserId], str | None] = lambda user: None,
    ) -> None:
        self._now = now
        self._devices = devices
        self._email = email
        self._jobs: dict[tuple[UserId, str], _Job] = {}
        self._deliveries: dict[int, _Delivery] = {}
        self._drawn = 0

    async def request(self, pushes: Sequence[Push]) -> None:
        now = self._now()
        for push in pushes:
            job = _Job(push, now, Millis(now + push.hold_ms), Millis(now + push.life_ms))
            self._jobs.setdefault((push.user, push.key), job)

    async def expand(self, limit: int) -> Mapping[str, int]:
        due = sorted(
            (job for job in self._jobs.values() if job.state == "waiting" and job.due_at <= self._now()),
            key=lambda job: job.due_at,
        )
        return Counter(self._expand(job) for job in due[:limit])

    def _expand(self, job: _Job) -> str:
        reason, where = self._reason(job), list[tuple[ProviderName, DeviceId | None]]()
        if reason is None and "push" in job.push.channels:
            where += [(device.target.platform, device.id) for device in self._devices.reachable(job.push.user)]
        if reason is None and "email" in job.push.channels and self._email(job.push.user):
            where.append(("email", None))
        for provider, device in where:
            self._drawn += 1
            self._deliveries[self._drawn] = _Delivery(self._drawn, job, provider, device, self._now())
        job.state = "expanded" if where else "dropped"
        return "expanded" if where else reason or "no device"

    def _reason(self, job: _Job) -> str | None:
        return "expired" if job.expires_at <= self._now() else None

    async def claim(
        self, provider: ProviderName, limit: int, lease_ms: int
    ) -> tuple[list[Delivery], Mapping[str, int]]:
        now, claimed, dropped = self._now(), list[Delivery](), Counter[str]()
        for row in self._due(provider, limit):
            row.claim += 1
            delivery = self._claim(row)
            if isinstance(delivery, str):
                tried = row.attempts >= ATTEMPTS or (delivery == "expired" and row.error is not None)
                row.state = "dead" if tried else "dropped"
                row.error = row.error or delivery
                dropped[delivery] += 1
            else:
                row.attempts += 1
                row.due_at = Millis(now + lease_ms)
                claimed.append(delivery)
        return claimed, dropped

    def _claim(self, row: _Delivery) -> Delivery | str:
        job, push, email = row.job, row.job.push, self._email(row.job.push.user)
        device = next((device for device in self._devices.reachable(push.user) if device.id == row.device), None)
        if row.attempts >= ATTEMPTS:
            return "never answered"
        if reason := self._reason(job) or ("no device" if device is None and (row.device or not email) else None):
            return reason
        return Delivery(
            id=row.id,
            claim=row.claim,
            provider=row.provider,
            user=push.user,
            key=push.key,
            kind=push.kind,
            collapse=push.collapse,
            body=msgspec.msgpack.encode(push.content),
            plain=False,
            attempts=row.attempts + 1,
            age_ms=self._now() - job.at,
            left_ms=job.expires_at - self._now(),
            conversation=push.conversation,
            c=push.c,
            notification=push.notification,
            device=row.device,
            target=device.target if device else None,
            registered=device.registered if device else 0,
            email=email or "",
            sender=push.sender,
        )

    async def expire(self, limit: int) -> Mapping[ProviderName, int]:
        ended = Counter[ProviderName]()
        for provider in _PROVIDERS:
            for row in self._due(provider, limit):
                if row.job.expires_at <= self._now():
                    row.state, row.error = "dead" if row.error else "dropped", row.error or "expired"
                    ended[provider] += 1
        return ended

    async def settle(self, settled: Sequence[Settled]) -> None:
        for what in settled:
            row = self._deliveries.get(what.id)
            if row is None or row.claim != what.claim or row.state != "waiting":
                continue
            row.state, row.error = what.state, what.error
            row.attempts -= not what.counts
            if what.state == "waiting":
                row.due_at = Millis(self._now() + what.wait_ms)
            if what.registered and row.device:
                self._devices.remove(row.device, what.registered)

    async def listed(self, state: Literal["waiting", "dead"], limit: int) -> list[Listed]:
        rows = [row for row in reversed(self._deliveries.values()) if row.state == state]
        return [
            Listed(
                id=row.id,
                user=row.job.push.user,
                provider=row.provider,
                kind=row.job.push.kind,
                attempts=row.attempts,
                at=row.job.at,
                due_at=row.due_at,
                error=row.error,
            )
            for row in rows[:limit]
        ]

    async def replay(self, ids: Collection[int] | None, limit: int, life_ms: int) -> int:
        dead = [row for row in self._deliveries.values() if row.state == "dead" and (ids is None or row.id in ids)]
        for row in dead[:limit]:
            row.state, row.attempts, row.error, row.due_at = "waiting", 0, None, self._now()
            row.job.expires_at = max(row.job.expires_at, Millis(self._now() + life_ms))
        return len(dead[:limit])

    async def waiting(self) -> Mapping[str, int]:
        jobs = sum(job.state == "waiting" for job in self._jobs.values())
        return {"job": jobs} | {provider: len(self._waiting(provider)) for provider in _PROVIDERS}

    async def clear(self, limit: int) -> int:
        bound = self._now() - KEPT_MS
        over = [key for key, job in self._jobs.items() if job.state != "waiting" and job.expires_at < bound][:limit]
        removed = [self._jobs.pop(key) for key in over]
        self._deliveries = {id: row for id, row in self._deliveries.items() if row.job not in removed}
        return len(over)

    def _due(self, provider: ProviderName, limit: int) -> list[_Delivery]:
        due = (row for row in self._waiting(provider) if row.due_at <= self._now())
        return sorted(due, key=lambda row: row.due_at)[:limit]

    def _waiting(self, provider: ProviderName) -> list[_Delivery]:
        return [row for row in self._deliveries.values() if row.provider == provider and row.state == "waiting"]
