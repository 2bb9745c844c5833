"""A killed node: its clients come back at once, and it is measured when each has again what was stored before."""

from __future__ import annotations

import asyncio
import os
import signal
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from time import monotonic

from bench.client import Client
from bench.load import Load
from bench.measure import Figure, Measured, distribution, histogram
from bench.process import PROC
from bench.stage import Stage
from bench.wire import Frame, Refusal, decode_synced, moved_to, request_frame

MOVED = "sent home"
CUT_WITHIN, BACK_WITHIN = 10.0, 60.0
LOOK_S = 0.02
JITTER_S = 1.0
"""An attempt that failed is repeated after a random part of this: less patience than the contract asks for (§8)."""


class Returning(Client):
    """One attempt of a client to come back: hello with `resume`, and `sync` if the node has forgotten its stream.

    `settled` becomes empty when it is back, else why the attempt failed; `MOVED` names the home in `port`. `sync` asks
    for the last stored event of each conversation again, so that losing it would show. Who is back and sent home later
    is told to `moved`.
    """

    __slots__ = ("_since", "moved", "settled")

    def __init__(self, before: Client, port: int, moved: Callable[[Returning], None]) -> None:
        super().__init__(before.crowd, before.user, before.device, before.stored)
        assert before.hello is not None
        self.heads = before.heads
        self.port = port
        self.moved = moved
        self.settled: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._since = before.hello.now

    def expects(self, outcome: str) -> bool:
        return outcome in ("resumed", "resync")

    def refused(self, refusal: Refusal) -> None:
        self._fail(f"hello refused: {refusal.code}")

    def ready(self) -> None:
        assert self.hello is not None
        if self.hello.outcome == "resumed":
            self.settled.set_result("")
        else:
            heads = {conversation: c - 1 for conversation, c in (self.heads or {}).items()}
            self.send(request_frame("sync", id=self.take_id(), heads=heads, since=self._since, only=True))

    def replied(self, frame: Frame) -> None:
        if self.settled.done():
            super().replied(frame)
        elif frame.err is not None:
            self._fail(f"sync refused: {frame.err.code}")
        else:
            found = {(one.id, event.c) for one in decode_synced(frame.ok).conversations for event in one.events}
            lost = (self.heads or {}).items() - found
            if lost:
                self.crowd.faults.add("lost by a kill", f"{self.user.user}: {lost}", len(lost))
            self.settled.set_result("")

    def ended(self, reason: str) -> None:
        if port := moved_to(reason):
            self.port = port
            if self.settled.done():
                self.moved(self)
            else:
                self.settled.set_result(MOVED)
        elif self.settled.done():
            super().ended(reason)
        else:
            self.settled.set_result(reason)

    def _fail(self, why: str) -> None:
        self.settled.set_result(why)
        self.abandon()


class Kill:
    """A node is killed, and as soon as the address answers again all its clients come back at once.

    Other nodes, where there are any, answer all the time, and when the node is back send its clients home. `times` are
    seconds from the kill until each was back, `homeward` until each was at home; `failures` counts attempts by why they
    failed.
    """

    def __init__(self, load: Load, stage: Stage, clients: Sequence[Client], random: Random) -> None:
        self.times, self.homeward = array("d"), array("d")
        self.failures: Counter[str] = Counter()
        self._load = load
        self._stage = stage
        self._home, *others = stage.ports or (stage.port,)
        self._doors = others or [self._home]
        self._clients = [client for client in clients if client.port == self._home]
        self._random = random
        self._all_home = asyncio.Event()
        self._killed = 0.0

    async def measured(self) -> Measured:
        """Kill the first node of the stage and wait until all its clients are back, and at home."""
        crowd = self._load.crowd
        crowd.expect(len(self._clients))
        for client in self._clients:
            client.leaving = True
        self._killed = monotonic()
        os.kill(self._stage.nodes[0], signal.SIGKILL)
        await crowd.all_told(CUT_WITHIN, "connection outlived its node")
        restarted = float("inf")
        try:
            async with asyncio.timeout(BACK_WITHIN), asyncio.TaskGroup() as self._returning:
                listening = self._returning.create_task(self._replaced())
                if not self._stage.ports:
                    await listening
                for client in self._clients:
                    self._returning.create_task(self._return(client, self._door()))
                restarted = await listening
                await self._all_home.wait()
        except TimeoutError:
            missing = len(self._clients) - len(self.homeward)
            crowd.faults.add("not back after a kill", f"within {BACK_WITHIN:.0f} s", missing)
        return self._told(restarted)

    def _door(self) -> int:
        return self._random.choice(self._doors)

    async def _return(self, client: Client, port: int, *, again: bool = False) -> None:
        while True:
            attempt = Returning(client, port, self._moved)
            try:
                await self._load.dialler.dial(attempt)
                why = await attempt.settled
            except (OSError, TimeoutError) as error:
                why = type(error).__name__
            if not why:
                break
            if why == MOVED:
                port = attempt.port
                continue
            port = self._door()
            self.failures[why] += 1
            await asyncio.sleep(self._random.uniform(0, JITTER_S))
        self._back(attempt, again=again)

    def _back(self, client: Returning, *, again: bool) -> None:
        took = client.read_at - self._killed
        if not again:
            self.times.append(took)
        if client.port == self._home:
            self.homeward.append(took)
            if len(self.homeward) == len(self._clients):
                self._all_home.set()

    def _moved(self, client: Returning) -> None:
        self._returning.create_task(self._return(client, client.port, again=True))

    async def _replaced(self) -> float:
        """Seconds until the killed node, whose listeners may outlive its sockets, is gone and its address answers."""
        loop = asyncio.get_running_loop()
        while True:
            with suppress(OSError):
                if not (PROC / str(self._stage.nodes[0])).exists():
                    probe, _ = await loop.create_connection(asyncio.Protocol, self._stage.host, self._home)
                    probe.abort()
                    return monotonic() - self._killed
            await asyncio.sleep(LOOK_S)

    def _told(self, restarted: float) -> Measured:
        built = histogram(self.times)
        figures = [Figure("time to a listening node after a kill", "s", restarted)]
        for share in (50, 99, 100):
            back = built.get_value_at_percentile(share) / 1e6
            figures.append(Figure(f"time to {share} % back after a kill", "s", back))
        if self._stage.ports:
            home = histogram(self.homeward).get_value_at_percentile(100) / 1e6
            figures.append(Figure("time to all at home again after a kill", "s", home))
            figures.append(Figure("clients of the killed node", "", len(self._clients), "neither"))
        figures.append(Figure("refused attempts after a kill", "", self.failures.total()))
        told = "; ".join(f"{why} x {times}" for why, times in self.failures.most_common(5)) or "none"
        curve = distribution("back after a kill", self.times, "s")
        return Measured(figures, notes={"refused attempts after a kill": told}, curves=[curve])
