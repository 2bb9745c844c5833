"""What Postgres must promise before a node may acknowledge anything."""

import asyncpg

OLDEST_VERSION = 16
MUST_BE_ON = ("fsync", "full_page_writes", "synchronous_commit")


class DurabilityError(Exception):
    """This Postgres may lose what was acknowledged, or is too old; one sentence that names the setting."""


async def check_durability(connection: asyncpg.Connection) -> None:
    """Raises DurabilityError unless the server, as seen by this role and database, keeps what it commits.

    Every value of synchronous_commit but "off" waits for the local disk.
    """
    version = connection.get_server_version()
    if version.major < OLDEST_VERSION:
        raise DurabilityError(
            f"Postgres is version {version.major}: name a server of version {OLDEST_VERSION} or newer in postgres.url."
        )
    for setting in MUST_BE_ON:
        if await connection.fetchval("select current_setting($1)", setting) == "off":
            raise DurabilityError(f"Postgres has {setting} off and may lose what was acknowledged: turn {setting} on.")
