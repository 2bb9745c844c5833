"""Bugs in streams and in who is told; the last one is a client's."""

from typing import Any

import msgspec
import pytest

from actors.conversation import Conversation
from actors.effects import Deliver, Effect, connection_address, user_address
from actors.sessions import Session
from actors.stream import Numbered, Stream
from actors.user import User
from actors.user_commands import Attach
from bench.devices.copies import Log
from protocol.codec import Encoded
from protocol.events import AnyLogEvent, ReadMoved
from protocol.ids import Millis, UserId
from protocol.requests import Resume
from protocol.session import Synced
from server.activation import Activated
from server.kinds import UserKind


def everybody_told(patch: pytest.MonkeyPatch) -> None:
    """A conversation's audience is whoever was ever here."""
    everybody: dict[UserId, None] = {}
    activate = UserKind.activate

    def noted(self: UserKind, address: Any, commands: Any, ticket: Any) -> Activated:
        everybody[UserId(str(address.key))] = None
        return activate(self, address, commands, ticket)

    patch.setattr(UserKind, "activate", noted)
    handle = Conversation.handle

    def mutated(self: Conversation, command: Any, now: Millis) -> list[Effect]:
        self.audience = tuple(user_address(user) for user in everybody)
        return handle(self, command, now)

    patch.setattr(Conversation, "handle", mutated)


def u_not_counted(patch: pytest.MonkeyPatch) -> None:
    """Read marks take no number of their own."""
    append = Stream.append

    def mutated(self: Stream, encoded: Encoded) -> Numbered | None:
        if isinstance(encoded.event, ReadMoved):
            return Numbered(encoded, self.u)
        return append(self, encoded)

    patch.setattr(Stream, "append", mutated)


def ring_lies_on_resume(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stream, "holds", lambda self, u: u <= self.u)


def nothing_replayed_on_resume(patch: pytest.MonkeyPatch) -> None:
    """Whoever resumes goes on from the head, wherever they were."""
    attach = User._attach

    def mutated(self: User, hello: Attach, now: Millis) -> list[Effect]:
        if hello.resume is not None and hello.resume.epoch == self._stream.epoch:
            hello = msgspec.structs.replace(hello, resume=Resume(self._stream.epoch, self._stream.u))
        return attach(self, hello, now)

    patch.setattr(User, "_attach", mutated)


def synced_before_replay(patch: pytest.MonkeyPatch) -> None:
    pump = User._pump

    def mutated(self: User, session: Session, now: Millis) -> list[Effect]:
        if session.behind is None or not session.behind.owes_synced:
            return pump(self, session, now)
        session.behind.owes_synced = False
        synced = Encoded(Synced(self._stream.u))
        return [Deliver((connection_address(session.connection),), synced), *pump(self, session, now)]

    patch.setattr(User, "_pump", mutated)


def devices_numbered_apart(patch: pytest.MonkeyPatch) -> None:
    """An event reaches only the first device of a user that takes it."""
    deliver = User._deliver

    def mutated(self: User, encoded: Encoded, only: int, now: Millis) -> list[Effect]:
        effects = deliver(self, encoded, only, now)
        return [
            Deliver(effect.audience[:1], effect.body) if isinstance(effect, Deliver) else effect for effect in effects
        ]

    patch.setattr(User, "_deliver", mutated)


def copies_with_holes(patch: pytest.MonkeyPatch) -> None:
    """A client that takes what comes, wherever its copy ends."""

    def mutated(self: Log, event: AnyLogEvent) -> None:
        if event.c > self.head:
            self._append(event)

    patch.setattr(Log, "apply", mutated)
