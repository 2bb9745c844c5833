"""Fill `Settings` from defaults, a TOML file, the environment and the command line, the later winning.

A wrong setting ends the start: `SettingError` is one sentence that names the setting in both spellings, what is wrong
with it and what to set instead. A secret's value is never shown.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from config.catalogue import PREFIX, SECTIONS, SETTINGS
from config.push import NEEDS
from config.sections import Settings

__all__ = ["REQUIRED", "SettingError", "Settings", "load"]

REQUIRED = ("postgres.url", "tokens.keys")
"""The settings without a usable default."""


class SettingError(Exception):
    """A setting that is unknown, wrong or missing; the message is one sentence for the operator."""


class Source(msgspec.Struct, frozen=True):
    """One raw value and where it stands; text from the environment is read leniently."""

    value: object
    place: str
    lenient: bool = False


def load(
    path: Path | None,
    environ: Mapping[str, str],
    overrides: Mapping[str, object] | None = None,
    required: Sequence[str] = REQUIRED,
) -> Settings:
    """The settings of this start.

    `overrides` are what the command line says, by path ("node.listen"); `required` names those that must not be empty.
    Raises SettingError.
    """
    found = dict(_from_file(path))
    found.update(_from_environment(environ))
    found.update({name: Source(value, "the command line") for name, value in (overrides or {}).items()})
    values: dict[str, dict[str, object]] = {section: {} for section in SECTIONS}
    for name, source in found.items():
        section, _, field = name.partition(".")
        values[section][field] = _convert(name, source)
    settings = Settings(**{section: SECTIONS[section](**fields) for section, fields in values.items()})
    _check_present(settings, required)
    _check_together(settings)
    return settings


def _from_file(path: Path | None) -> Iterator[tuple[str, Source]]:
    if path is None:
        return
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingError(f"The settings file {path} cannot be read ({reason}): name a file in TOML.") from error
    for section, fields in document.items():
        if section not in SECTIONS or not isinstance(fields, dict):
            raise _unknown(f"{section} in {path}", section)
        for field, value in fields.items():
            name = f"{section}.{field}"
            if name not in SETTINGS:
                raise _unknown(f"{name} in {path}", section)
            yield name, Source(value, str(path))


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, Source]]:
    """Each setting of the environment; a secret may stand in a file that `…_FILE` names instead."""
    settings = {setting.variable: setting for setting in SETTINGS.values()}
    for key in sorted(key for key in environ if key.startswith(PREFIX)):
        setting = settings.get(key)
        secret = settings.get(key.removesuffix("_FILE"))
        if setting is not None:
            yield setting.name, Source(environ[key], "the environment", lenient=True)
        elif secret is not None and secret.is_secret:
            if secret.variable in environ:
                raise SettingError(f"{secret.variable} and {key} are both set: remove one of them.")
            yield secret.name, Source(_read_secret(key, environ[key]), environ[key], lenient=True)
        else:
            raise _unknown(f"{key} in the environment", key.removeprefix(PREFIX).partition("__")[0].lower())


def _read_secret(key: str, file: str) -> str:
    try:
        return Path(file).read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SettingError(f"{key} names {file}, which cannot be read ({reason}): name a readable file.") from error


def _convert(name: str, source: Source) -> object:
    setting = SETTINGS[name]
    try:
        return setting.convert(source.value, source.lenient)
    except msgspec.ValidationError as error:
        shown = "wrong" if setting.is_secret else msgspec.json.encode(source.value, enc_hook=str).decode()
        raise SettingError(f"{setting} is {shown} in {source.place}: set it to {setting.expects}.") from error


def _check_present(settings: Settings, required: Sequence[str]) -> None:
    for name in required:
        section, _, field = name.partition(".")
        if not getattr(getattr(settings, section), field):
            setting = SETTINGS[name]
            raise SettingError(f"{setting} is not set: set it to {setting.expects}.")


def _check_together(settings: Settings) -> None:
    """Bounds that settings set each other."""
    gateway = settings.gateway
    at_least = (
        ("gateway.background_ping_ms", gateway.background_ping_ms, "gateway.ping_ms", gateway.ping_ms),
        ("gateway.burst", gateway.burst, "gateway.requests_per_s", gateway.requests_per_s),
        # A slow reader's position must lie in the ring until its budget is used up.
        ("gateway.ring_bytes", gateway.ring_bytes, "gateway.send_budget", gateway.send_budget),
        ("gateway.node_ring_bytes", gateway.node_ring_bytes, "gateway.ring_bytes", gateway.ring_bytes),
    )
    for name, value, other, bound in at_least:
        if value < bound:
            raise SettingError(f"{SETTINGS[name]} is {value}: set it to no less than {other}, which is {bound}.")
    if settings.node.listen == settings.node.private and settings.node.listen.port:
        raise SettingError(f"{SETTINGS['node.private']} is the same as node.listen: set it to another port.")
    kids = [key.kid for key in settings.tokens.keys]
    if len(set(kids)) != len(kids):
        raise SettingError(f"{SETTINGS['tokens.keys']} names a key id twice: give every key its own.")
    for name, needed in NEEDS:
        for other in needed if getattr(settings.push, name) else ():
            if not getattr(settings.push, other):
                setting = SETTINGS[f"push.{other}"]
                raise SettingError(f"{setting} is not set, and push.{name} is: set it to {setting.expects}.")


def _unknown(spelled: str, section: str) -> SettingError:
    if section in SECTIONS:
        known = f"[{section}] has " + ", ".join(field.name for field in msgspec.structs.fields(SECTIONS[section]))
    else:
        known = "the sections are " + ", ".join(SECTIONS)
    return SettingError(f"{spelled} is no setting: remove or rename it; {known}.")
