"""Cursors: where a page of a list ended, as a text of which whoever reads on need know nothing."""

import re

NEWEST = (2**53, 2**63 - 1)
"""Above whatever stands in a list by microseconds since 1970, and then by an id."""

_CURSOR = re.compile(r"([0-9]{1,16})-([0-9]{1,19})", re.ASCII)


def cursor(at: int, id: int | str) -> str:
    """A page ended at that time, as the list counts it, and that id."""
    return f"{at}-{id}"


def read_cursor(text: str | None, first: tuple[int, int] = NEWEST) -> tuple[int, int]:
    """The time and the id; without a text those of the `first` page. Raises ValueError for anything that `cursor` did
    not make."""
    if text is None:
        return first
    match = _CURSOR.fullmatch(text)
    if not match or int(match[2]) >= 2**63:
        raise ValueError("this is no cursor of ours")
    return int(match[1]), int(match[2])
