"""What the patterns of texts ask for, in the words in which it is told to whoever wrote something else."""

import re
from collections.abc import Mapping

from protocol.ids import ID
from protocol.people import USERNAME_RULE

_ASKED: Mapping[str, str] = {
    str(ID.pattern): "an id",
    r"^[A-Za-z0-9._]{1,30}$(?!\n)": USERNAME_RULE,
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


def in_words(fault: Exception) -> str:
    """What a decoder says is wrong, with words in place of a pattern."""
    return _SAID.sub(lambda said: f"Expected {_QUOTED.get(said[1], 'another form of text')}", str(fault))
