"""A killed node: everybody comes back at once, and it is measured when each has again what was stored before."""

from __future__ import annotations

import asyncio
import os
import signal
from array import array
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from time import monotonic

from bench.client import Client
from bench.load import Load
from bench.measure import Figure, Measured, distribution, histogram
from bench.process import PROC
from bench.stage import Stage
from bench.wire import Frame, Refusal, decode_synced, request_frame

CUT_WITHIN, BACK_WITHIN = 10.0, 60.0
LOOK_S = 0.02
JITTER_S = 1.0
"""An attempt that failed is repeated after a random part of this: less patience than the contract asks for (§8)."""


class Returning(Client):
    """One attempt of a client to come back: hello with `resume`, and `sync` if the node has forgotten its stream.

    `settled` becomes empty when it is back, else why the attempt failed. `sync` asks for the last stored event of each
    conversation again, so that losing it would show.
    """

    __slots__ = ("_since", "settled")

    def __init__(self, before: Client) -> None:
        super().__init__(before.crowd, before.user, before.device, before.stored)
        assert before.hello is not None
        self.heads = before.heads
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
        if self.settled.done():
            super().ended(reason)
        else:
            self.settled.set_result(reason)

    def _fail(self, why: str) -> None:
        self.settled.set_result(why)
        self.abandon()


class Kill:
    """A node is killed, and as soon as its address answers again all its clients come back at once.

    `times` are seconds from the kill until each was back; `failures` counts attempts by why they failed.
    """

    def __init__(self, load: Load, clients: Sequence[Client], random: Random) -> None:
        self.times = array("d")
        self.failures: Counter[str] = Counter()
        self._load = load
        self._clients = clients
        self._random = random

    async def measured(self, stage: Stage) -> Measured:
        """Kill the first node of `stage`, to which all are connected, and wait until all are back."""
        crowd = self._load.crowd
        crowd.expect(len(self._clients))
        for client in self._clients:
            client.leaving = True
        killed = monotonic()
        os.kill(stage.nodes[0], signal.SIGKILL)
        await crowd.all_told(CUT_WITHIN, "connection outlived its node")
        restarted = float("inf")
        try:
            async with asyncio.timeout(BACK_WITHIN):
                await _replaced(stage)
                restarted = monotonic() - killed
                async with asyncio.TaskGroup() as returning:
                    for client in self._clients:
                        returning.create_task(self._return(client, killed))
        except TimeoutError:
            missing = len(self._clients) - len(self.times)
            crowd.faults.add("not back after a kill", f"within {BACK_WITHIN:.0f} s", missing)
        return self._told(restarted)

    async def _return(self, client: Client, killed: float) -> None:
        while True:
            attempt = Returning(client)
            try:
                await self._load.dialler.dial(attempt)
                why = await attempt.settled
            except (OSError, TimeoutError) as error:
                why = type(error).__name__
            if not why:
                self.times.append(attempt.read_at - killed)
                return
            self.failures[why] += 1
            await asyncio.sleep(self._random.uniform(0, JITTER_S))

    def _told(self, restarted: float) -> Measured:
        built = histogram(self.times)
        figures = [Figure("time to a listening node after a kill", "s", restarted)]
        for share in (50, 99, 100):
            back = built.get_value_at_percentile(share) / 1e6
            figures.append(Figure(f"time to {share} % back after a kill", "s", back))
        figures.append(Figure("refused attempts after a kill", "", self.failures.total()))
        told = "; ".join(f"{why} x {times}" for why, times in self.failures.most_common(5)) or "none"
        curve = distribution("back after a kill", self.times, "s")
        return Measured(figures, notes={"refused attempts after a kill": told}, curves=[curve])


async def _replaced(stage: Stage) -> None:
    """Return when the killed node is gone, whose listeners may outlive its sockets, and the address answers again."""
    while True:
        with suppress(OSError):
            if not (PROC / str(stage.nodes[0])).exists():
                probe, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, stage.host, stage.port)
                probe.abort()
                return
        await asyncio.sleep(LOOK_S)
