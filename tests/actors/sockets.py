"""Clients and their sockets as a user actor meets them: what was written, read, stored, and when a socket is full."""

from collections import deque

from actors.stream import Numbered
from protocol.codec import Encoded
from protocol.errors import Close
from protocol.requests import Resume

HIGH = 32 * 1024
LOW = 8 * 1024


class Socket:
    """One connection. `written` is the last `u` given to it, `read` the last one its client has seen."""

    def __init__(self, number: int, device: str, resume: Resume | None, *, snapshot: bool, background: bool) -> None:
        self.number = number
        self.device = device
        self.resume = resume
        self.wants_snapshot = snapshot
        self.background = background
        self.buffer: deque[tuple[int, object]] = deque()
        self.bytes = 0
        self.full = False
        # What the actor was told: `full` reaches it later.
        self.known_full = False
        self.open = False
        self.closed: Close | None = None
        self.epoch = ""
        self.written = self.read = 0
        self.expects: list[str] = []
        self.progress_at = 0
        self.over_at: int | None = None

    def write(self, body: object, size: int) -> bool:
        """True when this filled the socket."""
        self.buffer.append((size, body))
        self.bytes += size
        filled = not self.full and self.bytes > HIGH
        self.full = self.full or filled
        return filled

    def take(self, most: int) -> tuple[list[object], bool]:
        """What the client reads of it, and whether that made room in a socket that was full."""
        taken: list[object] = []
        while self.buffer and len(taken) < most:
            size, body = self.buffer.popleft()
            self.bytes -= size
            taken.append(body)
            if isinstance(body, Numbered):
                self.read = body.u
        drained = self.full and self.bytes <= LOW
        self.full = self.full and not drained
        return taken, drained


def size_of(body: Numbered | Encoded) -> int:
    return body.encoded.size if isinstance(body, Numbered) else body.size
