"""Where a connection stands, and where it can go from there, as a literal table."""

from enum import Enum, auto


class Stage(Enum):
    """Where a connection stands."""

    HANDSHAKE = auto()
    HELLO = auto()
    ATTACHING = auto()
    OPEN = auto()
    RELAYING = auto()
    CLOSING = auto()
    GONE = auto()


NEXT = {
    Stage.HANDSHAKE: {Stage.HELLO, Stage.CLOSING, Stage.GONE},
    Stage.HELLO: {Stage.ATTACHING, Stage.RELAYING, Stage.CLOSING, Stage.GONE},
    Stage.ATTACHING: {Stage.OPEN, Stage.CLOSING, Stage.GONE},
    Stage.OPEN: {Stage.CLOSING, Stage.GONE},
    Stage.RELAYING: {Stage.CLOSING, Stage.GONE},
    Stage.CLOSING: {Stage.GONE},
    Stage.GONE: set[Stage](),
}
