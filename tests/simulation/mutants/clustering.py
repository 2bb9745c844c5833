"""Bugs between nodes: in links, homes and leases, and in the repair of what went astray."""

from collections.abc import Sequence
from itertools import count

import pytest

from actors.conversation import Conversation
from actors.conversation_commands import ConversationCommand
from actors.effects import Commit, Effect
from protocol.codec import Encoded
from protocol.events import ReadMoved, ReceiptMoved
from protocol.ids import Millis, UserId
from server.cluster.frames import Frame
from server.cluster.homes import Homes
from server.cluster.links import Links, Peer
from server.cluster.repair import Repair
from server.cluster.router import Router
from server.cluster.told import Told


def never_repaired(patch: pytest.MonkeyPatch) -> None:
    """A hint without repair: what a link loses is lost."""

    async def mutated(self: Repair) -> float:
        self._gone, self._since = {}, []
        return 0

    patch.setattr(Repair, "_round", mutated)


def holes_not_noticed(patch: pytest.MonkeyPatch) -> None:
    def mutated(self: Peer, frame: Frame) -> bool:
        fresh = frame.number > self.got or not frame.items
        self.got = max(self.got, frame.number)
        return fresh

    patch.setattr(Peer, "take", mutated)


def silence_taken_for_nothing(patch: pytest.MonkeyPatch) -> None:
    """Who is not heard has nothing to say."""
    patch.setattr(Links, "doubtful", lambda self: [peer for peer in self.peers.values() if peer.holes])


def homes_never_move(patch: pytest.MonkeyPatch) -> None:
    """Sockets stay where they are, and what is said to their users goes elsewhere."""
    patch.setattr(Homes, "changed", lambda self: None)


def answers_are_waited_for_without_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Links, "_give_up", lambda self, peer, asked: None)


def told_marks_fall(patch: pytest.MonkeyPatch) -> None:
    def rising(self: Told, event: ReceiptMoved) -> ReceiptMoved:
        return event

    def rising_own(self: Told, user: UserId, event: ReadMoved) -> bool:
        return True

    patch.setattr(Told, "rising", rising)
    patch.setattr(Told, "rising_own", rising_own)


def answers_from_memory(patch: pytest.MonkeyPatch) -> None:
    """What changes nothing is answered by whoever remembers the conversation, though another one may have written: as
    they often do here, where many a node takes another one for silent."""
    handle, turns = Conversation.handle, count()

    def mutated(self: Conversation, command: ConversationCommand, now: Millis) -> list[Effect]:
        return [effect for effect in handle(self, command, now) if effect != Commit()]

    patch.setattr(Conversation, "handle", mutated)
    patch.setattr(Links, "passes", lambda self, node: next(turns) // 5 % 2 == 0)


def news_kept_to_oneself(patch: pytest.MonkeyPatch) -> None:
    """What is decided here is told to those who are here."""

    def mutated(self: Router, users: Sequence[UserId], encoded: Encoded, hops: int) -> None:
        self.tell_here([user for user in users if self._membership.home(user) is None], encoded)

    patch.setattr(Router, "_to_users", mutated)
    never_repaired(patch)
