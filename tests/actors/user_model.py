"""What must be true of a stream and of what its sockets get, and the host around it: judged effect by effect."""

from collections import deque
from typing import Any

from msgspec import Struct

from actors.conversation_commands import MarkDelivered
from actors.effects import PRESENCE, STORE, Deliver, Effect, Reply, Tell, Wake, Woken, connection_address
from actors.stream import Numbered
from actors.user import STUCK_MS, User
from actors.user_commands import (
    Acked,
    Delivered,
    Detach,
    Drained,
    Filled,
    Policy,
    ReadSnapshot,
    Report,
    Stands,
    UserCommand,
)
from actors.user_presence import OFFLINE
from protocol.codec import Encoded
from protocol.errors import OVERLOADED, SUPERSEDED, TOO_SLOW, Close
from protocol.events import MessageSent
from protocol.ids import ConversationId, Millis, UserId
from protocol.live import Typing
from protocol.replies import Done, Limits, Welcome
from protocol.requests import Resume
from protocol.session import Continuity, Me, Snapshot, Synced
from tests.actors.sockets import Socket, size_of

ME, YOU = UserId("1"), UserId("2")
CONVERSATIONS = [ConversationId(str(number)) for number in range(100, 106)]
DEVICES = ["phone", "tablet", "web"]
POLICY = Policy(
    resume_ms=30_000,
    ping_ms=25_000,
    background_ping_ms=50_000,
    send_budget=48 * 1024,
    ring_bytes=160 * 1024,
    limits=Limits(65_536, 20, 200, 0.33),
)
SNAPSHOT = Snapshot([], Me(ME, "me", {}), Millis(0))
# What the few live events of this test take at most while they wait for a socket.
LIVE_BYTES = 500


class Claim:
    """What a device may still ask for: everything after `acked`, while it is connected or until `until`.

    `told` is how far others' messages were marked as delivered to it.
    """

    def __init__(self, acked: int) -> None:
        self.acked = self.told = acked
        self.until: int | None = None


