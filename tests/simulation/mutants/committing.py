"""Bugs between a decision and its answer: in the host, the committer and the statement."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from actors.effects import Commit, Deliver, Effect, Reply
from persistence.conversations import memory
from persistence.conversations.contract import Outcome, Unit
from persistence.conversations.database import Tables, Transaction
from protocol.errors import Refusal
from protocol.ids import Millis
from server.activation import Activation, Mail
from server.committer import Committer
from server.host import Host


def _let_out_early(patch: pytest.MonkeyPatch, early: Callable[[Effect], bool]) -> None:
    """Some effects do not wait for the commit."""
    launch = Host._launch

    def mutated(self: Host, activation: Activation) -> None:
        row = activation.open
        if row is not None and activation.flying is None:
            self._act(activation, [effect for effect in row.effects if early(effect)])
            row.effects = [effect for effect in row.effects if not early(effect)]
        launch(self, activation)

    patch.setattr(Host, "_launch", mutated)


def reply_before_commit(patch: pytest.MonkeyPatch) -> None:
    _let_out_early(patch, lambda effect: isinstance(effect, Reply))


def deliver_before_commit(patch: pytest.MonkeyPatch) -> None:
    _let_out_early(patch, lambda effect: isinstance(effect, Deliver))


def effects_out_of_order(patch: pytest.MonkeyPatch) -> None:
    """What commits nothing overtakes what is in flight."""
    hold = Activation.hold

    def mutated(self: Activation, mail: Mail, effects: list[Effect]) -> bool:
        return any(isinstance(effect, Commit) for effect in effects) and hold(self, mail, effects)

    patch.setattr(Activation, "hold", mutated)


def effects_backwards(patch: pytest.MonkeyPatch) -> None:
    act = Host._act
    patch.setattr(Host, "_act", lambda self, activation, effects: act(self, activation, effects[::-1]))


def _mistaken(patch: pytest.MonkeyPatch, mistaken: str, answer: str) -> None:
    landed = Host._landed

    def mutated(self: Host, activation: Activation, generation: int, given: Any) -> None:
        landed(self, activation, generation, answer if given == mistaken else given)  # type: ignore[arg-type]

    patch.setattr(Host, "_landed", mutated)


def lost_taken_for_committed(patch: pytest.MonkeyPatch) -> None:
    _mistaken(patch, "lost", "committed")


def unknown_taken_for_committed(patch: pytest.MonkeyPatch) -> None:
    _mistaken(patch, "unknown", "committed")


def unknown_finally_refused(patch: pytest.MonkeyPatch) -> None:
    landed = Host._landed

    def mutated(self: Host, activation: Activation, generation: int, answer: Any) -> None:
        if answer == "unknown" and generation == activation.generation and activation.flying:
            for mail in activation.flying.mails:
                self._refuse(mail.command, Refusal("bad_request", "it did not work"))
            activation.flying = None
        landed(self, activation, generation, answer)

    patch.setattr(Host, "_landed", mutated)


def fence_ignored_in_the_statement(patch: pytest.MonkeyPatch) -> None:
    put = memory._put

    def mutated(tables: Tables, unit: Unit, transaction: Transaction, now: Millis) -> Outcome:
        return put(tables, msgspec.structs.replace(unit, fence=tables.heads[unit.id].fence), transaction, now)

    patch.setattr(memory, "_put", mutated)


def dedupe_removed_from_the_statement(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(memory, "_cids", lambda unit: [])


def two_units_in_one_statement(patch: pytest.MonkeyPatch) -> None:
    """A reloaded actor's row goes along with the void one of its predecessor."""

    def mutated(self: Committer) -> list[Any]:
        return [self._queue.popleft() for _ in range(len(self._queue))]

    patch.setattr(Committer, "_take", mutated)
