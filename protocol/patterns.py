"""What patterns of texts and enumerations ask for, in the words in which whoever wrote something else is told it."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from msgspec import inspect

from protocol.ids import ID
from protocol.people import USERNAME_RULE

_ASKED: Mapping[str, str] = {
    str(ID.pattern): "an id",
    r"^[A-Za-z0-9._]{1,30}$(?!\n)": USERNAME_RULE,
    r"^(?!\.*$)[A-Za-z0-9._]{1,30}$(?!\n)": USERNAME_RULE,
    r"^[^\u0000]*$(?!\n)": "text without NUL",
    r"^[^\u0000-\u001f]*$(?!\n)": "text without control characters",
    r"^[^\u0000-\u0020\u007f]*$(?!\n)": "text without spaces and control characters",
    r"^[\u0021-\u007e]+$(?!\n)": "ASCII characters without spaces",
    r"^[A-Za-z0-9_-]+={0,2}$(?!\n)": "base64url",
    r"^(?:[^@\u0000-\u0020]+@[^@\u0000-\u0020]+)?$(?!\n)": "an e-mail address",
    r"^[a-z0-9_.]+$(?!\n)": "small letters from a to z, digits, underscores and periods",
    r"^[A-Za-z0-9_+/-]+$(?!\n)": "a time zone's IANA name, such as Europe/Berlin",
    r"^[0-9]{1,16}-(?:[1-9][0-9]{0,17}|[1-8][0-9]{18})$(?!\n)": "the `next` of the page before",
}
# The decoder quotes a pattern as Python does.
_QUOTED = {repr(pattern): words for pattern, words in _ASKED.items()}
_SAID = re.compile(r"^Expected `str` matching regex ('.*?')(?= - at |$)")


# It quotes the value, which may look like the rest; the rest is at the end.
_UNKNOWN = re.compile(r"^Invalid (?:enum )?value .* - at ((`key` in )?`\$(.*)`)$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[]+)|\[[^\]]*\]")


def in_words(fault: Exception, *read: Any) -> str:
    """What a decoder of the types `read` says is wrong, with words in place of a pattern, and the values that are known
    in place of one that is not."""
    said = str(fault)
    if unknown := _UNKNOWN.match(said):
        where, key, path = unknown.groups()
        known = dict.fromkeys(value for kind in read for value in _known(_described(kind), path, bool(key)))
        return f"Expected one of {', '.join(known)} - at {where}" if known else said
    return _SAID.sub(lambda said: f"Expected {_QUOTED.get(said[1], 'another form of text')}", said)


@cache
def _described(kind: Any) -> inspect.Type:
    return inspect.type_info(kind)


def _known(kind: inspect.Type, path: str, key: bool) -> Iterator[str]:
    """The values of the enumeration at `path` of this type; with `key`, those of the keys of the map there."""
    step = _STEP.match(path)
    rest = path[step.end() :] if step else path
    match kind:
        case inspect.Metadata(type=inner):
            yield from _known(inner, path, key)
        case inspect.UnionType(types=types):
            for one in types:
                yield from _known(one, path, key)
        case inspect.StructType(tag=tag, tag_field=name) if step and step[1] == name and not rest:
            yield str(tag)
        case inspect.StructType(fields=fields) if step:
            for field in fields:
                if field.encode_name == step[1]:
                    yield from _known(field.type, rest, key)
        case inspect.DictType(key_type=keys) if key and not path:
            yield from _known(keys, path, False)
        case inspect.DictType(value_type=inner) | inspect.ListType(item_type=inner) if step:
            yield from _known(inner, rest, key)
        case inspect.LiteralType(values=values) if not path:
            yield from map(str, values)