class UserModel:
    """Runs one user; every effect is judged when it is acted on. Mail waits until it is run."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Millis(1_000_000)
        self.epochs = 0
        self.connections = 0
        self.sockets: dict[int, Socket] = {}
        self.mail: deque[UserCommand] = deque()
        self.stored: dict[str, Resume] = {}
        self.c = dict.fromkeys(CONVERSATIONS, 0)
        self.live: dict[object, Struct] = {}
        self.begin()

    def begin(self) -> None:
        self.epochs += 1
        self.epoch = f"epoch-{self.epochs}"
        self.user = User(ME, self.epoch, POLICY)
        self.truth: list[Encoded] = []
        self.base = 0
        self.heads = dict.fromkeys(CONVERSATIONS, 0)
        self.claims: dict[str, Claim] = {}
        self.snapshots: deque[ReadSnapshot] = deque()
        self.timers: dict[str, Millis] = {}
        self.standing = OFFLINE
        self.marks: dict[ConversationId, int] = {}

    # -- what must be true of the stream ----------------------------------------------------------------------------

    def bytes_after(self, u: int) -> int:
        return sum(encoded.size for encoded in self.truth[u:])

    def free(self) -> None:
        """The ring holds what some device may ask for, as far as the bytes go."""
        self.base = max(self.base, min((claim.acked for claim in self.claims.values()), default=len(self.truth)))
        while self.bytes_after(self.base) > POLICY.ring_bytes:
            self.base += 1

    def socket_of(self, device: str) -> Socket | None:
        return next((one for one in self.sockets.values() if one.device == device and one.open), None)

    # -- the host ---------------------------------------------------------------------------------------------------

    def run(self, most: int = 1_000_000) -> None:
        while self.mail and most > 0:
            most -= 1
            self.step(self.mail.popleft())

    def step(self, command: UserCommand) -> None:
        self.expect(command)
        for effect in self.user.handle(command, self.now):
            self.act(effect)
        assert not self.marks
        self.free()
        for socket in self.open_sockets():
            if self.bytes_after(socket.written) <= POLICY.send_budget:
                socket.over_at = None
            elif socket.over_at is None:
                socket.over_at = self.now

    def expect(self, command: UserCommand) -> None:
        """What the command means for the model, before the actor hears of it."""
        match command:
            case Delivered(encoded=encoded) if isinstance(encoded.event, MessageSent):
                if encoded.event.c > self.heads[encoded.event.conversation]:
                    self.heads[encoded.event.conversation] = encoded.event.c
                    self.truth.append(encoded)
                    self.free()
            case Delivered(encoded=encoded) if not isinstance(encoded.event, Typing):
                self.truth.append(encoded)
                self.free()
            case Delivered(encoded=encoded):
                self.live[encoded.event.user] = encoded.event  # type: ignore[attr-defined]
            case Acked():
                self.expect_marks(command)
            case Detach():
                self.expect_detach(command)
            case Filled() | Drained():
                self.sockets[command.connection].known_full = isinstance(command, Filled)
            case Woken(key="claims"):
                self.claims = {
                    device: claim
                    for device, claim in self.claims.items()
                    if claim.until is None or claim.until > self.now
                }
            case _:
                pass

    def expect_detach(self, gone: Detach) -> None:
        socket = self.sockets[gone.connection]
        if not socket.open:
            return
        socket.open = False
        if gone.goodbye:
            del self.claims[socket.device]
        else:
            self.claims[socket.device].until = self.now + POLICY.resume_ms

    def expect_marks(self, ack: Acked) -> None:
        socket = self.sockets[ack.connection]
        if socket.open and ack.epoch == self.epoch:
            claim = self.claims[socket.device]
            u = max(claim.acked, min(ack.u, socket.written))
            if u > claim.acked:
                claim.acked = u
                self.has_stored(claim, u)

    def has_stored(self, claim: Claim, u: int) -> None:
        """Others' messages among these are delivered, told once, with the first ack of something the ring holds."""
        if u < self.base:
            return
        stored, claim.told = self.truth[claim.told : u], u
        for encoded in stored:
            if isinstance(encoded.event, MessageSent) and encoded.event.sender != ME:
                self.marks[encoded.event.conversation] = encoded.event.c

    def act(self, effect: Effect) -> None:
        match effect:
            case Deliver():
                for address in effect.audience:
                    assert address == connection_address(int(address.key))
                    self.deliver(self.sockets[int(address.key)], effect.body)
            case Reply(request=request, result=Welcome() as welcome):
                self.welcome(self.sockets[request.connection], welcome)
            case Reply():
                assert effect.result == Done()
            case Tell(command=MarkDelivered() as mark):
                assert mark.user == ME
                assert self.marks.pop(ConversationId(str(effect.address.key))) == mark.c
            case Tell(command=ReadSnapshot() as question):
                assert effect.address == STORE
                self.snapshots.append(question)
            case Tell(command=Report()):
                socket = self.sockets[int(effect.address.key)]
                if not socket.full:
                    self.mail.append(Drained(socket.number))
            case Tell(command=Close() as close):
                self.close(self.sockets[int(effect.address.key)], close)
            case Tell(command=Stands() as stands):
                assert effect.address == PRESENCE
                assert stands.standing != self.standing
                self.standing = stands.standing
                here = any(socket.open for socket in self.sockets.values())
                assert not here or stands.standing.state != "offline"
            case Wake():
                assert effect.at > self.now
                self.timers[effect.key] = effect.at
            case _:
                raise AssertionError(effect)

    def deliver(self, socket: Socket, body: Any) -> None:
        """Whatever is written: never to a socket that has ended, never out of order, never to one known to be full."""
        assert socket.open
        if isinstance(body, Numbered):
            assert not socket.known_full
            assert not {"welcome", "snapshot", "continuity"} & set(socket.expects)
            assert body.u == socket.written + 1
            assert body.encoded is self.truth[body.u - 1]
            socket.written = body.u
            socket.progress_at, socket.over_at = self.now, None
        else:
            self.deliver_unnumbered(socket, body.event)
        if socket.write(body, size_of(body)):
            self.mail.append(Filled(socket.number))

    def deliver_unnumbered(self, socket: Socket, event: object) -> None:
        match event:
            case Typing(user=user):
                assert not socket.expects
                assert not socket.known_full
                assert not socket.background
                assert socket.written == len(self.truth)
                assert event is self.live[user]
            case Snapshot():
                assert socket.expects == ["snapshot", "synced"]
                socket.expects.remove("snapshot")
            case Synced(u=u):
                assert socket.expects == ["synced"]
                assert u == socket.written == len(self.truth)
                socket.expects.remove("synced")
            case Continuity(epoch=epoch, u=u):
                assert socket.expects == ["continuity"]
                assert epoch == self.epoch
                assert u == socket.written == len(self.truth) == 0
                socket.expects.remove("continuity")
            case _:
                raise AssertionError(event)

    def welcome(self, socket: Socket, welcome: Welcome) -> None:
        """Resumed if and only if nothing is missing; whoever else had this device has been closed."""
        assert self.socket_of(socket.device) is None
        assert socket.expects == ["welcome"]
        assert (welcome.epoch, welcome.u, welcome.now) == (self.epoch, len(self.truth), self.now)
        assert welcome.ping_ms == (POLICY.background_ping_ms if socket.background else POLICY.ping_ms)
        resume, held = socket.resume, False
        if resume is not None:
            held = resume.epoch == self.epoch and self.base <= resume.u <= len(self.truth)
        assert welcome.outcome == ("fresh" if resume is None else "resumed" if held else "resync")
        if resume is not None and held and (claim := self.claims.get(socket.device)):
            self.has_stored(claim, resume.u)
        socket.written = socket.read = resume.u if resume is not None and held else len(self.truth)
        socket.expects = ["synced"] if held or not socket.wants_snapshot else ["snapshot", "synced"]
        socket.open, socket.epoch, socket.progress_at = True, self.epoch, self.now
        self.claims[socket.device] = Claim(socket.written)

    def close(self, socket: Socket, close: Close) -> None:
        assert socket.open
        assert socket.closed is None
        socket.open, socket.closed = False, close
        self.mail.append(Detach(socket.number, goodbye=False))
        if close == SUPERSEDED:
            return
        self.claims[socket.device].until = self.now + POLICY.resume_ms
        if close == TOO_SLOW and socket.written >= self.base:
            assert self.bytes_after(socket.written) + LIVE_BYTES > POLICY.send_budget
            assert self.now - socket.progress_at >= STUCK_MS
        assert close in (TOO_SLOW, OVERLOADED)

    def open_sockets(self) -> list[Socket]:
        return [socket for socket in self.sockets.values() if socket.open]
