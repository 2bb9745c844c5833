"""Activity: what somebody did that concerns somebody else, as it goes through the outbox to whoever has use for it.

The words are those of ActivityStreams (W3C, 2017): an actor did something to a target. The server alone sees these.
"""

from typing import Literal

from msgspec import Struct

from protocol.ids import Millis, UserId

Kind = Literal[
    "like",
    "comment",
    "comment_like",
    "reply",
    "mention",
    "follow",
    "follow_request",
    "follow_accepted",
    "message",
    "message_request",
    "story_reply",
    "story_reaction",
    "tag",
    "close_friend_post",
    "system",
]
"""The kinds of notifications (docs/protocol.md §6)."""


class Activity(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """`actor` did, or with `undone` took back, something that concerns `recipient`.

    `target` is the id of the post, story or comment that it was done to, empty for what is done to the recipient.
    `deed` tells several deeds of one actor on one target apart: a comment has an id, a like has none. `text` is the
    beginning of what was said, at most 200 code points; `at` is when, in milliseconds since 1970.
    """

    kind: Kind
    actor: UserId
    recipient: UserId
    target: str = ""
    deed: str = ""
    at: Millis
    undone: bool = False
    text: str = ""


ACTIVITY = "activity"
"""The topic of the outbox under which activities go, each as MessagePack."""
