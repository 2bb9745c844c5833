"""What an installation is made of: a database that is up to date, its token key, its settings file."""

import base64
import secrets
from pathlib import Path

import asyncpg

from config.settings import Settings
from config.values import SigningKey
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
    """What the nodes and the other commands of this installation need to know, as TOML."""
    node = settings.node
    return (
        "# Written at every start of `tidings serve --embedded`.\n"
        f'[node]\nlisten = "{node.listen}"\nprivate = "{node.private}"\n'
        f'url = {_quoted(node.url)}\naddress = "{node.address}"\n\n'
        f"[postgres]\nurl = {_quoted(url)}\n\n[nats]\nurl = {_quoted(settings.nats.url)}\n\n"
        f"[redis]\nurl = {_quoted(settings.redis.url)}\n\n"
        f"[objects]\nurl = {_quoted(settings.objects.url)}\n\n"
        f'[tokens]\nkeys = ["{key}"]\n\n[log]\nlevel = "{settings.log.level}"\n'
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
