"""Stories as they are answered: with an address of the picture that ends when the story does."""

from msgspec import UNSET

from persistence.stories.rows import Picture, Shown
from protocol.ids import Millis, UserId
from protocol.media import Media
from protocol.stories import Story
from protocol.trays import Tray, TrayEntry
from protocol.unset import or_unset
from server.media.addresses import MediaAddresses

_ENTRY_BYTES, _STORY_BYTES = 100, 90
"""What an entry of a tray and each story in it take, as JSON, besides the names."""


class StoryShowing:
    """`addresses` signs for the viewer. Whose story it is sees the picture as long as it is theirs."""

    def __init__(self, addresses: MediaAddresses) -> None:
        self._addresses = addresses

    def story(self, viewer: UserId, read: Shown, *, dup: bool = False) -> Story:
        """One story as its viewer sees it."""
        mine = read.author.user == viewer
        picture, until = read.picture, None if mine else read.expires_at
        media = picture and self._media(viewer, picture, until)
        return Story(
            id=read.id,
            author=read.author,
            close_friends=read.close_friends,
            seen=read.seen or mine,
            media=media or UNSET,
            posted_at=or_unset(read.posted_at),
            expires_at=or_unset(read.expires_at),
            reaction=read.reaction or UNSET,
            state=UNSET if read.state == "published" else read.state,
            dup=dup,
        )

    def _media(self, viewer: UserId, picture: Picture, until: Millis | None) -> Media:
        url = self._addresses.url(viewer, picture.id, until)
        return Media(picture.id, picture.width, picture.height, url, picture.thumbhash or UNSET)


def cut(entries: list[TrayEntry], size: int) -> Tray:
    """As many as fit into so many bytes of JSON, and whether that is all."""
    for n, entry in enumerate(entries):
        size -= _ENTRY_BYTES + _STORY_BYTES * len(entry.stories) + 6 * len(entry.username + (entry.name or ""))
        if size < 0:
            return Tray(entries[:n], more=True)
    return Tray(entries)
