"""Hashtags: words after a # in what somebody wrote."""

from unicodedata import category, normalize

LONGEST = 100
"""Code points of a hashtag; what is longer is none."""


def hashtags(text: str, most: int) -> list[str]:
    """The first `most` different ones, composed (Unicode's NFC) and in lower case.

    One is made of letters with their marks, digits and underscores, of any script, and stands in a word that begins
    with #: `#a#b` are two, `a#b` has none.
    """
    spaced = "".join(one if one == "#" or _belongs(one) else " " for one in normalize("NFC", text))
    parts = (part for word in spaced.split() if word[0] == "#" for part in word.split("#"))
    tags = (part.lower() for part in parts if len(part) <= LONGEST and any(category(one)[0] != "M" for one in part))
    return list(dict.fromkeys(tags))[:most]


def _belongs(one: str) -> bool:
    kind = category(one)
    return one == "_" or kind[0] in "LM" or kind == "Nd"
