"""Pictures as they are answered: in posts and in stories alike."""

from msgspec import UNSET

from persistence.media.rows import Picture
from protocol.media import Media


def shown(picture: Picture, url: str) -> Media:
    """The picture, and the address under which its viewer gets it, with `{variant}` in it."""
    return Media(picture.id, picture.width, picture.height, url, picture.thumbhash or UNSET)
