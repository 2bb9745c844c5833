"""What a message can point at (docs/protocol.md §4)."""

from typing import Annotated, Literal

from msgspec import Struct

from protocol.ids import ID


class Share(Struct, frozen=True, gc=False, omit_defaults=True):
    """A thing that its sender could see. Whoever reads it asks for the thing itself, which they may see or not.
    `reaction`: the text is the emoji with which its sender reacts to the story, by `story.react`."""

    kind: Literal["post", "story", "profile"]
    id: Annotated[str, ID]
    reaction: bool = False
