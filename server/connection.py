"""One connection: what a client says on its socket, and what it is answered: hello, requests, heartbeat."""

from typing import TYPE_CHECKING, Any

import msgspec

from actors.effects import Asked, user_address
from actors.user_commands import Acked, Attach, Detach, Drained, Filled, SetBackground, Show, Watch
from protocol.codec import Encoded, Unreadable
from protocol.errors import (
    AUTHENTICATION_FAILED,
    DRAINING,
    NO_ACK,
    OVERLOADED,
    PROTOCOL_ERROR,
    RATE,
    TOKEN_EXPIRED,
    Refusal,
    moved,
)
from protocol.replies import ErrReply, OkReply, Result, Welcome
from protocol.requests import Ack, AnyRequest, Asking, Background, Hello, SetPresence, Type, WatchPresence
from protocol.session import Ping
from protocol.unset import or_none
from server.admission import come_back_ms
from server.cluster.relayed import Relayed
from server.conduct import Conduct
from server.inflight import InFlight
from server.load import Sheds
from server.stage import Stage
from server.tokens import Caller, Expired, Invalid

if TYPE_CHECKING:
    from server.gateway import Gateway

BEFORE_HELLO = 4 * 1024
AFTER_HELLO = 64 * 1024
"""Bytes of a client's message."""
ACK_WITHIN_S = 10.0
ATTACH_WITHIN_S = 10.0

CROWDED = Refusal("unavailable", "too many sessions begin on this node at once")
RATE_LIMITED = Refusal("rate_limited", "too many requests on this connection", 1_000)
BAD_TOKEN = Refusal("unauthenticated", "token: it was not issued here or has been revoked: log in again")
OLD_TOKEN = Refusal("unauthenticated", "token: it has expired: take a fresh one")


