"""The host: gives actors their turns and acts on what they decide. It knows addresses and effects, not the domain.

One turn of one activation:

    tell ─► mailbox ─► run queue ─► handle(command, now) ─► effects
                                                              │
               no Commit and nothing flying ◄─────────────────┤
               act at once                                    ▼
                                                     open row: mail, facts, effects held back
                                                              │ nothing flying
                                                              ▼
               Reply, Deliver, Tell, Wake ◄── committed ── flying row ─► committer
               in the order decided                           │
                                                              ▼ anything else, or a crash of the actor
               reload: drop the actor, activate again (a write that voids the old ticket), deliver what was
               left unsaid, run the undone mail again in its order: 3 times within 3 s, then `unknown_outcome`
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from typing import Any, assert_never

import structlog

from actors.effects import Address, Commit, Deliver, Effect, Reply, Tell, Wake, Woken
from protocol.errors import FAILED, UNAVAILABLE, Refusal
from protocol.ids import Millis
from server.activation import REFUSE_S, Activated, Activation, Loading, Mail, Outside, monotonic, soon
from server.committer import Answer, Committer
from server.population import Population

TURNS = 64
RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0)

log = structlog.get_logger()


class Host:
    """Runs the actors of a population on the running loop. `clock` gives milliseconds since 1970."""

    def __init__(
        self, population: Population, outside: Outside, committer: Committer, clock: Callable[[], Millis]
    ) -> None:
        self.population = population
        self._outside = outside
        self._committer = committer
        self._clock = clock
        self._turns: deque[Activation] = deque()
        self._running = self.draining = False
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, address: Address, command: Any, *, activate: bool = True) -> None:
        """Queue a command. Full mailbox, too many actors: whoever asks is answered `unavailable`; draining: everybody.

        Without `activate`, a command to an address that is not active is dropped.
        """
        activation = self.population.get(address)
        if activation is None and not activate:
            return
        full = activation.full(command) if activation else self.population.full
        if full or (self.draining and command.request is not None):
            self._refuse(command, UNAVAILABLE)
            return
        if activation and activation.overflow() and activation.actor:
            log.error("mailbox overflows", address=address)
            self._reload(activation)
        mail = Mail(command, next(self._numbers), monotonic())
        if activation:
            activation.post(mail)
            self._ready(activation)
        else:
            self._load(self.population.add(address, mail))

    def _inform(self, activation: Activation, command: Any) -> None:
        """What this very actor asked for: meaningless to another one, so it has no number to outlive a reload."""
        activation.post(Mail(command, 0, monotonic()))
        self._ready(activation)

    def _ready(self, activation: Activation) -> None:
        if activation.queued or activation.actor is None or not activation.mailbox:
            return
        activation.queued = True
        self._turns.append(activation)
        if not self._running:
            self._running = True
            asyncio.get_running_loop().call_soon(self._run)

    def _run(self) -> None:
        """Some turns, then let sockets have theirs."""
        for _ in range(min(TURNS, len(self._turns))):
            activation = self._turns.popleft()
            activation.queued = False
            if activation.actor is not None:
                self._turn(activation)
        self._running = bool(self._turns)
        if self._running:
            asyncio.get_running_loop().call_soon(self._run)

    def _turn(self, activation: Activation) -> None:
        if activation.alone and activation.flying:
            return
        mails, activation.mailbox = activation.mailbox or [], None
        now, activation.used = self._clock(), self.population.lately
        actor = activation.actor
        assert actor is not None
        for place, mail in enumerate(mails):
            try:
                effects = actor.handle(mail.command, now)
                if not activation.hold(mail, effects):
                    self._act(activation, effects)
            except Exception:
                log.exception("actor crashed", address=activation.address, **mail.told)
                activation.crashed(mail, monotonic())
                activation.mailbox = mails[place:] + (activation.mailbox or [])
                self._reload(activation)
                return
            if activation.alone:
                activation.alone -= 1
                self._launch(activation)
                if activation.flying:
                    activation.mailbox = mails[place + 1 :] + (activation.mailbox or [])
                    return
        self._launch(activation)

    def _launch(self, activation: Activation) -> None:
        row = activation.open
        if row is None or activation.flying is not None:
            return
        activation.open = None
        if not row.commits:
            self._act(activation, row.effects)
            return
        activation.flying = row
        self.population.commits(activation)
        assert activation.ticket is not None
        generation = activation.generation
        unit = activation.ticket.unit(row.facts)
        self._committer.submit(unit, lambda answer: self._landed(activation, generation, answer))

    def _landed(self, activation: Activation, generation: int, answer: Answer) -> None:
        row = activation.flying
        if generation != activation.generation or row is None:
            return
        if answer == "committed":
            assert activation.ticket is not None
            activation.ticket.landed(row.facts)
            activation.flying = None
            try:
                self._act(activation, row.effects)
                self.population.told(activation)
                self._launch(activation)
                self._ready(activation)
            except Exception:
                log.exception("effects failed", address=activation.address)
                self._reload(activation)
            return
        if answer == "poison":
            if len(row.mails) == 1:
                log.error("poison", address=activation.address, **row.mails[0].told)
                self._refuse(row.mails[0].command, FAILED)
                activation.flying = None
            activation.alone = len(row.mails)
        self._reload(activation)

    def _act(self, activation: Activation, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Commit():
                    pass
                case Deliver():
                    self._outside.deliver(effect.audience, effect.body)
                case Reply():
                    if activation.asking:
                        activation.asking.pop(effect.request, None)
                    self._outside.reply(effect.request, effect.result)
                case Tell():
                    self._tell(activation, effect)
                case Wake():
                    self._wake(activation, effect)
                case _:
                    assert_never(effect)

    def _tell(self, activation: Activation, effect: Tell) -> None:
        if effect.address.kind == "store":
            self._spawn(self._ask(activation, activation.generation, effect))
        else:
            self._outside.tell(effect.address, effect.command)

    async def _ask(self, activation: Activation, generation: int, question: Tell) -> None:
        try:
            answer = await self._outside.ask(question.address, question.command)
        except Exception as fault:
            log.warning("store did not answer", address=activation.address, fault=repr(fault))
            if generation == activation.generation:
                self._reload(activation)
            return
        if generation == activation.generation:
            self._inform(activation, answer)

    def _wake(self, activation: Activation, wake: Wake) -> None:
        if earlier := activation.forget_timer(wake.key):
            earlier.cancel()
        delay = max(0, wake.at - self._clock()) / 1000
        timer = asyncio.get_running_loop().call_later(delay, self._woken, activation, wake.key)
        activation.timers = {**(activation.timers or {}), wake.key: timer}

    def _woken(self, activation: Activation, key: str) -> None:
        activation.forget_timer(key)
        self._inform(activation, Woken(key))

    def _reload(self, activation: Activation) -> None:
        """The one answer to a lost or unknown commit and to a crash; who crashes again and again waits first."""
        put_off = activation.actor.put_off() if activation.actor else ()
        activation.reset()
        for command in put_off:
            activation.post(Mail(command, next(self._numbers), monotonic()))
        self._give_up(activation)
        if activation.shut:
            activation.timers = {"": asyncio.get_running_loop().call_later(REFUSE_S, self._load, activation)}
        else:
            self._load(activation)

    def _load(self, activation: Activation) -> None:
        activation.shut = False
        activated = activation.activate()
        if isinstance(activated, Activated):
            try:
                self._loaded(activation, activated)
                return
            except Exception:
                log.exception("actor crashed", address=activation.address)
                activated = activation.activate()
        task = self._spawn(self._loading(activation, activated, len(activation.mailbox or ())))
        if not isinstance(activated, Activated):
            # A task that is cancelled before its first step leaves it unawaited.
            loading: Loading = activated
            task.add_done_callback(lambda _: loading.close())

    async def _loading(self, activation: Activation, loading: Activated | Loading, asked: int) -> None:
        """Until it succeeds: events that became durable unsaid must be delivered, however long the store is away.

        The first `asked` commands are those that `loading` knows of: what does not exist for them may for later ones.
        """
        for attempt in itertools.count():
            try:
                if activated := await soon(loading):
                    self._loaded(activation, activated)
                    return
                for mail in activation.mailbox[:asked] if activation.mailbox else ():
                    self._refuse(mail.command, activation.kind.absent)
                activation.mailbox = activation.mailbox[asked:] if activation.mailbox else None
            except Exception as fault:
                log.warning("activation failed", address=activation.address, fault=repr(fault))
                self._give_up(activation)
                await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            if activation.ticket is None and not activation.mailbox:
                self.population.forget(activation)
                return
            loading, asked = activation.activate(), len(activation.mailbox or ())

    def _loaded(self, activation: Activation, activated: Activated) -> None:
        """What was left unsaid goes out before the new ticket counts: a crash here leaves it for the next attempt."""
        self._give_up(activation)
        now = self._clock()
        effects = [effect for command in activated.first for effect in activated.actor.handle(command, now)]
        activation.actor, activation.ticket = activated.actor, activated.ticket
        self._act(activation, effects)
        self.population.told(activation)
        self._ready(activation)

    def _give_up(self, activation: Activation) -> None:
        for mail, refusal in activation.give_up(monotonic()):
            self._refuse(mail.command, refusal)

    def _refuse(self, command: Any, refusal: Refusal) -> None:
        if command.request is not None:
            self._outside.reply(command.request, refusal)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self) -> None:
        """Refuse what is not under way and return when everything decided has left."""
        self.draining = True
        # Polled: an event would burden every turn for what happens once.
        while any(a.mailbox or a.open or a.flying or a.asking for a in self.population):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def stop(self) -> None:
        """Drop everything at once, as a crash would."""
        for task in self._tasks:
            task.cancel()
        for activation in list(self.population):
            self.population.forget(activation)
