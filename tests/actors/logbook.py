"""A store as small as it can be: what conversations commit, and actors made from it again."""

from collections.abc import Iterable

from actors.conversation import Conversation
from actors.conversation_commands import Answered
from actors.membership import Membership
from protocol.codec import settings_of
from protocol.events import AnyLogEvent
from protocol.facts import NOTHING_SET, Chosen, Fact, Said, Settings
from protocol.ids import ConversationId, Millis, UserId

ID = ConversationId("5")


class Logbook:
    """One conversation as it is kept. `left` are former members; marks only grow. `blocked` has the lower id first."""

    def __init__(self, members: Iterable[UserId], left: Iterable[UserId] = (), *, direct: bool = False) -> None:
        self.direct = direct
        self.blocked: set[tuple[UserId, UserId]] = set()
        self.log: list[AnyLogEvent] = []
        self.digests: list[int] = []
        self.members = set(members)
        self.left = set(left)
        self.delivered = dict.fromkeys(self.members, 0)
        self.read = dict.fromkeys(self.members, 0)
        self.settings = dict.fromkeys(self.members, NOTHING_SET)

    def commit(self, fact: Fact) -> None:
        """Fails where a database would, and where a fact would break the order of the log."""
        if isinstance(fact, Said):
            event = fact.event
            assert event.c == len(self.log) + 1
            assert event.sender in self.members
            assert not self.find(event.sender, [event.cid])
            assert not self.log or self.log[-1].at <= event.at
            self.log.append(event)
            self.digests.append(fact.digest)
        elif isinstance(fact, Chosen):
            stands, shown = self.settings[fact.user], self.shows(fact.user)
            changed = settings_of(fact.settings)
            assert changed.pop("conversation") == ID
            assert changed.pop("v") == stands.v + 1
            assert changed
            assert all(getattr(stands, name) != value for name, value in changed.items())
            self.settings[fact.user] = Settings(**settings_of(stands) | changed | {"v": stands.v + 1})
            assert fact.shown == (shown != self.shows(fact.user))
        else:
            assert fact.shown == self.shows(fact.user)
            for marks, c in ((self.delivered, fact.moved.delivered_c), (self.read, fact.moved.read_c)):
                if isinstance(c, int):
                    assert 0 < c <= len(self.log)
                    marks[fact.user] = max(marks[fact.user], c)

    def shows(self, user: UserId) -> bool:
        """The others see how far this member has got."""
        own = self.settings[user]
        return own.send_receipts is not False and own.folder == "inbox" and not self.cut

    @property
    def cut(self) -> bool:
        """Two of whom one blocks the other, and nobody else."""
        return self.direct and bool(self.blocked)

    def find(self, user: UserId, cids: Iterable[str]) -> tuple[tuple[str, Answered], ...]:
        wanted = set(cids)
        return tuple(
            (event.cid, Answered(digest, event.c, event.at))
            for event, digest in zip(self.log, self.digests, strict=True)
            if event.sender == user and event.cid in wanted
        )

    def load(self, cids: Iterable[tuple[UserId, str]] = ()) -> Conversation:
        """The actor as an activation makes it, with what is known of the cids that are about to be asked for."""
        members = [
            Membership(
                user,
                delivered_c=self.delivered[user],
                read_c=self.read[user],
                settings=self.settings[user],
            )
            for user in sorted(self.members)
        ]
        members += [Membership(user, left_c=1) for user in sorted(self.left)]
        known = [(user, *found) for user, cid in cids for found in self.find(user, [cid])]
        at = self.log[-1].at if self.log else Millis(0)
        return Conversation(ID, len(self.log), at, members, known, direct=self.direct, blocked=sorted(self.blocked))
