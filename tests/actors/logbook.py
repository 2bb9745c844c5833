"""A store as small as it can be: what conversations commit, and actors made from it again."""

from collections.abc import Iterable

from actors.conversation import Answered, Conversation
from actors.membership import Membership
from protocol.events import AnyLogEvent
from protocol.facts import Chosen, Fact, Said
from protocol.ids import ConversationId, Millis, UserId

ID = ConversationId("5")


class Logbook:
    """One conversation as it is kept. `left` are former members; marks only grow."""

    def __init__(self, members: Iterable[UserId], left: Iterable[UserId] = ()) -> None:
        self.log: list[AnyLogEvent] = []
        self.digests: list[int] = []
        self.members = set(members)
        self.left = set(left)
        self.delivered = dict.fromkeys(self.members, 0)
        self.read = dict.fromkeys(self.members, 0)
        self.receipts = dict.fromkeys(self.members, True)

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
            if isinstance(fact.settings.send_receipts, bool):
                self.receipts[fact.user] = fact.settings.send_receipts
        else:
            for marks, c in ((self.delivered, fact.delivered_c), (self.read, fact.read_c)):
                if isinstance(c, int):
                    assert 0 < c <= len(self.log)
                    marks[fact.user] = max(marks[fact.user], c)

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
                send_receipts=self.receipts[user],
            )
            for user in sorted(self.members)
        ]
        members += [Membership(user, left_c=1) for user in sorted(self.left)]
        known = [(user, *found) for user, cid in cids for found in self.find(user, [cid])]
        at = self.log[-1].at if self.log else Millis(0)
        return Conversation(ID, len(self.log), at, members, known)
