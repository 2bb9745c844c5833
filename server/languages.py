"""Languages: which of those that we speak somebody reads."""

from collections.abc import Mapping
from typing import TypeVar

DEFAULT = "en"

T = TypeVar("T")


def in_language(texts: Mapping[str, T], locale: str | None) -> T:
    """What `texts` holds for the language of a locale such as `de`, `de-AT` or `de_CH`; else its English."""
    language = (locale or DEFAULT).replace("_", "-").partition("-")[0].lower()
    return texts.get(language, texts[DEFAULT])
