"""The notifications of one life of a node: what folds, what closes, what tells and what answers, wired together."""

from collections.abc import Callable, Collection, Coroutine, Mapping
from functools import partial
from typing import Any, Protocol

from actors.effects import Address, user_address
from actors.notifier import Outcome
from persistence.notifications.contract import NotificationStore
from protocol.groups import GroupsTouched
from protocol.ids import UserId
from server.notifications.answering import Answering
from server.notifications.closing import Closing
from server.notifications.folding import Folding
from server.notifications.telling import Telling
from server.notifications.zones import is_zone, offset_at
from server.observe import Metrics


class Ways(Protocol):
    """How users are reached, wherever their home is."""

    def deliver(self, audience: tuple[Address, ...], body: Any) -> None: ...

    def tell_groups(self, touched: Callable[[UserId, Any], None]) -> None: ...


class Notifications:
    """`folding` is the handler of the topic ACTIVITY. `here` is whether any device of a user may be listening here."""

    def __init__(self, store: NotificationStore, ways: Ways, here: Callable[[UserId], bool]) -> None:
        self._ways = ways
        self._closing = Closing(store, offset_at)
        self._telling = Telling(store, here, self._tell)
        self.folding = Folding(store, offset_at, self._touched, self._closing.due)
        self.answering = Answering(store, self._tell, is_zone)
        ways.tell_groups(self._telling.touched)

    def works(self) -> list[Coroutine[Any, Any, None]]:
        """What runs as long as the node does."""
        return [self._closing.run(), self._closing.trim(), self._telling.run()]

    def expose(self, metrics: Metrics) -> None:
        """Windows, and what became of activities here."""
        gauges, counters = metrics.gauges, metrics.counters
        gauges["tidings_notification_windows_open"] = ("Windows open, of all nodes", lambda: self._closing.windows)
        counters["tidings_notification_alerts"] = ("Pushes asked for by closed windows", lambda: self._closing.pushed)
        for outcome, text in OUTCOMES.items():
            counters[f"tidings_activities_{outcome}"] = text, partial(self.folding.outcomes.__getitem__, outcome)

    def _tell(self, user: UserId, event: Any) -> None:
        self._ways.deliver((user_address(user),), event)

    def _touched(self, groups: Mapping[UserId, Collection[int]]) -> None:
        for user, ids in groups.items():
            self._ways.deliver((user_address(user),), GroupsTouched(tuple(ids)))


OUTCOMES: dict[Outcome, str] = {
    "opened": "Activities that began a group",
    "folded": "Activities that joined a group",
    "undone": "Activities that took something back",
    "repeated": "Activities that changed nothing any more",
    "unwanted": "Activities that their recipient does not want to know of",
}
