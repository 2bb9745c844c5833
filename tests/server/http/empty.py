"""A database in which nothing is found: what reads from Postgres alone then answers as for what does not exist."""

from typing import Any, cast

from persistence.pool import Pool


class _Connection:
    async def fetch(self, statement: str, *arguments: object) -> list[Any]:
        return []

    def transaction(self) -> "_Connection":
        return self

    async def start(self) -> None: ...

    async def commit(self) -> None: ...

    async def rollback(self) -> None: ...


class _Pool:
    async def acquire(self) -> _Connection:
        return _Connection()

    async def release(self, connection: _Connection) -> None: ...


EMPTY = cast(Pool, _Pool())
"""As far as `persistence.pool` uses a pool."""
