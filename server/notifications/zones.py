"""Time zones: how far a zone's clocks are ahead of UTC, from the IANA data of this machine or its package `tzdata`."""

from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from protocol.ids import Millis


def is_zone(name: str) -> bool:
    """Whether there are data of this zone."""
    return _zone(name) is not None


def offset_at(name: str, at: Millis) -> int:
    """Minutes ahead of UTC at that moment; 0 for a zone without data, as may happen when data are replaced."""
    zone = _zone(name)
    ahead = zone and datetime.fromtimestamp(at / 1_000, UTC).astimezone(zone).utcoffset()
    return int(ahead.total_seconds() // 60) if ahead else 0


@lru_cache(1_024)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError):
        # Not found, not a key, a folder: ZoneInfoNotFoundError is a KeyError.
        return None
    except KeyError:
        return None
