"""This node's part in the cluster, put together: membership, links, router, homes, repair."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from actors.effects import Asked
from actors.placement import Placement
from actors.user import User
from persistence.conversations.contract import ConversationStore
from persistence.nodes.contract import LEASE_MS, Ended, Life, NodeStore
from protocol.errors import Refusal
from protocol.ids import Millis, UserId
from server.cluster.bus import Bus
from server.cluster.frames import Item
from server.cluster.homes import Homes, Sessions
from server.cluster.links import Links
from server.cluster.membership import Membership
from server.cluster.repair import Repair
from server.cluster.router import Router, Sockets, Watcher
from server.cluster.sweep import Sweep
from server.cluster.untold import Untold
from server.host import Host
from server.load import Load
from server.observe import Metrics
from server.presence.presence import Presence
from server.requests import Requests


class Cluster:
    """`nodes` keeps the leases, `log` is the store that may scan; `now` is monotonic seconds.

    It is the `Observer` of its membership and the `Ears` of its bus.
    """

    def __init__(
        self,
        node: Life,
        nodes: NodeStore,
        log: ConversationStore,
        sockets: Sockets,
        load: Load,
        now: Callable[[], float],
    ) -> None:
        self.membership = Membership(nodes, node, now)
        untold = Untold(lambda: self._host.population.untold_since, self._settled, now)
        self.links = Links(node.incarnation, now, self._settled, untold.told, self._take, self._answer)
        self.router = Router(self.membership, self.links, sockets, load, now)
        self._nodes = nodes
        self._log = log
        self._ended: tuple[Ended, ...] = ()
        self.membership.attend(self)

    def join(
        self,
        host: Host,
        requests: Requests,
        sessions: Sessions,
        bus: Bus,
        user: Callable[[UserId], User | None],
        watcher: Watcher | None = None,
        presence: Presence | None = None,
    ) -> None:
        """What it serves, and what carries its frames; called once, before `works`. `user` finds an actor here."""
        self._bus = bus
        self._host = host
        self._presence = presence
        self.router.join(host, requests, watcher, presence)
        self.links.join(bus)
        self.homes = Homes(self.membership, sessions, host)
        self.repair = Repair(self._log, self._nodes, self.membership, self.links, self.router, user)
        self.sweep = Sweep(self._log, self.membership)

    def expose(self, metrics: Metrics) -> None:
        """Have what it does be seen."""
        membership, links, repair, sweep = self.membership, self.links, self.repair, self.sweep
        router = self.router
        metrics.gauges |= {
            "tidings_placement_version": ("Version of the placement acted by", lambda: membership.placement.version),
            "tidings_nodes": ("Nodes of the placement", lambda: len(membership.nodes)),
            "tidings_shards": ("Shards hosted here, of 8,192", lambda: membership.placement.count(membership.me)),
            "tidings_silent_nodes": ("Nodes that are not heard", lambda: len(links.unheard())),
            "tidings_undelivered": ("Messages 10 to 70 s old that a member has not got", lambda: sweep.undelivered),
        }
        metrics.counters |= {
            "tidings_link_frames_sent": ("Frames sent to other nodes", lambda: links.frames_sent),
            "tidings_link_frames_received": ("Frames received from other nodes", lambda: links.frames_received),
            "tidings_link_items_sent": ("Items in frames sent to other nodes", lambda: links.items_sent),
            "tidings_link_items_unread": (
                "Items in frames that were not understood, as of a newer release",
                lambda: router.unread,
            ),
            "tidings_link_holes": ("Times that frames were missing", lambda: links.holes),
            "tidings_log_scans": ("Scans of the log for what went astray", lambda: repair.scans),
            "tidings_repaired_events": ("Events that a scan of the log found and told", lambda: repair.events),
        }

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """What has to run besides the membership and the bus, each until cancelled."""
        return [self.links.run(), self.homes.run(), self.repair.run(), self.sweep.run()]

    # -- from the membership ------------------------------------------------------------------------------------

    def placed(self, placement: Placement, ended: Sequence[Ended]) -> None:
        """Until when a life was heard that this node never met it cannot know: a lease before its end, at least."""
        lives = {life.incarnation: Millis(life.at - LEASE_MS) for life in ended if life not in self._ended}
        lives |= {peer.incarnation: peer.settled for peer in self.links.meet(placement.nodes)}
        self._ended = tuple(ended)
        self.repair.departed(lives)
        self.homes.changed()
        if self._presence:
            self._presence.placed()

    def agreed(self, since: Millis) -> None:
        if not self.membership.placement.alone:
            self.repair.look_back(since)

    def announce(self) -> None:
        self._bus.announce()

    # -- from the bus -------------------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        self.links.received(data)
        if self.links.holed:
            self.repair.poke()

    def hasten(self) -> None:
        self.membership.hasten()

    def bus_lost(self) -> None:
        self.links.bus_lost()
        self.repair.poke()

    # -- between the parts --------------------------------------------------------------------------------------

    def _settled(self) -> Millis:
        return self.membership.settled

    def _take(self, sender: str, items: Sequence[Item]) -> None:
        self.router.take(sender, items)

    def _answer(self, asked: Asked, refusal: Refusal) -> None:
        self.router.reply(asked, refusal)
