"""What a record of somebody means to whoever may see them, and to whoever may not."""

from collections.abc import Collection

from msgspec import UNSET, Struct

from persistence.presence.contract import Record
from protocol.ids import UserId
from protocol.live import PresenceChanged


class Ground(Struct, frozen=True):
    """What a node knows that reads records.

    `up`: the store answers. `alive` are the nodes whose leases count. `moving`: homes have moved lately, and whoever
    was there may not have come to their new home yet, nor that have written anything.
    """

    up: bool
    alive: Collection[str]
    moving: bool


def seen(user: UserId, record: Record | None, home: str, ground: Ground) -> PresenceChanged:
    """How somebody is seen whose home is the node `home`; None: nothing was written of them, or it may not be told.

    What was written by another node than their home ends there, and counts while they may be on their way. Without
    its lease a node may have failed to write, and what is not written is not known.
    """
    if record is not None and record.node != home:
        if not ground.up:
            return PresenceChanged(user, "unknown")
        return _told(user, record) if ground.moving else PresenceChanged(user, "offline", record.at or UNSET)
    if not ground.up or (home not in ground.alive and not ground.moving):
        return PresenceChanged(user, "unknown")
    return PresenceChanged(user, "offline") if record is None else _told(user, record)


def without_conversation(event: PresenceChanged) -> PresenceChanged:
    """For those who are not in the conversation that they look at."""
    return PresenceChanged(event.user, event.state, event.last_active_at)


def _told(user: UserId, record: Record) -> PresenceChanged:
    if record.state == "online":
        return PresenceChanged(user, "online", conversation=record.conversation or UNSET)
    return PresenceChanged(user, record.state, record.at or UNSET)
