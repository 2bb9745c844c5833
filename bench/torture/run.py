"""One run: people talk while troubles come, all is healed, and the checker looks at what everybody saw."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import msgspec

from bench.checker.checker import INVARIANTS, check
from bench.checker.history import Copy, Entry, Happened, Record, rendered
from bench.checker.index import Index
from bench.devices.device import Device
from bench.devices.outbox import Style
from bench.devices.people import Person
from bench.frames import upgrade
from bench.subject import HOST, RunError
from bench.torture.cluster import Cluster
from bench.torture.final import read_final
from bench.torture.line import Line
from bench.torture.troubles import Troubles
from bench.wire import moved_to
from protocol.ids import ConversationId, UserId
from protocol.replies import Sent
from protocol.requests import CreateConversation, OpenConversation

PEOPLE, EACH = 12, 2
DIRECTS, GROUPS = 10, 4
TALK = 200
EVERY_S = 1 / 15
CALM_S = 1.0
TROUBLES_AT_ONCE = (1, 1, 2)
REST_S = (0.5, 3.0)
HELLO_WITHIN_S = 30.0
ACKED_WITHIN_S = 60.0
CONVERGED_WITHIN_S = 10.0
MARKS_WITHIN_S = 3.0
LOOK_S = 0.5
CUT_SHARE = 0.3
CUT_AFTER = (5, 50, 400)
STYLES: tuple[Style, ...] = ("one at a time", "chained", "careless")


class Outcome(msgspec.Struct, frozen=True):
    """What became of a run. `history` is its text when there are anomalies."""

    seed: int
    acked: int
    told: int
    connections: int
    troubles: list[str]
    anomalies: list[str]
    healed_s: float
    history: str = ""


class Run:
    """The run of `seed`: its people, what they do and what goes wrong follow from it, though not when."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.stood_still_until = 0.0
        self.cutting = True
        self._seed = seed
        self._random = Random(f"run {seed}")
        self._entries: list[Entry] = []
        self._broken: list[str] = []
        self._tokens: dict[UserId, str] = {}
        self._user_of: dict[str, UserId] = {}
        self._ordered: set[str] = set()
        self._persons: list[Person[Device]] = []
        self._lines: list[Line] = []
        self._dials: set[asyncio.Task[None]] = set()
        self._connections = 0
        self._over = False
        self._loop = asyncio.get_running_loop()

    # -- what surrounds a device --------------------------------------------------------------------------------

    def log(self, entry: Entry) -> None:
        self._entries.append(entry)

    def happened(self, what: str) -> None:
        """Note a fault, or its end."""
        self.log(Happened(self._loop.time(), what))

    def lines(self) -> Sequence[Line]:
        """The connections there are."""
        self._lines = [line for line in self._lines if line.transport is not None]
        return self._lines

    def connect(self, device: Device, url: str | None = None) -> Line | None:
        if self._over:
            return None
        self._connections += 1
        port = moved_to(f"closed 4002 {msgspec.json.encode({'url': url}).decode()}") if url else 0
        port = port or self._random.choice(self.cluster.ports)
        most = self._random.choice(CUT_AFTER) if self._random.random() < CUT_SHARE else 0
        line = Line(self._connections, device, self._tokens[device.user], upgrade(HOST, port), most, self)
        task = self._loop.create_task(self._dial(line, port))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)
        return line

    async def _dial(self, line: Line, port: int) -> None:
        try:
            await self._loop.create_connection(lambda: line, HOST, port)
        except OSError:
            line.failed()
        else:
            self._lines.append(line)

    # -- the run ------------------------------------------------------------------------------------------------

    async def live(self, kinds: Sequence[str]) -> Outcome:
        """Run it with these kinds of trouble. Raises RunError when the cluster does not come back."""
        handler = self._loop.get_exception_handler()
        self._loop.set_exception_handler(lambda _, context: self._broken.append(f"{context}"))
        try:
            await self._settle_in()
            talk = [self._loop.create_task(self._act(person)) for person in self._persons]
            await self._trouble(kinds)
            await asyncio.sleep(CALM_S)
            for task in talk:
                task.cancel()
            await asyncio.gather(*talk, return_exceptions=True)
            await self.cluster.whole()
            self.happened("all is well again")
            self.cutting = False
            healed_at = self._loop.time()
            healed_s = await self._converge(healed_at)
            for person in self._persons:
                person.sync()
            # Nobody says anything new: what is on its way still moves marks.
            await asyncio.sleep(MARKS_WITHIN_S)
            return self._judged(await self._record(healed_at), kinds, healed_s)
        finally:
            self._over = True
            for line in self._lines:
                line.abandon()
            self._loop.set_exception_handler(handler)

    def _judged(self, record: Record, kinds: Sequence[str], healed_s: float) -> Outcome:
        anomalies = check(record) + [f"a server's log: {line}" for line in self.cluster.alarms()]
        if healed_s > CONVERGED_WITHIN_S:
            anomalies.append(f"all converge: {healed_s:.1f} s after all was well")
        index = Index(record)
        return Outcome(
            seed=self._seed,
            acked=sum(isinstance(answers[0].result, Sent) for answers in index.sent.values()),
            told=sum(type(entry).__name__ == "Told" for entry in self._entries),
            connections=self._connections,
            troubles=list(kinds),
            anomalies=anomalies,
            healed_s=round(healed_s, 2),
            history=rendered(record) if anomalies else "",
        )

    async def _settle_in(self) -> None:
        people = await asyncio.to_thread(self.cluster.mint, PEOPLE, f"run{self._seed}x")
        self._tokens = {UserId(person.user): person.access_token for person in people}
        everything: dict[ConversationId, object] = {}
        users = list(self._tokens)
        for user in users:
            for number in range(EACH):
                device = self._device(user, self._random.choice(STYLES))
                talk = Random(f"person {device.name} {self._seed}")
                self._persons.append(Person(device, users, everything, talk, TALK, self._wiped))
                if number == 0:
                    device.connect()
        async with asyncio.timeout(HELLO_WITHIN_S):
            while not all(person.device.online for person in self._persons[::EACH]):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
        firsts = [person.device for person in self._persons[::EACH]]
        for _ in range(DIRECTS):
            one, other = self._random.sample(firsts, 2)
            one.ask(OpenConversation(id=1, user=other.user))
        for number in range(GROUPS):
            creator, *members = self._random.sample(firsts, self._random.randint(3, 5))
            chosen = [member.user for member in members]
            creator.ask(CreateConversation(id=1, cid=f"group{number}", members=chosen, title="group"))
        await asyncio.sleep(CALM_S)
        for person in self._persons[1::EACH]:
            person.device.connect()

    def _device(self, user: UserId, style: Style) -> Device:
        name = f"{'abcdefghijkl'[list(self._tokens).index(user)]}{len(self._user_of)}"
        self._user_of[name] = user
        if style != "careless":
            self._ordered.add(name)
        return Device(name, user, self, Random(f"{name} {self._seed}"), style)

    def _wiped(self, device: Device) -> Device:
        device.retire()
        fresh = self._device(device.user, device.style)
        self._loop.call_later(self._random.uniform(0, CALM_S), fresh.connect)
        return fresh

    async def _act(self, person: Person[Device]) -> None:
        while True:
            await asyncio.sleep(self._random.expovariate(1 / EVERY_S))
            person.act()

    async def _trouble(self, kinds: Sequence[str]) -> None:
        troubles = Troubles(self, Random(f"troubles {self._seed}"))
        waiting = list(kinds)
        while waiting:
            await asyncio.sleep(self._random.uniform(*REST_S))
            now, waiting = waiting[: (count := self._random.choice(TROUBLES_AT_ONCE))], waiting[count:]
            try:
                async with asyncio.TaskGroup() as group:
                    for kind in now:
                        group.create_task(troubles.strike(kind))
            except* RunError as faults:
                raise faults.exceptions[0] from None

    # -- afterwards ---------------------------------------------------------------------------------------------

    async def _converge(self, healed_at: float) -> float:
        """Once all is acknowledged, and everybody has all or the time for that is over: seconds since the healing."""
        until = self._loop.time() + ACKED_WITHIN_S
        while self._loop.time() < until and not all(person.device.settled for person in self._persons):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        until = self._loop.time() + CONVERGED_WITHIN_S
        while self._loop.time() < until:
            index = Index(await self._record(healed_at))
            if not any(True for _ in INVARIANTS["all converge"](index)):
                break
            await asyncio.sleep(LOOK_S)
        return self._loop.time() - healed_at

    async def _record(self, healed_at: float) -> Record:
        devices = [person.device for person in self._persons]
        return Record(
            seed=self._seed,
            entries=self._entries,
            users=self._user_of,
            ordered=self._ordered,
            broken=self._broken,
            copies=[
                Copy(one.name, one.user, one.online, one.copies, one.reads, one.drafts, one.unacked) for one in devices
            ],
            final=await read_final(self.cluster.database, [int(user) for user in self._tokens]),
            one_writer=False,
            healed_at=healed_at,
        )
