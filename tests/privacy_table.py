"""What docs/protocol.md promises of who sees what, said once more: a plain table that tests hold the server to."""

import itertools
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from persistence.privacy import Kind

Role = Literal[
    "self", "follower", "requested", "stranger", "blocked", "blocker", "close friend", "unfollowed friend", "restricted"
]
ROLES: tuple[Role, ...] = (
    "self",
    "follower",
    "requested",
    "stranger",
    "blocked",
    "blocker",
    "close friend",
    "unfollowed friend",
    "restricted",
)
FOLLOWING = ("follower", "close friend", "restricted", "blocked", "blocker")
POST_STATES = ("processing", "published", "rejected", "archived", "deleted")
STORY_STATES = ("processing", "published", "rejected", "deleted", "over")
MEDIA_STATES = ("processing", "ready", "rejected")
COMMENTERS = ("viewer", "author", "other", "restricted other", "other who blocks", "other who is blocked", "deleted")


class Thing(Struct, frozen=True):
    """Something of the author's. `within` is what a comment or a picture belongs to."""

    kind: Kind
    state: str = ""
    friends: bool = False
    within: "Thing | None" = None


def things() -> Iterator[Thing]:
    yield Thing("profile")
    yield Thing("person")
    posts = [Thing("post", state) for state in POST_STATES]
    stories = [Thing("story", state, friends) for state in STORY_STATES for friends in (False, True)]
    yield from posts
    yield from stories
    for post, who in itertools.product(posts, COMMENTERS):
        yield Thing("comment", who, within=post)
    for within, state in itertools.product([None, *posts, *stories], MEDIA_STATES):
        yield Thing("media", state, within=within)


def expected(role: Role, private: bool, thing: Thing) -> bool:
    """What docs/protocol.md promises, said once more."""
    if role == "self":
        shown = True
    elif role in ("blocked", "blocker"):
        shown = False
    else:
        shown = not private or role in FOLLOWING
    match thing.kind:
        case "profile":
            return role != "blocked"
        case "person":
            return shown
        case "post":
            return (thing.state == "published" and shown) or (role == "self" and thing.state != "deleted")
        case "story":
            if role == "self":
                return thing.state != "deleted"
            mine = not thing.friends or role in ("close friend", "unfollowed friend")
            return shown and mine and thing.state == "published"
        case "comment":
            assert thing.within
            # Whom they themselves block, and who blocks them, is silent for both.
            apart = thing.state in ("other who blocks", "other who is blocked")
            hushed = thing.state == "restricted other" or (thing.state == "viewer" and role == "restricted")
            heard = not hushed or role == "self" or thing.state == "viewer"
            return thing.state != "deleted" and not apart and heard and expected(role, private, thing.within)
        case "media":
            if role == "self":
                return True
            return thing.state == "ready" and thing.within is not None and expected(role, private, thing.within)
