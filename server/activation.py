"""Activations: one live actor and what is under way for it. The host's own words for kinds, tickets and mail."""

import asyncio
from collections.abc import Generator, Iterator, Sequence
from typing import Any, Protocol

from msgspec import Struct

from actors.effects import Address, Asked, Command, Commit, Effect, Reply
from protocol.errors import FAILED, UNAVAILABLE, UNKNOWN_OUTCOME, Refusal
from protocol.facts import Fact
from protocol.ids import Millis
from protocol.replies import Result

ACTIVATE_S = 2.0
TRIES = 3
WITHIN_MS = 3_000
CRASHES = 3
OVERFLOW = 8
CRASH_WINDOW_MS = 60_000
REFUSE_S = 30.0


class Actor(Protocol):
    """A plain object that decides."""

    def handle(self, command: Any, now: Millis) -> list[Effect]:
        """What follows from the command, in the order in which it must hold."""

    def may_rest(self) -> bool:
        """Dropping this object loses nothing."""

    def put_off(self) -> tuple[Command, ...]:
        """What it was told and may not have done yet, for the one that takes its place."""


class Ticket(Protocol):
    """The right to write for one address: held from an activation until a later one voids it."""

    def unit(self, facts: Sequence[Fact]) -> Any:
        """What the committer writes to move from the last durable state by these facts."""

    def landed(self, facts: Sequence[Fact]) -> None:
        """They are durable now and go out."""


class Activated(Struct):
    """`first` is handled before any mail: what an earlier activation left unsaid."""

    actor: Actor
    ticket: Ticket | None
    first: tuple[Command, ...] = ()


class Outside(Protocol):
    """Everything that is not an actor of this host: connections, stores, users elsewhere."""

    def reply(self, request: Asked, result: Result) -> None: ...

    def deliver(self, audience: tuple[Address, ...], body: Any) -> None: ...

    def tell(self, address: Address, command: Any) -> None: ...

    async def ask(self, address: Address, question: Any) -> Any: ...


class Kind(Protocol):
    """How actors of one kind come to life, which is the `kind` of their addresses.

    About `idle_ms` without mail lets one rest; `mailbox` commands may wait.
    """

    name: str
    mailbox: int
    idle_ms: int
    absent: Refusal

    def activate(self, address: Address, commands: Sequence[Any], ticket: Ticket | None) -> "Activated | Loading":
        """The actor as it stands, `ticket` being the last one held here. None: there is no such thing to activate."""


class Loading(Protocol):
    """What is to be awaited, or closed if nobody will."""

    def __await__(self) -> Generator[Any, Any, Activated | None]: ...

    def close(self) -> None: ...


async def soon(loading: Activated | Loading) -> Activated | None:
    """What an activation comes to. Raises TimeoutError after `ACTIVATE_S`."""
    if isinstance(loading, Activated):
        return loading
    async with asyncio.timeout(ACTIVATE_S):
        return await loading


def monotonic() -> int:
    """Milliseconds of a clock that nobody sets: the loop's."""
    return int(asyncio.get_running_loop().time() * 1_000)


class Mail:
    """One command on its way, and how often it was tried. Number 0: meant for one actor only, gone with it.

    `arrived` is milliseconds of a clock that nobody sets, as are the times in which an activation crashed.
    """

    __slots__ = ("arrived", "command", "crashes", "number", "tries")

    def __init__(self, command: Any, number: int, arrived: int) -> None:
        self.command = command
        self.number = number
        self.arrived = arrived
        self.tries = self.crashes = 0

    @property
    def told(self) -> dict[str, str]:
        """What a log may tell of it: what it is, and the trace it belongs to."""
        trace = self.command.request.trace if self.command.request else ""
        return {"command": type(self.command).__name__} | ({"trace": trace} if trace else {})


class Row:
    """Decisions that become durable together: the mail that caused them, their facts, and effects held back.

    `commits`: it has to go to the store, if only to learn that the ticket still holds.
    """

    __slots__ = ("commits", "effects", "facts", "mails")

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.facts: list[Fact] = []
        self.effects: list[Effect] = []
        self.commits = False


