"""Bugs in marks and in what is read."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from actors.conversation import Conversation
from actors.conversation_commands import Read
from actors.membership import Membership
from persistence.conversations import memory
from persistence.conversations.memory import MemoryConversations
from protocol.events import ReceiptMoved
from protocol.ids import ConversationId, Millis, UserId
from protocol.replies import SyncPage


def marks_not_clamped(patch: pytest.MonkeyPatch) -> None:
    read = Conversation._read

    def mutated(self: Conversation, command: Read, now: Millis) -> Any:
        last_c, self.last_c = self.last_c, command.c
        try:
            return read(self, command, now)
        finally:
            self.last_c = last_c

    patch.setattr(Conversation, "_read", mutated)


def marks_may_fall(patch: pytest.MonkeyPatch) -> None:
    read = Conversation._read

    def mutated(self: Conversation, command: Read, now: Millis) -> Any:
        if member := self.members.get(command.user):
            member.read_c = min(member.read_c, command.c - 1)
        return read(self, command, now)

    patch.setattr(Conversation, "_read", mutated)
    patch.setattr(Membership, "move", _overwrite)


def _overwrite(self: Membership, moved: ReceiptMoved) -> None:
    self.delivered_c = self.wanted_c = moved.delivered_c or self.delivered_c
    self.read_c = moved.read_c or self.read_c


def settings_not_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(memory, "chosen", lambda fact: {})


def marks_not_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(memory, "_marked", lambda members, unit, last_c, now: ())


def sync_skips_one(patch: pytest.MonkeyPatch) -> None:
    sync = MemoryConversations.sync

    async def mutated(
        self: MemoryConversations, user: UserId, heads: Mapping[ConversationId, int], *rest: Any
    ) -> SyncPage:
        return await sync(self, user, {id: c + 1 for id, c in heads.items()}, *rest)

    patch.setattr(MemoryConversations, "sync", mutated)


def stale_reads(patch: pytest.MonkeyPatch) -> None:
    """Questions are answered from a replica that is a moment behind: the last event is not there yet."""
    history = MemoryConversations.history

    async def mutated(self: MemoryConversations, *asked: Any) -> Any:
        found = await history(self, *asked)
        return found and msgspec.structs.replace(found, events=found.events[:-1])

    patch.setattr(MemoryConversations, "history", mutated)


def strangers_let_in(patch: pytest.MonkeyPatch) -> None:
    get = MemoryConversations.get

    async def mutated(self: MemoryConversations, user: UserId, id: ConversationId) -> Any:
        return await get(self, next(iter(self._tables.members.get(id, {user: None}))), id)

    patch.setattr(MemoryConversations, "get", mutated)
