"""How far a client is: what it received, what of it the application has stored, and so what it may acknowledge.

An event counts as stored when the application is done with it, not when it was received. A position (epoch, u) is
remembered only when everything up to it is stored, so a process that dies misses nothing when it starts again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from .store import Change, Stored

HEADS_PER_ACK: Final = 1_000


@dataclass(slots=True)
class _NewStream:
    """A stream that did not continue the last one: its first position holds once the missing events are stored."""

    u: int
    since: int | None = None
    order: int | None = None


class Progress:
    """The user's stream and the heads of conversations, as received and as stored.

    `heads` are the stored heads. Orders count what is handed on to the application: 1, 2, 3, …
    """

    def __init__(self, stored: Stored) -> None:
        self.epoch: str | None = stored.position[0] if stored.position else None
        self.u = stored.position[1] if stored.position else 0
        self.heads = stored.heads
        self.since = stored.since
        self.order = 0
        self._stored_u = self.u
        self._taken = 0
        self._new_stream: _NewStream | None = None
        self._marks: deque[tuple[int, str | None, int]] = deque()
        self._handed: deque[tuple[int, str, int, bool]] = deque()
        self._unkept_heads: dict[str, int] = {}
        self._unkept = False
        self._unsaid: dict[str, int] = {}
        self._said: dict[str, int] = {}

    def begin(self, epoch: str, u: int) -> None:
        """A stream begins that does not continue the last one: fresh, resync, continuity."""
        self.epoch, self.u = epoch, u
        # What was stored of the old stream and not remembered yet stays so: its number means nothing in this one.
        self._stored_u, self._unkept = 0, False
        self._marks.clear()
        # Acks no longer cover numbers of the old stream: what still waits to be stored is told by its heads.
        self._handed = deque((order, conversation, c, False) for order, conversation, c, _ in self._handed)
        self._new_stream = _NewStream(u)

    def caught_up(self, since: int | None) -> None:
        """All that the new stream does not carry has been handed on. `since` is the server's time of the answer."""
        if self._new_stream is not None:
            self._new_stream.since, self._new_stream.order = since, self.order
            self._release()

    @property
    def untaken(self) -> int:
        """How much was handed on that the application is not done with."""
        return self.order - self._taken

    def hand_on(self) -> int:
        """The order of the next thing handed on."""
        self.order += 1
        return self.order

    def carries(self, order: int, conversation: str, c: int, *, numbered: bool) -> None:
        """What was handed on under this order stores the conversation up to c; `numbered` if it has a `u` to ack."""
        self._handed.append((order, conversation, c, numbered))

    def counted(self, u: int, conversation: str | None = None, c: int = 0) -> None:
        """Event u was received. It is stored with place c of its conversation, or with the last order handed on."""
        self.u = u
        self._marks.append((u, conversation, c if conversation is not None else self.order))

    def start_head(self, conversation: str, c: int) -> None:
        """Nothing up to c is mine to have: the conversation starts behind it."""
        self.heads[conversation] = self._unkept_heads[conversation] = c

    def taken(self, order: int) -> None:
        """The application is done with everything up to this order."""
        self._taken = order
        handed = self._handed
        while handed and handed[0][0] <= order:
            _, conversation, c, numbered = handed.popleft()
            if c > self.heads.get(conversation, -1):
                self.heads[conversation] = self._unkept_heads[conversation] = c
                if not numbered and c:
                    self._unsaid[conversation] = c
        self._release()

    @property
    def news(self) -> bool:
        """Something has been stored that is not remembered or acknowledged yet."""
        return self._unkept or bool(self._unkept_heads)

    def forget(self, conversation: str) -> None:
        """The conversation is gone: no event of it will be stored."""
        self.heads.pop(conversation, None)
        for heads in (self._unkept_heads, self._unsaid, self._said):
            heads.pop(conversation, None)
        self._handed = deque(entry for entry in self._handed if entry[1] != conversation)
        self._marks = deque((u, None, 0) if named == conversation else (u, named, c) for u, named, c in self._marks)

    def change(self) -> Change | None:
        """What has been stored since the last call, to be remembered; None if nothing."""
        if not self.news:
            return None
        position = (self.epoch, self._stored_u) if self._unkept and self.epoch is not None else None
        heads, self._unkept_heads, self._unkept = self._unkept_heads, {}, False
        return Change(position=position, since=self.since if position else None, heads=heads)

    def ack(self) -> dict[str, Any]:
        """The `ack` for what is stored; u is 0 while the start of a new stream is not."""
        heads = dict(list(self._unsaid.items())[:HEADS_PER_ACK])
        for conversation in heads:
            del self._unsaid[conversation]
        self._said |= heads
        message = {"op": "ack", "epoch": self.epoch, "u": self._stored_u}
        return message | {"heads": heads} if heads else message

    @property
    def unsaid(self) -> bool:
        """Heads wait for another ack."""
        return bool(self._unsaid)

    def pinged(self) -> None:
        """A ping came: acks sent before the one it follows have arrived."""
        self._said.clear()

    def lost(self) -> None:
        """The connection is gone, and perhaps the heads it last carried: they are said again."""
        self._unsaid = self._said | self._unsaid
        self._said = {}

    def _release(self) -> None:
        stored = self._stored_u
        if (new := self._new_stream) is not None:
            if new.order is None or self._taken < new.order:
                return
            self._new_stream, self._unkept, stored = None, True, new.u
            self.since = self.since if new.since is None else new.since
        while self._marks and self._is_stored(*self._marks[0][1:]):
            stored = self._marks.popleft()[0]
        self._unkept = self._unkept or stored != self._stored_u
        self._stored_u = stored

    def _is_stored(self, conversation: str | None, place: int) -> bool:
        return self._taken >= place if conversation is None else self.heads.get(conversation, -1) >= place
