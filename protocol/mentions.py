"""Mentions: usernames after an @ in what somebody wrote."""

import re

_MENTION = re.compile(r"(?<![A-Za-z0-9._@])@([A-Za-z0-9._]{1,30})(?![A-Za-z0-9_@])", re.ASCII)


def mentioned(text: str, most: int) -> list[str]:
    """The first `most` different names, in lower case. Periods at the end of one are the sentence's; an address of
    mail names nobody."""
    names = (match[1].rstrip(".").lower() for match in _MENTION.finditer(text))
    return list(dict.fromkeys(name for name in names if name))[:most]
