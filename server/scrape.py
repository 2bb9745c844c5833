"""What running nodes say of themselves: readiness and metrics, read from their private ports."""

import asyncio
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

TIMEOUT_S = 5.0


class Silent(Exception):
    """Nothing answers at that address; the text says why."""


class Absent(Silent):
    """Nobody even listens there."""


class Strange(Exception):
    """What answers at that address is not the node that was asked; the text says so."""


class Scraped(Struct, frozen=True):
    """What the node of that name says. `ready` is empty when it is, else why it is not.

    `figures` are all samples without labels, by name; counters end in `_total`, histograms in `_sum` and `_count`.
    """

    name: str
    ready: str
    figures: Mapping[str, float]

    def mean(self, histogram: str) -> float | None:
        """The mean of what a histogram observed; None before its first observation."""
        count = self.figures.get(f"{histogram}_count")
        return self.figures[f"{histogram}_sum"] / count if count else None


async def scrape(private: str) -> Scraped:
    """Ask the node at `private` (host:port). Raises Silent, Absent where the host says so, Strange."""
    return await asyncio.to_thread(_scrape, private)


def _scrape(private: str) -> Scraped:
    ready = _get(f"http://{private}/health/ready")
    try:
        families = text_string_to_metric_families(_get(f"http://{private}/metrics"))
        samples = [sample for family in families for sample in family.samples]
        said = json.loads(ready)
        why = "" if said.get("ready") else str(said["detail"])
        (name,) = (sample.labels["name"] for sample in samples if sample.name == "tidings_node_info")
    except (ValueError, KeyError, AttributeError) as fault:
        raise Strange(f"http://{private} is something else than a node") from fault
    return Scraped(name, why, {sample.name: sample.value for sample in samples if not sample.labels})


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            text: str = response.read().decode()
            return text
    except urllib.error.HTTPError as fault:
        with fault:
            return fault.read().decode()
    except (OSError, http.client.HTTPException) as fault:
        reason = fault.reason if isinstance(fault, urllib.error.URLError) else fault
        kind = Absent if isinstance(reason, ConnectionRefusedError) else Silent
        raise kind(str(reason) or type(reason).__name__) from fault