class Connection(Relayed):
    """`u` is the last durable event written to it; `login`, `device` and `background` are what its hello said.

    `synced`: it has been told all that it asked for in hello, so it can go on with another actor of its user.
    """

    __slots__ = (
        "_conduct",
        "_flying",
        "_paid_until",
        "background",
        "device",
        "epoch",
        "login",
        "synced",
        "u",
    )

    def __init__(self, gateway: "Gateway") -> None:
        super().__init__(gateway)
        self._flying: InFlight | None = None
        self._paid_until = 0.0
        self._conduct: Conduct | None = None
        self.background = self.synced = False
        self.device = self.epoch = ""
        self.u = self.login = 0

    @property
    def open(self) -> bool:
        return self._stage is Stage.OPEN

    @property
    def takes_live(self) -> bool:
        """Live events are for it now: it is in the foreground, has caught up, and reads."""
        return self.synced and not self.background and not self.full

    # -- requests -----------------------------------------------------------------------------------------------

    @property
    def _max_message(self) -> int:
        return BEFORE_HELLO if self._stage in (Stage.HELLO, Stage.ATTACHING) else AFTER_HELLO

    def _message(self, payload: bytes) -> None:
        stage = self._stage
        if stage is Stage.CLOSING or stage is Stage.GONE:
            return
        if stage is Stage.RELAYING:
            self._gateway.relays.send(self.number, payload)
            return
        request = self.codec.read(payload)
        if stage is Stage.OPEN or (stage is Stage.ATTACHING and type(request) is not Hello):
            self._request(request)
        elif stage is Stage.HELLO and isinstance(request, Hello):
            self._hello(request)
        elif isinstance(request, Unreadable):
            self._fault(request)
            if request.id:
                self.close(PROTOCOL_ERROR)
        else:
            self.close(PROTOCOL_ERROR)

    def _hello(self, hello: Hello) -> None:
        caller = self._gateway.verify(hello.token)
        match caller:
            case Expired():
                self._refuse(hello.id, OLD_TOKEN)
                self.close(TOKEN_EXPIRED)
            case Invalid():
                self._refuse(hello.id, BAD_TOKEN)
                self.close(AUTHENTICATION_FAILED)
            case Caller():
                home = self._gateway.home(caller.user)
                if home is None:
                    self._attach(hello, caller)
                elif hello.follow:
                    self.close(moved(home.url))
                else:
                    self.user, self.login = caller.user, int(caller.login)
                    self._move(Stage.RELAYING)
                    self._gateway.relays.begin(self, hello, home)

    def _attach(self, hello: Hello, caller: Caller) -> None:
        gateway, resumes = self._gateway, hello.resume is not msgspec.UNSET
        if (gateway.load.sheds >= Sheds.SESSIONS and not resumes) or not gateway.admission.admit(resumes=resumes):
            retry_ms = come_back_ms()
            self._refuse(hello.id, msgspec.structs.replace(CROWDED, retry_ms=retry_ms))
            self.close(msgspec.structs.replace(OVERLOADED, retry_ms=retry_ms))
            return
        self.user, self.login = caller.user, int(caller.login)
        self.device, self.background = hello.device.id, hello.background
        self._move(Stage.ATTACHING)
        self._due = self._gateway.wheel.after(ATTACH_WITHIN_S)
        asked = Asked(self.number, hello.id)
        self._tell_user(Attach(asked, hello.device.id, or_none(hello.resume), hello.snapshot, hello.background))

    def _request(self, request: AnyRequest | Unreadable) -> None:
        self._gateway.metrics.requests += 1
        if not self._within_rate():
            self._refuse_rate(request)
            return
        match request:
            case Ack():
                self._ack(request)
            case Type():
                self._typing(request)
            case Unreadable():
                self._fault(request)
            case Hello():
                self.close(PROTOCOL_ERROR)
            case _:
                self._begin(request)

    def _begin(self, request: Asking) -> None:
        """A request that is answered."""
        flying = self._flying or InFlight()
        if refusal := flying.add(request, self._gateway.now()):
            self._refuse(request.id, refusal)
            return
        self._flying = flying
        if flying.may_start(request, self.full):
            self._start(request)

    def _start(self, request: Asking) -> None:
        asked = Asked(self.number, request.id)
        if isinstance(request, Background):
            self.background = request.on
            self._tell_user(SetBackground(asked, request.on))
        elif isinstance(request, WatchPresence):
            self._tell_user(Watch(asked, tuple(request.users), or_none(request.conversation)))
        elif isinstance(request, SetPresence):
            self._tell_user(Show(asked, request.visible))
        elif self.user:
            self._gateway.requests.take(self.user, asked, request)

    def _start_waiting(self, flying: InFlight) -> None:
        """Answers are produced as the socket drains. What is answered at once comes back here: it must not pile up."""
        if flying.starting:
            return
        flying.starting = True
        while not self.full and (request := flying.next_waiting()):
            self._start(request)
        flying.starting = False

    def _ack(self, ack: Ack) -> None:
        self._alive = True
        if ack.epoch != self.epoch:
            return
        self._tell_user(Acked(self.number, ack.epoch, ack.u))
        if ack.heads is not msgspec.UNSET and ack.heads and self.user:
            self._gateway.requests.stored(self.user, ack.heads)

    def _typing(self, typing: Type) -> None:
        now = self._gateway.now()
        if self._gateway.load.sheds >= Sheds.TYPING:
            return
        conduct = self._conduct = self._conduct or Conduct()
        if self.user and conduct.may_type(now, self._gateway.typing_s, stops=typing.kind == "stop"):
            self._gateway.requests.typing(self.user, typing)

    # -- what is too much ---------------------------------------------------------------------------------------

    def _within_rate(self) -> bool:
        """GCRA: every request pays for its share of a second, at most a burst of them in advance."""
        limits = self._gateway.policy.limits
        now = self._gateway.now()
        paid_until = max(self._paid_until, now) + 1 / limits.requests_per_s
        if paid_until - now > limits.burst / limits.requests_per_s:
            return False
        self._paid_until = paid_until
        if self._conduct is not None:
            self._conduct.keep()
        return True

    def _refuse_rate(self, request: AnyRequest | Unreadable) -> None:
        """A breach is told; a storm of them ends the connection."""
        conduct = self._conduct = self._conduct or Conduct()
        if conduct.breach(self._gateway.policy.limits.burst):
            self.close(RATE)
        elif isinstance(request, Hello):
            self.close(PROTOCOL_ERROR)
        elif isinstance(request, Ack):
            # It has no answer in which to refuse it, and what it says may never be said again.
            self._ack(request)
        elif not isinstance(request, Type):
            self._refuse(request.id, RATE_LIMITED)

    def _fault(self, unreadable: Unreadable) -> None:
        self._refuse(unreadable.id, unreadable.refusal)
        if unreadable.id:
            return
        conduct = self._conduct = self._conduct or Conduct()
        if conduct.fault(self._gateway.now()):
            self.close(PROTOCOL_ERROR)

    # -- replies ------------------------------------------------------------------------------------------------

    def reply(self, id: int, result: Result) -> None:
        """Answer hello, or a request in flight."""
        if self._stage in (Stage.CLOSING, Stage.GONE):
            return
        if isinstance(result, Welcome):
            self._welcome(id, result)
            return
        flying = self._flying
        since = None if flying is None else flying.answer(id)
        if since is not None:
            self._gateway.answered(result, since)
        if not isinstance(result, Refusal):
            self.send(self.codec.encode(OkReply(id, result)))
        else:
            self._refuse(id, result)
            if self._stage is Stage.ATTACHING and since is None:
                self.close(DRAINING if self._gateway.host.draining else OVERLOADED)
        if flying is not None and flying.waiting:
            self._start_waiting(flying)
        elif flying is not None and flying.empty:
            self._flying = None

    def _refuse(self, id: int, refusal: Refusal) -> None:
        refused = self._gateway.metrics.refused
        refused[refusal.code] = refused.get(refusal.code, 0) + 1
        self.send(self.codec.encode(ErrReply(id, refusal)))

    def _welcome(self, id: int, welcome: Welcome) -> None:
        self._gateway.metrics.resumes[welcome.outcome] += 1
        self.epoch, self.u = welcome.epoch, welcome.u
        self._move(Stage.OPEN)
        self._due = self._gateway.wheel.after(self._gateway.ping_s(self.background))
        self._gateway.entered(self.number)
        self.send(self.codec.encode(OkReply(id, welcome)))

    # -- the user's actor ---------------------------------------------------------------------------------------

    def report(self) -> None:
        """Say `Drained` as soon as the socket takes more, what is held back for it included."""
        self.uncork()
        if not self.full:
            self._tell_user(Drained(self.number))

    def _flow(self) -> None:
        super()._flow()
        if self.full:
            self._tell_user(Filled(self.number))
        else:
            self._alive = True
            self._tell_user(Drained(self.number))
            if self._flying is not None:
                self._start_waiting(self._flying)

    def _leave(self, *, goodbye: bool) -> None:
        super()._leave(goodbye=goodbye)
        self._tell_user(Detach(self.number, goodbye))

    def _tell_user(self, command: Any) -> None:
        if self.user is not None and self._stage in (Stage.ATTACHING, Stage.OPEN):
            self._gateway.host.tell(user_address(self.user), command, activate=type(command) is Attach)

    # -- time ---------------------------------------------------------------------------------------------------

    def _overdue(self) -> None:
        if self._stage is Stage.HELLO:
            self.close(AUTHENTICATION_FAILED)
        elif self._stage is Stage.ATTACHING:
            self.close(OVERLOADED)
        elif self._stage is Stage.RELAYING:
            super()._overdue()
        elif self._unsent is None:
            self._ping()
        else:
            self._expect_ack(self._unsent)

    def _ping(self) -> None:
        self._alive = False
        self._unsent = self._transport.get_write_buffer_size()
        self.send(Encoded(Ping(self.u)).live(self.codec))
        self._due = self._gateway.wheel.after(ACK_WITHIN_S)

    def _expect_ack(self, unsent: int) -> None:
        """Ten seconds after a ping. Who reads slowly has acks and other requests wait: what it took counts too."""
        if self._alive or self._transport.get_write_buffer_size() < unsent:
            self._unsent = None
            self._due = self._gateway.wheel.after(self._gateway.ping_s(self.background) - ACK_WITHIN_S)
            if self._paid_until < self._gateway.now():
                # Means the same, and is one float for all who owe nothing.
                self._paid_until = 0.0
        else:
            self.close(NO_ACK)
