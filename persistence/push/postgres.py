"""Devices and pushes in Postgres: every call is one statement."""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import asyncpg
import msgspec

from persistence.pool import Pool, fetch
from persistence.push import statements
from persistence.push.contract import ATTEMPTS, KEPT_MS, Delivery, Listed, ProviderName, Push, Settled
from persistence.push.devices import DEVICES, Registered, Target
from protocol.ids import ConversationId, DeviceId, LoginId, Millis, UserId, shard_of
from protocol.preferences import DEFAULTS, Preferences

WITHIN_S = 3.0
"""How long one statement may take, the wait for a connection included."""

_preferences = msgspec.msgpack.Decoder(Preferences).decode


class PostgresDevices:
    """`DeviceStore` on a pool of connections."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def register(self, user: UserId, login: LoginId, target: Target, app: str | None) -> DeviceId | None:
        keys = target.p256dh or None, target.auth or None
        where = shard_of(user), target.platform, target.address, *keys, app, DEVICES - 1
        while True:
            try:
                rows = await fetch(self._pool, WITHIN_S, statements.REGISTER, int(user), int(login), *where)
            except asyncpg.UniqueViolationError as taken:
                # The id is drawn again.
                if taken.constraint_name != "device_pkey":
                    raise
            else:
                return DeviceId(str(rows[0]["id"])) if rows else None

    async def registered(self, user: UserId) -> list[Registered]:
        rows = await fetch(self._pool, WITHIN_S, statements.REGISTERED, int(user))
        return [
            Registered(
                DeviceId(str(row["id"])),
                LoginId(str(row["login"])),
                row["platform"],
                row["app"],
                Millis(row["registered_at"]),
            )
            for row in rows
        ]

    async def forget(self, user: UserId, device: DeviceId) -> bool:
        return bool(await fetch(self._pool, WITHIN_S, statements.FORGET, int(device), int(user)))


class PostgresPush:
    """`PushStore` on a pool of connections."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def request(self, pushes: Sequence[Push]) -> None:
        if not pushes:
            return
        columns = zip(*map(_row, pushes), strict=True)
        await fetch(self._pool, WITHIN_S, statements.REQUEST, *map(list, columns))

    async def expand(self, limit: int) -> Mapping[str, int]:
        rows = await fetch(self._pool, WITHIN_S, statements.EXPAND, limit)
        return {row["outcome"]: row["number"] for row in rows}

    async def claim(
        self, provider: ProviderName, limit: int, lease_ms: int
    ) -> tuple[list[Delivery], Mapping[str, int]]:
        rows = await fetch(self._pool, WITHIN_S, statements.CLAIM, provider, limit, lease_ms, ATTEMPTS)
        dropped: dict[str, int] = {}
        for row in rows:
            if row["reason"] is not None:
                dropped[row["reason"]] = dropped.get(row["reason"], 0) + 1
        return [_delivery(provider, row) for row in rows if row["reason"] is None], dropped

    async def expire(self, limit: int) -> Mapping[ProviderName, int]:
        rows = await fetch(self._pool, WITHIN_S, statements.EXPIRE, limit)
        return {row["provider"]: row["number"] for row in rows}

    async def settle(self, settled: Sequence[Settled]) -> None:
        if not settled:
            return
        columns = zip(
            *((s.id, s.claim, s.state, s.error, s.wait_ms, int(not s.counts), s.registered) for s in settled),
            strict=True,
        )
        await fetch(self._pool, WITHIN_S, statements.SETTLE, *map(list, columns))

    async def listed(self, state: Literal["waiting", "dead"], limit: int) -> list[Listed]:
        statement = statements.DEAD if state == "dead" else statements.WAITING
        rows = await fetch(self._pool, WITHIN_S, statement, limit)
        return [
            Listed(
                id=row["id"],
                user=UserId(str(row["user_id"])),
                provider=row["provider"],
                kind=row["kind"],
                attempts=row["attempts"],
                at=Millis(row["at"]),
                due_at=Millis(row["due_at"]),
                error=row["error"],
            )
            for row in rows
        ]

    async def replay(self, ids: Collection[int] | None, limit: int, life_ms: int) -> int:
        chosen = None if ids is None else list(ids)
        rows = await fetch(self._pool, WITHIN_S, statements.REPLAY, chosen, limit, life_ms)
        return int(rows[0]["count"])

    async def waiting(self) -> Mapping[str, int]:
        rows = await fetch(self._pool, WITHIN_S, statements.COUNTED)
        return {row["what"]: row["number"] for row in rows}

    async def clear(self, limit: int) -> int:
        rows = await fetch(self._pool, WITHIN_S, statements.CLEAR, limit, KEPT_MS)
        return int(rows[0]["count"])


def _row(push: Push) -> tuple[object, ...]:
    return (
        int(push.user),
        push.key,
        push.kind,
        push.collapse,
        *map(_number, (push.sender, push.conversation)),
        push.c,
        _number(push.notification),
        msgspec.msgpack.encode(push.content),
        " ".join(push.channels),
        push.hold_ms,
        push.life_ms,
    )


def _number(id: str | None) -> int | None:
    return None if id is None else int(id)


def _delivery(provider: ProviderName, row: asyncpg.Record) -> Delivery:
    target = row["platform"] and Target(row["platform"], row["address"], row["p256dh"] or b"", row["auth"] or b"")
    return Delivery(
        id=row["id"],
        claim=row["claim"],
        provider=provider,
        user=UserId(str(row["user_id"])),
        key=row["key"],
        kind=row["kind"],
        collapse=row["collapse"],
        body=row["body"],
        plain=row["plain"],
        attempts=row["attempts"],
        age_ms=row["age_ms"],
        left_ms=row["left_ms"],
        conversation=None if row["conversation"] is None else ConversationId(str(row["conversation"])),
        c=row["c"],
        notification=None if row["notification"] is None else str(row["notification"]),
        device=None if row["device"] is None else DeviceId(str(row["device"])),
        target=target,
        registered=row["registered"] or 0,
        email=row["email"] or "",
        sender=None if row["sender"] is None else UserId(str(row["sender"])),
        preferences=_preferences(row["preferences"]) if row["preferences"] else DEFAULTS,
        follows=row["follows"],
    )
