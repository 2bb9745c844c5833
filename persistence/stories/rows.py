"""Between structs and the rows of stories."""

from typing import Any, Literal

import asyncpg
from msgspec import UNSET, Struct

from protocol.ids import ConversationId, Millis, UserId
from protocol.media import MediaId
from protocol.posts import Author
from protocol.stories import Viewer
from protocol.trays import ShownStory, StoryId, TrayEntry, TrayStory


class Picture(Struct, frozen=True, gc=False):
    """One that is ready; `width` and `height` are of its largest variant."""

    id: MediaId
    width: int
    height: int
    thumbhash: bytes | None


class Shown(Struct, frozen=True, gc=False):
    """A story as somebody may see it; times are None, and maybe the picture, until it is published."""

    id: StoryId
    author: Author
    state: Literal["processing", "rejected", "published"]
    close_friends: bool
    posted_at: Millis | None
    expires_at: Millis | None
    picture: Picture | None
    seen: bool
    reaction: str | None


class View(Struct, frozen=True, gc=False):
    """A story that was seen; `fresh`: for the first time."""

    author: UserId
    story: TrayStory
    fresh: bool


class Reacting(Struct, frozen=True, gc=False):
    """Whose the story is, whether it is there for whoever reacts, and the conversation of the two if there is one."""

    author: UserId
    visible: bool
    conversation: ConversationId | None


def shown(row: asyncpg.Record) -> Shown:
    """One row of the statements GET, OF and ARCHIVE."""
    id, author, username, name, state, close_friends, posted_at, expires_at, *picture, seen, reaction = row
    return Shown(
        StoryId(str(id)),
        Author(UserId(str(author)), username, name or UNSET),
        state,
        close_friends,
        posted_at,
        expires_at,
        Picture(MediaId(str(picture[0])), *picture[1:]) if picture[0] is not None else None,
        seen,
        reaction,
    )


def viewer(row: tuple[Any, ...]) -> Viewer:
    """The viewer in one row of the statement VIEWERS."""
    id, username, name, at, reaction = row
    return Viewer(UserId(str(id)), username, Millis(at // 1_000), name or UNSET, reaction or UNSET)


def reacting(row: asyncpg.Record) -> Reacting:
    """One row of the statement REACT."""
    author, visible, conversation = row
    return Reacting(UserId(str(author)), visible, conversation and ConversationId(str(conversation)))


def entry(row: asyncpg.Record) -> TrayEntry:
    """One row of the statements MY_TRAY and TRAY_OF."""
    author, username, name, muted, ids, ends, close, seen, _, _ = row
    stories = zip(ids, ends, close, seen, strict=True)
    return TrayEntry(
        UserId(str(author)),
        username,
        tuple(ShownStory(StoryId(str(id)), Millis(end), friends, known) for id, end, friends, known in stories),
        name or UNSET,
        muted,
    )
