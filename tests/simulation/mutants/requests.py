"""Bugs in what requests and blocks withhold: in the conversation's actor."""

from typing import Any

import pytest

from actors.conversation import Conversation
from actors.membership import Membership


def marks_told_before_accept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Membership, "shown", property(lambda self: self.settings.send_receipts is not False))


def the_declined_go_on_hearing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Membership, "hears", property(lambda self: not self.left_c))


def blocks_not_looked_at(patch: pytest.MonkeyPatch) -> None:
    init = Conversation.__init__

    def mutated(self: Conversation, *given: Any, **named: Any) -> None:
        init(self, *given, **{**named, "blocked": ()})

    patch.setattr(Conversation, "__init__", mutated)
