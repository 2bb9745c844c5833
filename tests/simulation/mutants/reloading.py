"""Bugs in what follows on a failure: reloads, retries, what is still to be said."""

from typing import Any

import msgspec
import pytest

from actors.conversation import Conversation
from actors.conversation_commands import Send
from actors.effects import Effect, Reply
from persistence.conversations import memory
from persistence.conversations.memory import MemoryConversations
from protocol.errors import NOT_FOUND, Refusal
from protocol.ids import Millis
from server.activation import Activated, Activation
from server.host import Host
from server.kinds import ConversationTicket, UserKind


def no_delivery_after_an_unknown_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ConversationTicket, "unsaid", lambda self, stored: ())


def reads_unsaid_after_an_unknown_commit(patch: pytest.MonkeyPatch) -> None:
    unsaid = ConversationTicket.unsaid

    def mutated(self: ConversationTicket, stored: Any) -> Any:
        return tuple(msgspec.structs.replace(announce, reads=()) for announce in unsaid(self, stored))

    patch.setattr(ConversationTicket, "unsaid", mutated)


def settings_unsaid_after_an_unknown_commit(patch: pytest.MonkeyPatch) -> None:
    unsaid = ConversationTicket.unsaid

    def mutated(self: ConversationTicket, stored: Any) -> Any:
        return tuple(msgspec.structs.replace(announce, settings=()) for announce in unsaid(self, stored))

    patch.setattr(ConversationTicket, "unsaid", mutated)


def retry_not_remembered_on_reload(patch: pytest.MonkeyPatch) -> None:
    activate = MemoryConversations.activate
    patch.setattr(
        MemoryConversations, "activate", lambda self, id, askers, cids, after: activate(self, id, askers, (), after)
    )


def retry_forgotten_altogether(patch: pytest.MonkeyPatch) -> None:
    """Neither the reload nor the statement knows a cid again."""
    retry_not_remembered_on_reload(patch)
    patch.setattr(memory, "_cids", lambda unit: [])


def refused_without_a_look(patch: pytest.MonkeyPatch) -> None:
    """A conversation that takes no more than eight messages says so before it has looked the cid up in the log."""
    send = Conversation._send

    def mutated(self: Conversation, command: Send, now: Millis) -> list[Effect] | Refusal:
        if self.last_c > 8 and (command.user, command.wire.cid) not in self._answered:
            return [Reply(command.request, NOT_FOUND)]
        return send(self, command, now)

    patch.setattr(Conversation, "_send", mutated)


def order_not_asked_for(patch: pytest.MonkeyPatch) -> None:
    """`after` is ignored."""
    may_send = Conversation._may_send

    def mutated(self: Conversation, send: Any) -> Refusal | None:
        refusal = may_send(self, send)
        return None if refusal and refusal.code == "out_of_order" else refusal

    patch.setattr(Conversation, "_may_send", mutated)


def questions_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What the store answers to an actor gets lost, and who asked is left waiting."""
    inform = Host._inform

    def mutated(self: Host, activation: Activation, command: Any) -> None:
        if type(command).__name__ != "Looked":
            inform(self, activation, command)

    patch.setattr(Host, "_inform", mutated)


def news_given_up_when_late(patch: pytest.MonkeyPatch) -> None:
    """What nobody waits for is dropped after three seconds, as what somebody waits for."""
    give_up = Activation.give_up

    def mutated(self: Activation, now: Millis) -> Any:
        late = [mail for mail in self.mailbox or () if mail.command.request is None and now - mail.arrived > 300]
        self.mailbox = [mail for mail in self.mailbox or () if mail not in late] or None
        return give_up(self, now)

    patch.setattr(Activation, "give_up", mutated)


def no_continuity_after_a_crash(patch: pytest.MonkeyPatch) -> None:
    activate = UserKind.activate

    def mutated(self: UserKind, address: Any, commands: Any, ticket: Any) -> Activated:
        activated = activate(self, address, commands, ticket)
        return Activated(activated.actor, activated.ticket)

    patch.setattr(UserKind, "activate", mutated)


def a_crash_while_reloading_ends_the_host(patch: pytest.MonkeyPatch) -> None:
    def mutated(self: Host, activation: Activation) -> None:
        activation.shut = False
        activated = activation.activate()
        if isinstance(activated, Activated):
            self._loaded(activation, activated)
        else:
            self._spawn(self._loading(activation, activated, len(activation.mailbox or ())))

    patch.setattr(Host, "_load", mutated)
