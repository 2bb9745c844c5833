"""The user actor: one numbered stream, given to all of one person's devices.

Composed of `Stream`, `Sessions` and `UserPresence`.
"""

from collections.abc import Iterable, Set
from typing import Literal, assert_never

from actors.conversation_commands import MarkDelivered
from actors.effects import (
    PRESENCE_STORE,
    STORE,
    Deliver,
    Effect,
    Reply,
    Tell,
    Wake,
    Woken,
    connection_address,
    conversation_address,
)
from actors.sessions import Behind, Key, Session, Sessions
from actors.stream import Stream
from actors.user_commands import (
    Acked,
    Attach,
    Delivered,
    Detach,
    Drained,
    Filled,
    Looked,
    Policy,
    PostGone,
    ReadSnapshot,
    Reattach,
    Related,
    Report,
    See,
    SetBackground,
    SetVisible,
    Shed,
    Show,
    SnapshotRead,
    Standing,
    UserCommand,
    VisibleSet,
    Watch,
)
from actors.user_presence import GRACE, SEEN, UserPresence
from protocol.codec import Encoded
from protocol.errors import OVERLOADED, SUPERSEDED, TOO_SLOW, UNAVAILABLE, Close
from protocol.events import LogEvent, MessageSent
from protocol.ids import ConversationId, Millis, UserId
from protocol.live import LiveEvent, PostRemoved
from protocol.replies import Done, Welcome
from protocol.session import Continuity, Synced

SLICE = 32 * 1024
STUCK_MS = 10_000
MOVING = frozenset((Attach, Detach, Reattach, SetBackground, Watch, Woken, Shed))
"""Commands after which a user may stand otherwise than before."""


