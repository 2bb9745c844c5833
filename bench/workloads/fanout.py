"""fanout: what one live event costs for each socket it reaches: one group of many members, each with many devices."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from secrets import token_hex
from statistics import median
from typing import ClassVar

import msgspec

from bench.client import Client
from bench.crowd import Crowd
from bench.frames import masked
from bench.load import Echo, Load
from bench.measure import Figure, Measured, Meter, distribution, latency_figures, percentile_ms
from bench.prepare import accept, all_acked, all_stored, for_each
from bench.schedule import Pacer, ramp, steady
from bench.stage import Progress, Stage
from bench.wire import decode_opened, request_frame
from bench.workloads.audience import Audience, Listener, excluded_by

NUMBER = slice(1, 9)
"""Where a frame of the floor carries the number of its event, in digits behind the F."""

CONNECT_RATE = 1_000.0


class Hearing(Echo):
    """A socket of the floor that counts the frames written to it."""

    __slots__ = ("audience", "following")

    def __init__(self, crowd: Crowd) -> None:
        super().__init__(crowd)
        self.audience: Audience | None = None
        self.following = 0

    def message(self, payload: bytes) -> None:
        number = int(payload[NUMBER])
        if self.audience is None or number != self.following:
            self.crowd.faults.add("lost, repeated or reordered", f"event {number} instead of {self.following}")
            return
        self.following += 1
        self.audience.heard(number, self.read_at)


class Fanout(msgspec.Struct, frozen=True):
    """`typing` from one member's device after the other, `rate` per second, to `members` x `devices` sockets."""

    members: int = 100
    devices: int = 10
    rate: float = 20.0
    window_s: float = 10.0
    drain_s: float = 10.0
    warm_s: float = 1.0
    probe_s: float = 1.0

    name: ClassVar[str] = "fanout"
    raised: ClassVar[dict[str, str]] = {"TIDINGS_GATEWAY__TYPING_MS": "0"}
    needs_disk: ClassVar[bool] = False

    def users_for(self, nodes: int) -> int:
        return self.members

    def quick(self) -> Fanout:
        return msgspec.structs.replace(self, window_s=min(self.window_s, 2.0))

    async def ours(self, stage: Stage, progress: Progress) -> Measured:
        async with Load(stage) as load:
            listeners = [
                Listener(load.crowd, user, member, device)
                for device in range(self.devices)
                for member, user in enumerate(stage.users)
            ]
            progress(f"{len(listeners)} connections")
            await load.connect(listeners, CONNECT_RATE)
            conversation = await self._gather(listeners, progress)
            excluded = await self._probe(load, listeners, conversation)
            await self._type(load, listeners, conversation, excluded, self.warm_s)
            progress(f"{self.rate:.0f} typing/s for {self.window_s:.0f} s")
            meter = Meter(stage.nodes, stage.stores)
            audience, pacer = await self._type(load, listeners, conversation, excluded, self.window_s)
            figures = meter.per("delivery", audience.count)
            measured = _measured(figures, audience, pacer, load)
            measured.notes["who does not hear an event"] = excluded
        return measured

    async def floor(self, stage: Stage, progress: Progress) -> Measured:
        async with Load(stage) as load:
            sockets = [Hearing(load.crowd) for _ in range(self.members * self.devices)]
            load.crowd.expect(len(sockets))
            await load.dialler.open(sockets, ramp(len(sockets), CONNECT_RATE, CONNECT_RATE))
            await load.crowd.all_told(10, "not open")
            progress(f"{self.rate:.0f} frames/s to {len(sockets)} sockets")
            frames = [masked(f"F{k:08}".encode().ljust(100, b"x")) for k in range(int(self.rate * self.window_s))]
            audience = Audience(load.faults, [len(sockets)] * len(frames))
            for socket in sockets:
                socket.audience = audience

            def publish(number: int, due: float) -> None:
                audience.begin(number, due)
                sockets[number % len(sockets)].send(frames[number])

            meter = Meter(stage.nodes, stage.stores)
            pacer = Pacer(steady(self.rate, self.window_s), publish)
            await pacer.run()
            await audience.complete(self.drain_s)
            return _measured(meter.per("delivery", audience.count), audience, pacer, load)

    async def _gather(self, listeners: Sequence[Listener], progress: Progress) -> str:
        """One group of everybody, accepted by everybody, known to every device."""
        creator, others = listeners[0], listeners[1 : self.members]
        opened = decode_opened(
            await creator.ask(
                "conversation.create", cid=token_hex(16), members=[o.user.user for o in others], title="fan-out"
            )
        )
        conversation = opened.conversation.id
        known: dict[Client, str] = dict.fromkeys(listeners, conversation)
        await all_stored(listeners, known, 1)
        await for_each(others, lambda other: accept(other, conversation), progress, "members accept")
        await all_acked()
        return conversation

    async def _probe(self, load: Load, listeners: Sequence[Listener], conversation: str) -> str:
        """Learn from one event whether its author's devices hear it: the contract leaves that open."""
        heard: set[Listener] = set()
        for listener in listeners:
            listener.heard_by = heard
        listeners[0].send(request_frame("typing", conversation=conversation, kind="text"))
        await asyncio.sleep(self.probe_s)
        for listener in listeners:
            listener.heard_by = None
        for excluded in ("nobody", "the socket it came from", "its author's devices"):
            if all((listener in heard) != excluded_by(excluded, listeners[0], listener) for listener in listeners):
                return excluded
        load.faults.add("typing lost", f"{len(heard)} of {len(listeners)} sockets heard the first event")
        return "nobody"

    async def _type(
        self, load: Load, listeners: Sequence[Listener], conversation: str, excluded: str, seconds: float
    ) -> tuple[Audience, Pacer]:
        schedule = steady(self.rate, seconds)
        kinds = ("text", "voice", "media")
        frames = [request_frame("typing", conversation=conversation, kind=kind) for kind in kinds]
        authors = [listeners[k % len(listeners)] for k in range(len(schedule))]
        sizes = {
            author: sum(not excluded_by(excluded, author, other) for other in listeners) for author in set(authors)
        }
        audience = Audience(load.faults, [sizes[author] for author in authors])
        events = [(author, kinds[k % 3]) for k, author in enumerate(authors)]
        for listener in listeners:
            listener.attend(audience, events, excluded)

        def publish(number: int, due: float) -> None:
            audience.begin(number, due)
            authors[number].send(frames[number % 3])

        pacer = Pacer(schedule, publish)
        await pacer.run()
        await audience.complete(self.drain_s)
        return audience, pacer


def _measured(figures: list[Figure], audience: Audience, pacer: Pacer, load: Load) -> Measured:
    times = [sorted(event) for event in audience.times if event]
    rate = Figure("deliveries", "1/s", audience.count / (audience.last_at - pacer.started), "higher")
    series = {
        "first delivery": array("d", (event[0] for event in times)),
        "median delivery": array("d", (median(event) for event in times)),
        "last delivery": array("d", (event[-1] for event in times)),
    }
    return Measured(
        [*figures, rate],
        [figure for name, seconds in series.items() for figure in latency_figures(name, seconds, 50, 99)],
        load.faults.lines(),
        percentile_ms(pacer.lags, 99),
        curves=[distribution(name, seconds) for name, seconds in series.items()],
    )
