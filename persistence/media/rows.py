"""Pictures as the statements of posts and of stories read them."""

from msgspec import Struct

from protocol.media import MediaId


class Picture(Struct, frozen=True, gc=False):
    """One that is ready; `width` and `height` are of its largest variant."""

    id: MediaId
    width: int
    height: int
    thumbhash: bytes | None
