"""What an installation is made of: a database that is up to date, its token key, its settings file."""

import base64
import json
import secrets
from pathlib import Path

import asyncpg
from msgspec.structs import replace

from config.settings import Settings
from config.values import PostgresUrl, SigningKey
from persistence.durability import check_durability
from persistence.migrate import migrate
from server.embedded import EmbeddedError
from server.embedded.private_file import write_private
from server.reach import reaching_postgres


async def migrated(url: str) -> None:
    """Bring the database up to date.

    Raises SettingError when it cannot be reached, DurabilityError when it may lose data, MigrationError.
    """
    with reaching_postgres():
        connection = await asyncpg.connect(url, timeout=10)
        try:
            await check_durability(connection)
            await migrate(connection)
        finally:
            await connection.close()


def token_key(data: Path) -> str:
    """The key of this installation, made at the first start. Raises EmbeddedError when it is none any more."""
    file = data / "token.key"
    if not file.exists():
        write_private(file, "k1:" + base64.b64encode(secrets.token_bytes(32)).decode())
    text = file.read_text("ascii", errors="replace").strip()
    try:
        SigningKey(text)
    except ValueError:
        raise EmbeddedError(
            f"{file} holds no signing key: put the right one back, or remove it, and access tokens are issued anew."
        ) from None
    return text


def settings_file(settings: Settings, url: str, key: str) -> str:
    """What the nodes and the other commands of this installation need to know, as TOML: all that is not the default,
    as these may be started where the environment says nothing."""
    told = replace(settings, postgres=replace(settings.postgres, url=PostgresUrl(url)))
    lines = ["# Written at every start of `tidings serve --embedded`."]
    for name in told.__struct_fields__:
        section = getattr(told, name)
        usual = type(section)()
        values = {field: getattr(section, field) for field in section.__struct_fields__}
        changed = {field: value for field, value in values.items() if value != getattr(usual, field)}
        if name == "tokens":
            changed["keys"] = (key,)
        if changed:
            lines += [f"[{name}]", *(f"{field} = {_toml(value)}" for field, value in changed.items()), ""]
    return "\n".join(lines)


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # A string of JSON is one of TOML.
    return str(value) if isinstance(value, int) else json.dumps(str(value))
