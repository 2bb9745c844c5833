"""Who may have to be told by a push, until somebody looks whether they do: a pure table on a clock of its own.

    message ─► somebody in front of a screen ─► held 7 s ─┬─► read: gone; read in part: held 7 s more
                                                          ▼
            └► nobody there ─────────────────────────► due now, one entry per reader and conversation

An entry is all that anybody with a screen before them costs; the database hears of it when they have not read it.
"""

from collections.abc import Callable, Collection, Sequence

from msgspec import Struct

from persistence.messages.contract import Recipient
from protocol.events import MessageSent, ReadMoved
from protocol.ids import ConversationId, UserId

HOLD_S = 7.0
"""Read in part, it is held once more: for 14 s at most that are not read, within the 5 to 15 that are asked for."""
MOST = 50_000
"""Entries. What finds no room is left to the sweep, as is all that a crash takes with it."""
KNOWN_S = 2.5
"""For so long, and up to twice that, somebody without a device is known to have none."""

_Key = tuple[UserId, ConversationId]


class _Held(Struct, gc=False):
    """`first` is the place of the oldest message that is held."""

    due: float
    first: int
    recipient: Recipient


class Waiting:
    """`now` is monotonic seconds. `held` counts messages that were held, `read` those read meanwhile."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.held = self.read = self.overflowed = 0
        self._now = now
        # In the order of their time, as all are held for as long.
        self._holding: dict[_Key, _Held] = {}
        self._due: dict[_Key, Recipient] = {}
        self._unreachable: set[UserId] = set()
        self._unreachable_before: set[UserId] = set()
        self._turned_at = now()

    def __len__(self) -> int:
        return len(self._holding) + len(self._due)

    def reachable(self, user: UserId) -> bool:
        """Nothing is known of them that would make a push useless."""
        return user not in self._unreachable and user not in self._unreachable_before

    def add(self, user: UserId, message: MessageSent, *, hold: bool) -> None:
        """Somebody is told a message; with `hold` they are in front of a screen."""
        key = user, message.conversation
        self.held += hold
        if (due := self._due.get(key)) is not None:
            self._due[key] = folded(due, Recipient(user, message, message.c))
        elif (held := self._holding.get(key)) is not None:
            held.recipient = folded(held.recipient, Recipient(user, message, message.c))
            if not hold:
                self._due[key] = self._holding.pop(key).recipient
        elif len(self) >= MOST:
            self.overflowed += 1
        elif hold:
            self._holding[key] = _Held(self._now() + HOLD_S, message.c, Recipient(user, message, message.c))
        else:
            self._due[key] = Recipient(user, message, message.c)

    def note_read(self, user: UserId, read: ReadMoved) -> None:
        """Whoever reads as messages come is left alone, also when the newest are not read yet."""
        key = user, read.conversation
        held = self._holding.get(key)
        if held is None or read.read_c < held.first:
            return
        del self._holding[key]
        self.read += 1
        if read.read_c < held.recipient.upto:
            self._holding[key] = _Held(self._now() + HOLD_S, read.read_c + 1, held.recipient)

    def take(self, most: int) -> list[Recipient]:
        """So many of those that are due, which are then no longer kept here."""
        now = self._now()
        while self._holding:
            key, held = next(iter(self._holding.items()))
            if held.due > now:
                break
            del self._holding[key]
            self._due[key] = held.recipient
        if now - self._turned_at > KNOWN_S:
            self._turned_at = now
            self._unreachable_before, self._unreachable = self._unreachable, set()
        taken = [recipient for _, recipient in zip(range(most), self._due.values(), strict=False)]
        for recipient in taken:
            del self._due[recipient.user, recipient.message.conversation]
        return taken

    def release(self) -> list[Recipient]:
        """Everything, also what is still held, each with what is left of its hold: this node ends."""
        now = self._now()
        held = [
            Recipient(
                one.recipient.user, one.recipient.message, one.recipient.upto, max(0, round((one.due - now) * 1e3))
            )
            for one in self._holding.values()
        ]
        released = [*self._due.values(), *held]
        self._due.clear()
        self._holding.clear()
        return released

    def put_back(self, recipients: Sequence[Recipient]) -> None:
        """They could not be looked at: they are due all the same."""
        for recipient in recipients:
            key = recipient.user, recipient.message.conversation
            later = self._due.get(key)
            self._due[key] = folded(recipient, later) if later else recipient

    def note_unreachable(self, users: Collection[UserId]) -> None:
        """They have no device. Who registers one is told by a push from then on, within KNOWN_S twice, or by the
        sweep."""
        self._unreachable.update(users)


def folded(one: Recipient, later: Recipient) -> Recipient:
    """One for both: the later message is shown, unless only the earlier one names its reader."""
    upto = max(one.upto, later.upto)
    shown = one if (one.mentioned and not later.mentioned) or one.message.c > later.message.c else later
    return Recipient(one.user, shown.message, upto)
