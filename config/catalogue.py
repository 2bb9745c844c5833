"""The list of all settings, read off the structs: how each is spelled, what it may be, and how its text is parsed."""

from typing import Any

import msgspec
from msgspec import Struct, inspect

from config.sections import Settings
from config.values import Value

PREFIX = "TIDINGS_"


class Setting(Struct, frozen=True):
    """One setting: its path in TOML ("gateway.ping_ms"), its annotation, and the same as a description to match on."""

    name: str
    annotation: Any
    kind: inspect.Type

    @property
    def variable(self) -> str:
        """Its spelling in the environment."""
        return PREFIX + self.name.replace(".", "__").upper()

    @property
    def is_list(self) -> bool:
        return isinstance(self.kind, inspect.VarTupleType)

    @property
    def is_secret(self) -> bool:
        """Whether its value must never be shown."""
        kind = self.kind.item_type if isinstance(self.kind, inspect.VarTupleType) else self.kind
        return isinstance(kind, inspect.CustomType) and issubclass(kind.cls, Value) and kind.cls.secret

    @property
    def expects(self) -> str:
        """What it may be, to complete the sentence "set it to …"."""
        return _expects(self.kind)

    def convert(self, value: object, lenient: bool) -> object:
        """Parse `value`; `lenient` takes numbers and lists as text. Raises msgspec.ValidationError."""
        if lenient and self.is_list and isinstance(value, str):
            value = value.replace(",", " ").split()
        return msgspec.convert(value, self.annotation, strict=not lenient, dec_hook=_parse)

    def __str__(self) -> str:
        return f"{self.name} ({self.variable})"


def _expects(kind: inspect.Type) -> str:
    match kind:
        case inspect.IntType(ge=least, le=most):
            return f"a whole number from {least} to {most}"
        case inspect.LiteralType(values=words):
            return "one of " + ", ".join(str(word) for word in words)
        case inspect.VarTupleType(item_type=item, max_length=most):
            return f"a list{'' if most is None else f' of up to {most}'}, each item {_expects(item)}"
        case inspect.CustomType(cls=cls) if issubclass(cls, Value):
            return cls.expects
        case _:
            raise TypeError(f"no words for a setting of kind {kind}")


def _parse(kind: type, value: object) -> object:
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise TypeError("text is expected")
    return kind(value)


def _settings() -> dict[str, Setting]:
    found = {}
    for section in msgspec.structs.fields(Settings):
        for field in msgspec.structs.fields(section.type):
            name = f"{section.name}.{field.name}"
            found[name] = Setting(name, field.type, inspect.type_info(field.type))
    return found


SETTINGS = _settings()
SECTIONS = {section.name: section.type for section in msgspec.structs.fields(Settings)}