class User:
    """One user while somebody may still resume. Nothing of it is durable: a new one begins a new epoch."""

    __slots__ = ("_made", "_policy", "_presence", "_sessions", "_stream", "id")

    def __init__(self, id: UserId, epoch: str, policy: Policy) -> None:
        self.id = id
        self._policy = policy
        self._stream = Stream(epoch)
        self._sessions = Sessions()
        self._made = 0
        self._presence = UserPresence(id)

    def handle(self, command: UserCommand, now: Millis) -> list[Effect]:
        effects = self._handle(command, now)
        if type(command) not in MOVING:
            return effects
        return effects + self._presence.stand(self._sessions, self._policy.resume_ms, now)

    def _handle(self, command: UserCommand, now: Millis) -> list[Effect]:
        match command:
            case Delivered():
                return self._deliver(command.encoded, command.only, now)
            case See():
                return self._see(command.encoded, now)
            case Acked():
                return self._acked(command)
            case Attach():
                return self._attach(command, now)
            case Detach():
                return self._detach(command, now)
            case Drained():
                session = self._sessions.of_connection(command.connection)
                return self._pump(session, now) if session and not (session.behind and session.behind.reading) else []
            case Filled():
                session = self._sessions.of_connection(command.connection)
                if session and session.behind is None:
                    session.behind = Behind(0)
                return []
            case SnapshotRead():
                return self._snapshot_read(command, now)
            case SetBackground():
                return self._set_background(command, now)
            case Reattach():
                return self._reattach(command)
            case Shed():
                return self._shrink(command.ring_bytes, now)
            case Watch():
                return self._presence.watch(command, self._sessions)
            case Looked():
                return self._presence.looked(command)
            case Show():
                return [Tell(PRESENCE_STORE, SetVisible(self.id, command.request, command.visible))]
            case VisibleSet():
                return [Reply(command.asked, command.result)]
            case Related():
                self._sessions.forget_sights()
                return []
            case PostGone():
                return self._lose_post(command)
            case Woken():
                return self._woken(command.key, now)
            case _:
                assert_never(command)

    def may_rest(self) -> bool:
        """No device is here or may still resume."""
        return not self._sessions

    def put_off(self) -> tuple[UserCommand, ...]:
        """Nothing: what devices have stored they say again to the next one."""
        return ()

    def lacks(self, event: LogEvent) -> bool:
        """Neither this event nor a later one of its conversation was delivered."""
        return self._stream.lacks(event.conversation, event.c)

    @property
    def ring_bytes(self) -> int:
        """What is kept for whoever is behind or away."""
        return self._stream.bytes

    @property
    def standing(self) -> Standing:
        """Whether this user is here, as it was told last."""
        return self._presence.standing

    @property
    def devices(self) -> int:
        """Here, or away and allowed to resume."""
        return len(self._sessions)

    @property
    def in_front(self) -> bool:
        """Somebody has a screen before them: a device is connected and not in the background."""
        return any(session.connection and not session.background for session in self._sessions)

    @property
    def connections(self) -> list[int]:
        """Of the devices that are here."""
        return [session.connection for session in self._sessions if session.connection]

    def keeps(self, keys: Set[Key]) -> set[Key]:
        """Those of these keys whose live event waits for a socket."""
        return self._sessions.keep(keys)

    # -- devices come and go ------------------------------------------------------------------------------------

    def _attach(self, hello: Attach, now: Millis) -> list[Effect]:
        session = self._sessions.of_device(hello.device) or self._join(hello.device)
        if session is None:
            return [Reply(hello.request, UNAVAILABLE), _close(hello.request.connection, OVERLOADED)]
        if session.connection > hello.request.connection:
            # Numbers go up as sockets are accepted: what stood in a queue while its client came back is the older one.
            return [_close(hello.request.connection, SUPERSEDED), Reply(hello.request, UNAVAILABLE)]
        effects = self._supersede(session.connection) if session.connection else []
        stream, resume = self._stream, hello.resume
        outcome: Literal["fresh", "resumed", "resync"] = "fresh" if resume is None else "resync"
        u, stored = stream.u, list[Effect]()
        if resume is not None and resume.epoch == stream.epoch and stream.holds(resume.u):
            outcome, u, stored = "resumed", resume.u, self._stored(session, resume.u)
        reading = outcome != "resumed" and hello.snapshot
        behind = Behind(stream.bytes_after(u), reading=reading, owes_synced=True)
        session.attach(hello.request.connection, u, behind, background=hello.background)
        self._free()
        effects += [Reply(hello.request, self._welcome(outcome, hello.background, now)), *stored]
        if reading:
            return [*effects, Tell(STORE, ReadSnapshot(self.id, session.connection))]
        return [*effects, *self._pump(session, now), *self._watch(session, now)]

    def _supersede(self, connection: int) -> list[Effect]:
        return [_close(connection, SUPERSEDED), *self._presence.show(connection, None)]

    def _join(self, device: str) -> Session | None:
        """What a device that was not here may have stored is not known: it counts from now on."""
        sessions = self._sessions.joined(device, self._stream.u)
        if sessions is None:
            return None
        self._sessions = sessions
        return sessions[-1]

    def _welcome(self, outcome: Literal["fresh", "resumed", "resync"], background: bool, now: Millis) -> Welcome:
        self._made += 1
        policy, stream = self._policy, self._stream
        ping_ms = policy.background_ping_ms if background else policy.ping_ms
        session = f"{stream.epoch}.{self._made}"
        return Welcome(session, self.id, stream.epoch, stream.u, outcome, ping_ms, now, policy.limits)

    def _snapshot_read(self, read: SnapshotRead, now: Millis) -> list[Effect]:
        session = self._sessions.of_connection(read.connection)
        if session is None or session.behind is None:
            return []
        if read.snapshot is None:
            return self._drop(session, OVERLOADED, now)
        session.behind.reading = False
        here = connection_address(session.connection)
        # Answers to other requests may have filled the socket meanwhile: it is asked before it gets more.
        return [Deliver((here,), Encoded(read.snapshot)), Tell(here, Report())]

    def _reattach(self, command: Reattach) -> list[Effect]:
        """Whether the socket takes more, only an earlier actor knew: it is asked."""
        session = self._join(command.device)
        if session is None:
            return [_close(command.connection, OVERLOADED)]
        session.attach(command.connection, self._stream.u, Behind(0), background=command.background)
        here = connection_address(command.connection)
        return [Deliver((here,), Encoded(Continuity(self._stream.epoch, self._stream.u))), Tell(here, Report())]

    def _detach(self, gone: Detach, now: Millis) -> list[Effect]:
        session = self._sessions.of_connection(gone.connection)
        if session is None:
            return []
        effects = self._leave_screen(session, now)
        if gone.goodbye:
            self._sessions = self._sessions.without(session)
            self._free()
            return effects
        session.leave(Millis(now + self._policy.resume_ms))
        return [*effects, *self._wake_for_claims()]

    def _drop(self, session: Session, close: Close, now: Millis) -> list[Effect]:
        """Close a connection from this side; nothing more is written to it, and its device may resume."""
        effects: list[Effect] = [_close(session.connection, close), *self._leave_screen(session, now)]
        session.leave(Millis(now + self._policy.resume_ms))
        return [*effects, *self._wake_for_claims()]

    def _set_background(self, command: SetBackground, now: Millis) -> list[Effect]:
        if session := self._sessions.of_connection(command.request.connection):
            if command.on and not session.background:
                self._presence.active_at = now
            session.background = command.on
            if command.on and session.behind:
                session.behind.take_waiting()
        return [Reply(command.request, Done())]

    # -- presence -----------------------------------------------------------------------------------------------

    def _leave_screen(self, session: Session, now: Millis) -> list[Effect]:
        """The session's connection is gone, and nothing is on its screen any more."""
        if not session.background:
            self._presence.active_at = now
        return self._presence.show(session.connection, None)

    def _see(self, encoded: Encoded, now: Millis) -> list[Effect]:
        return [*self._tell_seen(self._presence.see(encoded, now)), *self._presence.wake()]

    def _tell_seen(self, told: Iterable[Encoded]) -> list[Effect]:
        effects: list[Effect] = []
        for encoded in told:
            user = encoded.event.user  # type: ignore[attr-defined]
            sessions = [session for session in self._sessions if self._presence.shows(session.connection, user)]
            effects += self._deliver_live(encoded, ("presence", user), sessions)
        return effects

    # -- time ---------------------------------------------------------------------------------------------------

    def _wake_for_claims(self) -> list[Effect]:
        claims = self._sessions.claims()
        return [Wake(min(claims), "claims")] if claims else []

    def _woken(self, key: str, now: Millis) -> list[Effect]:
        if key == "claims":
            self._sessions = self._sessions.alive(now)
            self._free()
            return self._wake_for_claims()
        if key == GRACE:
            return []
        if key == SEEN:
            return [*self._tell_seen(self._presence.due(now)), *self._presence.wake()]
        session = self._sessions.of_connection(int(key))
        behind = session and session.behind
        if not session or not behind or behind.stuck_since is None:
            return []
        if behind.held <= self._policy.send_budget:
            behind.stuck_since = None
            return []
        if now - behind.stuck_since >= STUCK_MS:
            return self._drop(session, TOO_SLOW, now)
        return [Wake(Millis(behind.stuck_since + STUCK_MS), key)]

    def _watch(self, session: Session, now: Millis) -> list[Effect]:
        """Past the budget a connection has ten seconds to make progress."""
        behind = session.behind
        if behind is None or behind.stuck_since is not None or behind.held <= self._policy.send_budget:
            return []
        behind.stuck_since = now
        return [Wake(Millis(now + STUCK_MS), str(session.connection))]

    # -- events -------------------------------------------------------------------------------------------------

    def _deliver(self, encoded: Encoded, only: int, now: Millis) -> list[Effect]:
        if isinstance(encoded.event, LiveEvent):
            sessions = [one for one in self._sessions if only in (0, one.connection)]
            return self._deliver_live(encoded, encoded.event.key, sessions)
        numbered = self._stream.append(encoded)
        if numbered is None:
            return []
        effects: list[Effect] = []
        flowing = []
        for session in self._sessions:
            if session.behind is not None:
                session.behind.add(encoded.size, self._policy.send_budget)
                effects += self._watch(session, now)
            elif session.connection:
                session.sent = numbered.u
                flowing.append(connection_address(session.connection))
        if not self._sessions:
            self._free()
        elif self._stream.bytes > self._policy.ring_bytes:
            effects += self._shrink(self._policy.ring_bytes, now)
        return [Deliver(tuple(flowing), numbered), *effects] if flowing else effects

    def _deliver_live(self, encoded: Encoded, key: Key, sessions: Iterable[Session]) -> list[Effect]:
        """To those in the foreground; where it has to wait it takes the place of an older one of its key."""
        flowing = []
        for session in sessions:
            if session.background or not session.connection:
                continue
            if session.behind is None:
                flowing.append(connection_address(session.connection))
            else:
                session.behind.keep(key, encoded, self._policy.send_budget)
        return [Deliver(tuple(flowing), encoded)] if flowing else []

    def _lose_post(self, gone: PostGone) -> list[Effect]:
        """Who shows the post is told past what waits: so nothing that waits may bring it back."""
        event = gone.removed.event
        assert isinstance(event, PostRemoved)
        self._sessions.forget(event.voids)
        if not gone.connection or self._sessions.of_connection(gone.connection) is None:
            return []
        return [Deliver((connection_address(gone.connection),), gone.removed)]

    def _shrink(self, ring_bytes: int, now: Millis) -> list[Effect]:
        """The ring is full: whoever is behind what is left cannot go on without a gap and starts anew."""
        base = self._stream.base_within(ring_bytes)
        for session in self._sessions:
            session.unacked = {**(session.unacked or {}), **self._from_others(session.acked, base)} or None
        self._stream.free(base)
        behind = [session for session in self._sessions if session.connection and session.sent < self._stream.base]
        return [effect for session in behind for effect in self._drop(session, TOO_SLOW, now)]

    def _pump(self, session: Session, now: Millis) -> list[Effect]:
        """Send the next slice from the session's position; the rest when the socket has drained."""
        behind = session.behind
        if behind is None:
            return []
        here = (connection_address(session.connection),)
        effects: list[Effect] = []
        for numbered in self._stream.after(session.sent, SLICE):
            effects.append(Deliver(here, numbered))
            session.sent = numbered.u
            behind.backlog -= numbered.encoded.size
        if session.sent < self._stream.u:
            if behind.stuck_since is not None:
                behind.stuck_since = now
            return [*effects, Tell(here[0], Report())]
        session.behind = None
        if behind.owes_synced:
            effects.append(Deliver(here, Encoded(Synced(session.sent))))
        return [*effects, *(Deliver(here, encoded) for encoded in behind.take_waiting())]

    def _acked(self, ack: Acked) -> list[Effect]:
        session = self._sessions.of_connection(ack.connection)
        if session is None or ack.epoch != self._stream.epoch:
            return []
        u = min(ack.u, session.sent)
        if u <= session.acked:
            return []
        stored = self._stored(session, u)
        session.acked = u
        self._free()
        return stored

    def _stored(self, session: Session, u: int) -> list[Effect]:
        """A device has stored all events up to `u`: others' messages among them are delivered."""
        delivered = self._from_others(session.acked, u)
        if session.unacked and u >= self._stream.base:
            delivered = {**session.unacked, **delivered}
            session.unacked = None
        return [Tell(conversation_address(id), MarkDelivered(self.id, c)) for id, c in delivered.items()]

    def _from_others(self, after: int, u: int) -> dict[ConversationId, int]:
        """The last message of others per conversation among the events after `after` up to `u` that the ring holds."""
        events = (encoded.event for encoded in self._stream.between(after, u))
        return {
            event.conversation: event.c
            for event in events
            if isinstance(event, MessageSent) and event.sender != self.id
        }

    def _free(self) -> None:
        self._stream.free(self._sessions.acked(self._stream.u))


def _close(connection: int, close: Close) -> Tell:
    return Tell(connection_address(connection), close)
