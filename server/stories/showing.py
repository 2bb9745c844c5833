"""Stories as they are answered: with an address of the picture that ends when the story does."""

from msgspec import UNSET

from persistence.stories.rows import Shown
from protocol.ids import UserId
from protocol.media import Media, MediaId
from protocol.stories import Story
from protocol.trays import Tray, TrayEntry
from server.media.addresses import MediaAddresses

_ENTRY_BYTES, _STORY_BYTES = 100, 90
"""What an entry of a tray and each story in it take, as JSON, besides the names."""


class Showing:
    """`addresses` signs for the viewer. Whose story it is sees the picture as long as it is theirs."""

    def __init__(self, addresses: MediaAddresses) -> None:
        self._addresses = addresses

    def story(self, viewer: UserId, shown: Shown, *, dup: bool = False) -> Story:
        """One story as its viewer sees it."""
        mine = shown.author.user == viewer
        picture, until = shown.picture, None if mine else shown.expires_at
        media = picture and Media(
            MediaId(picture.id),
            picture.width,
            picture.height,
            self._addresses.url(viewer, picture.id, until),
            picture.thumbhash or UNSET,
        )
        return Story(
            id=shown.id,
            author=shown.author,
            close_friends=shown.close_friends,
            seen=shown.seen or mine,
            media=media or UNSET,
            posted_at=UNSET if shown.posted_at is None else shown.posted_at,
            expires_at=UNSET if shown.expires_at is None else shown.expires_at,
            reaction=shown.reaction or UNSET,
            state=UNSET if shown.state == "published" else shown.state,
            dup=dup,
        )


def cut(entries: list[TrayEntry], size: int) -> Tray:
    """As many as fit into so many bytes of JSON, and whether that is all."""
    for n, entry in enumerate(entries):
        size -= _ENTRY_BYTES + _STORY_BYTES * len(entry.stories) + 6 * len(entry.username + (entry.name or ""))
        if size < 0:
            return Tray(entries[:n], more=True)
    return Tray(entries)
