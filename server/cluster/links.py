"""Links: frames to and from every other node, and what is known of how well they pass.

    send ─► items of this turn ─► one numbered frame ─► bus ─► received ─► items, in order
                                                          │
                   heartbeat, four times a second ────────┘   a number is missing: a hole, for the log scan to fill

A frame costs the library 3 µs to publish and 5 µs to receive, an item in it 1 µs (docs/performance.md), so whatever a
turn of the loop produces for a node leaves together.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec
import structlog

from actors.effects import Asked
from protocol.errors import UNKNOWN_OUTCOME, Refusal
from protocol.ids import Millis
from server.cluster.bus import Bus
from server.cluster.frames import Frame, Item, decode, decode_newer, encode

HEARTBEAT_S = 0.25
SILENT_S = 1.0
"""A node that was not heard for so long is passed over: who waits for its answers is told, its actors come up here."""
LATE_BEATS = 6
"""A frame that was made before its maker heard so many of our beats is late: the log has what it says, and more."""
WITHIN_S = 3.0
"""What was asked of another node is answered by then, or of unknown outcome."""
STRANGER_S = 10.0
"""How long it is remembered how frames to and from somebody were numbered who is not known as a node: not yet, or any
more."""
MOST = 512 * 1024
"""Bytes of a frame; the bus takes twice that."""

log = structlog.get_logger()


class Peer:
    """Another life of a node, as seen from here. Times are monotonic seconds, except `settled`.

    Whatever it made durable before `settled`, by the database's clock, has been heard of or was found in the log.
    `beat` is its last that was heard here, `echo` the last of ours that it heard, as far as we know. `asked` has what
    waits for an answer by the number of its ticket, and since when.
    """

    __slots__ = (
        "asked",
        "beat",
        "echo",
        "got",
        "heard_at",
        "holes",
        "incarnation",
        "items",
        "sent",
        "settled",
        "silent",
    )

    def __init__(self, incarnation: str, now: float, settled: Millis, echo: int) -> None:
        self.incarnation = incarnation
        self.sent = self.got = self.holes = self.beat = 0
        self.heard_at = now
        self.settled = settled
        self.echo = echo
        self.silent = False
        self.items: list[Item] = []
        self.asked: dict[int, tuple[Asked, float]] = {}

    def take(self, frame: Frame) -> bool:
        """Count a frame; False for a repeat, or one that comes after it was given up."""
        if frame.number <= self.got:
            return not frame.items
        missing = frame.number - self.got - bool(frame.items)
        self.got = frame.number
        self.holes += bool(missing)
        return True

    def mended(self, holes: int, settled: Millis) -> None:
        """The log was read up to `settled`, when there had been so many holes."""
        self.settled = settled
        self.holes -= holes


class Links:
    """All links of the node `me`. `take(sender, items)` has what comes in, `answer` tells who asked in vain.

    `now` is monotonic seconds, `settled` gives the moment from which on the log would have to be read, `told` the one
    before which this node has told all that it made durable.
    """

    def __init__(
        self,
        me: str,
        now: Callable[[], float],
        settled: Callable[[], Millis],
        told: Callable[[], Millis],
        take: Callable[[str, Sequence[Item]], None],
        answer: Callable[[Asked, Refusal], None],
    ) -> None:
        self.peers: dict[str, Peer] = {}
        self.frames_sent = self.frames_received = self.items_sent = self.holes = 0
        self._me = me
        self._now = now
        self._settled = settled
        self._told = told
        self._take = take
        self._answer = answer
        # Whose frames came before the news that they are here, or after the news that they are not.
        self._strangers: dict[str, Peer] = {}
        self._loaded: list[Peer] = []
        self._ticked = now()
        self._beat = 1
        self._tickets = 0

    def join(self, bus: Bus) -> None:
        """What carries the frames; called once, before the first of them."""
        self._bus = bus

    def meet(self, nodes: Collection[str]) -> list[Peer]:
        """These are the members now, this node among them; returns those who are no more."""
        gone = [peer for incarnation, peer in self.peers.items() if incarnation not in nodes]
        self.peers = {node: self._peer(node) for node in nodes if node != self._me}
        self._strangers |= {peer.incarnation: peer for peer in gone}
        self._strangers = {node: peer for node, peer in self._strangers.items() if node not in self.peers}
        for peer in self.peers.values():
            # Heard before this node knew of any moment.
            peer.settled = peer.settled or self._settled()
        for peer in gone:
            self._give_up(peer, peer.asked)
        return gone

    def _peer(self, node: str) -> Peer:
        if peer := self.peers.get(node) or self._strangers.get(node):
            return peer
        peer = self._strangers[node] = Peer(node, self._now(), self._settled(), self._beat)
        return peer

    # -- out ----------------------------------------------------------------------------------------------------

    def passes(self, node: str) -> bool:
        """Whether something told to this node may be expected to have an effect there."""
        peer = self.peers.get(node)
        return peer is not None and self._bus.connected and not peer.silent and not self._is_late(peer.echo)

    def _is_late(self, echo: int) -> bool:
        return self._beat - echo > LATE_BEATS

    @property
    def holed(self) -> bool:
        """Frames of somebody are missing."""
        return any(peer.holes for peer in self.peers.values())

    def unheard(self) -> list[Peer]:
        """Who is not heard for now."""
        return [peer for peer in self.peers.values() if peer.silent or not self._bus.connected]

    def doubtful(self) -> list[Peer]:
        """Of whom something may be missing: a hole, or they are not heard."""
        return [peer for peer in self.peers.values() if peer.holes or peer.silent or not self._bus.connected]

    def ask(self, node: str, asked: Asked) -> Asked:
        """A ticket that stands for this request at that node, which is expected to answer.

        It has a number of its own: when an answer comes, its client may long have been told that nobody knows, and have
        used the id of the request again.
        """
        self._tickets += 1
        self._peer(node).asked[self._tickets] = asked, self._now()
        return asked._replace(id=self._tickets, node=self._me)

    def send(self, node: str, item: Item) -> None:
        """Have the item leave at the end of this turn of the loop."""
        peer = self._peer(node)
        if not peer.items:
            self._loaded.append(peer)
            if len(self._loaded) == 1:
                asyncio.get_running_loop().call_soon(self._flush)
        peer.items.append(item)

    def _flush(self) -> None:
        loaded, self._loaded = self._loaded, []
        for peer in loaded:
            items, peer.items = peer.items, []
            self._publish(peer, items)

    def _publish(self, peer: Peer, items: list[Item]) -> None:
        data = encode(Frame(self._me, peer.sent + 1, self._beat, peer.beat, self._told(), tuple(items)))
        if len(data) > MOST and len(items) > 1:
            middle = len(items) // 2
            self._publish(peer, items[:middle])
            self._publish(peer, items[middle:])
            return
        peer.sent += 1
        self.frames_sent += 1
        self.items_sent += len(items)
        self._bus.publish(peer.incarnation, data)

    # -- in -----------------------------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """A frame for this node."""
        try:
            frame = decode(data)
        except msgspec.MsgspecError:
            if (newer := _newer(data)) is None:
                return
            frame = newer
        peer = self._peer(frame.sender)
        peer.heard_at = self._now()
        peer.beat = max(peer.beat, frame.beat)
        # Who has not heard of us yet is a newcomer, and its first frames are as young as we know it.
        peer.echo = max(peer.echo, frame.echo)
        if peer.silent:
            peer.silent = False
            log.info("node is heard again", incarnation=frame.sender)
        self._count(peer, frame)

    def _count(self, peer: Peer, frame: Frame) -> None:
        holes = peer.holes
        if not peer.take(frame):
            return
        late = bool(frame.items) and self._is_late(frame.echo or peer.echo)
        peer.holes += late
        if peer.holes > holes:
            self.holes += 1
        elif not holes:
            # It may be that it has something to tell from longer ago, and does not know yet what.
            peer.settled = max(peer.settled, min(self._settled(), frame.told))
        if frame.items and not late:
            self.frames_received += 1
            self._take(frame.sender, frame.items)
        if peer.holes > holes:
            # Among what is missing may be answers.
            self._give_up(peer, peer.asked)

    def answered(self, ticket: Asked) -> Asked | None:
        """An answer has come, from whomever the question was passed on to; None when it is waited for no more."""
        for peer in self.peers.values():
            if found := peer.asked.pop(ticket.id, None):
                return found[0]
        return None

    # -- time ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send heartbeats and notice who sends none, until cancelled."""
        while True:
            self.tick()
            await asyncio.sleep(HEARTBEAT_S)

    def tick(self) -> None:
        """A moment in which this process stood still says nothing of the others."""
        now = self._now()
        self._beat += 1
        stood_still = max(0.0, now - self._ticked - 2 * HEARTBEAT_S)
        self._ticked = now
        for peer in self.peers.values():
            peer.heard_at = min(now, peer.heard_at + stood_still)
            if not peer.silent and now - peer.heard_at > SILENT_S:
                peer.silent = True
                log.warning("node is silent", incarnation=peer.incarnation)
                self._give_up(peer, peer.asked)
            self._give_up(peer, [ticket for ticket, (_, since) in peer.asked.items() if now - since > WITHIN_S])
            frame = Frame(self._me, peer.sent, self._beat, peer.beat, self._told(), ())
            self._bus.publish(peer.incarnation, encode(frame))
        self._strangers = {node: peer for node, peer in self._strangers.items() if now - peer.heard_at < STRANGER_S}

    def bus_lost(self) -> None:
        """There is no bus for now: nobody can answer."""
        for peer in self.peers.values():
            self._give_up(peer, peer.asked)

    def _give_up(self, peer: Peer, tickets: Iterable[int]) -> None:
        for ticket in list(tickets):
            if found := peer.asked.pop(ticket, None):
                self._answer(found[0], UNKNOWN_OUTCOME)


def _newer(data: bytes) -> Frame | None:
    """A frame that may have items of a newer release; None: it has worse, and is dropped as if it were lost."""
    try:
        return decode_newer(data)
    except msgspec.MsgspecError as fault:
        log.error("a frame cannot be read", fault=str(fault))
        return None