class Activation(Struct, eq=False):
    """`actor` is None while it is being loaded. At most one row is flying; what is decided meanwhile is `open`.

    There is one for every user who is here, so what most never need is None, and `used` is a time that many share.
    """

    kind: Kind
    key: str | int
    used: Millis
    actor: Actor | None = None
    ticket: Ticket | None = None
    generation: int = 0
    mailbox: list[Mail] | None = None
    open: Row | None = None
    flying: Row | None = None
    # Requests that the actor holds without an answer yet: they go along into a reload.
    asking: dict[Asked, Mail] | None = None
    timers: dict[str, asyncio.TimerHandle] | None = None
    crashed_at: tuple[int, ...] = ()
    # It has crashed too often: for a while nobody is answered.
    shut: bool = False
    # So many of the next commands each get a row of their own: one of them is poison.
    alone: int = 0
    queued: bool = False

    @property
    def address(self) -> Address:
        return Address(self.kind.name, self.key)

    def may_rest(self, now: Millis) -> bool:
        """It has been idle for its kind's time, nothing is under way, and nothing would be lost."""
        if self.actor is None or self.mailbox or self.open or self.flying or self.asking:
            return False
        return now - self.used >= self.kind.idle_ms and self.actor.may_rest()

    def activate(self) -> Activated | Loading:
        """Have its kind bring it to life, for the mail that waits."""
        commands = [mail.command for mail in self.mailbox or ()]
        return self.kind.activate(self.address, commands, self.ticket)

    def undone(self) -> list[Mail]:
        """All mail whose effects have not left, in the order of arrival; forgets it."""
        mails = {mail.number: mail for row in (self.flying, self.open) if row for mail in row.mails}
        mails |= {mail.number: mail for mail in (self.asking or {}).values()}
        mails |= {mail.number: mail for mail in self.mailbox or ()}
        self.flying = self.open = self.asking = self.mailbox = None
        return [mails[number] for number in sorted(mails) if number]

    def reset(self) -> None:
        """Drop the actor; what is undone waits to be tried again."""
        self.actor = None
        self.generation += 1
        self.stop_timers()
        for mail in (*(self.flying.mails if self.flying else ()), *(self.asking or {}).values()):
            mail.tries += 1
        self.mailbox = self.undone()

    def post(self, mail: Mail) -> None:
        if self.mailbox is None:
            self.mailbox = [mail]
        else:
            self.mailbox.append(mail)

    def hold(self, mail: Mail, effects: list[Effect]) -> bool:
        """Keep back what may not leave yet; False when nothing stands in the way of these effects."""
        request = mail.command.request
        if request is not None and not any(type(e) is Reply and e.request == request for e in effects):
            self.asking = {**(self.asking or {}), request: mail}
        commits = [effect for effect in effects if type(effect) is Commit]
        if not commits and self.open is None and self.flying is None:
            return False
        if self.open is None:
            self.open = Row()
        self.open.mails.append(mail)
        self.open.facts += [commit.fact for commit in commits if commit.fact is not None]
        self.open.commits = self.open.commits or bool(commits)
        self.open.effects += effects
        return True

    def crashed(self, mail: Mail, now: int) -> None:
        mail.crashes += 1
        self.crashed_at = (*(at for at in self.crashed_at if now - at < CRASH_WINDOW_MS), now)
        self.shut = len(self.crashed_at) >= CRASHES

    def full(self, command: Command) -> bool:
        """No room for a request, or nobody to answer it soon. What nobody waits for is not refused: see `overflow`."""
        return command.request is not None and (self.shut or len(self.mailbox or ()) >= self.kind.mailbox)

    def overflow(self) -> bool:
        """So much has come that what nobody waits for is dropped, and the actor with it: who it served must be told."""
        if len(self.mailbox or ()) < OVERFLOW * self.kind.mailbox:
            return False
        self.mailbox = [mail for mail in self.mailbox or () if mail.command.request is not None]
        return True

    def give_up(self, now: int) -> Iterator[tuple[Mail, Refusal]]:
        """Take out the mail that was tried enough, crashes its actor, or whose asker has waited too long, each with its
        answer. What nobody waits for may be news of something durable, and that is never too late."""
        waiting, self.mailbox = self.mailbox or [], None
        for mail in waiting:
            if mail.crashes > 1:
                yield mail, FAILED
            elif mail.tries > TRIES or (mail.command.request is not None and now - mail.arrived > WITHIN_MS):
                yield mail, UNKNOWN_OUTCOME if mail.tries else UNAVAILABLE
            elif self.shut and mail.command.request is not None:
                yield mail, UNAVAILABLE
            else:
                self.post(mail)

    def forget_timer(self, key: str) -> asyncio.TimerHandle | None:
        timer = (self.timers or {}).pop(key, None)
        self.timers = self.timers or None
        return timer

    def stop_timers(self) -> None:
        for timer in (self.timers or {}).values():
            timer.cancel()
        self.timers = None
