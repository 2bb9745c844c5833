"""JSON Schema of the structs, as both documents hold it under `#/components/schemas`."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from protocol.conversations import Conversation, Gone
from protocol.replies import SyncPage

_TEMPLATE = "#/components/schemas/{name}"


def reference(kind: type[Struct]) -> dict[str, str]:
    """Points to the schema of a struct."""
    return {"$ref": _TEMPLATE.format(name=kind.__name__)}


def schemas_of(kinds: Iterable[type[Struct]]) -> dict[str, Any]:
    """The schemas of these structs and of all that they mention, by name."""
    described = {_describable(kind) for kind in kinds} | {Conversation, Gone}
    ordered = sorted(described, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(ordered, ref_template=_TEMPLATE)
    if (page := schemas.get(SyncPage.__name__)) is not None:
        page["properties"]["conversations"]["items"] = {"anyOf": [reference(Conversation), reference(Gone)]}
    return dict(sorted(schemas.items()))


def _describable(kind: type[Struct]) -> type[Struct]:
    """A page of `sync` lists two kinds of thing that only their keys tell apart, which msgspec does not describe."""
    if kind is not SyncPage:
        return kind
    fields: list[Any] = [
        (field.name, list[Conversation] if field.name == "conversations" else field.type)
        if field.required
        else (field.name, field.type, field.default)
        for field in msgspec.structs.fields(kind)
    ]
    return msgspec.defstruct(kind.__name__, fields, namespace={"__doc__": kind.__doc__})
