"""Pictures as they are shown (docs/protocol.md §9, Media)."""

from typing import Literal, NewType

from msgspec import UNSET, Struct, UnsetType

MediaId = NewType("MediaId", str)

Variant = Literal["150", "320", "640", "1080", "2048"]
"""150 is a square; the others are so many pixels wide, or as wide as the original if that is less."""

VARIANTS: tuple[Variant, ...] = ("150", "320", "640", "1080", "2048")


class Media(Struct, frozen=True, gc=False, omit_defaults=True):
    """One picture. `url` has `{variant}` in it, for which one of `VARIANTS` is put; it is good for whom it was made
    for, and for a day at least, or as long as the story lives. `width` and `height` are of the largest variant."""

    id: MediaId
    width: int
    height: int
    url: str
    thumbhash: bytes | UnsetType = UNSET


MEDIA = "media"
"""The topic of the outbox under which a picture's end of processing goes, as the MessagePack of `MediaSettled`."""


class MediaSettled(Struct, frozen=True, gc=False):
    """All steps are done, or it will never be shown."""

    media: MediaId
    owner: str
    state: Literal["ready", "rejected"]
