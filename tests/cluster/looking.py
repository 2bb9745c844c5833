"""What several nodes say from outside: where people are at home, and how often something happened on any of them."""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from server.scrape import scrape
from tests.server.running import Installation


def home_of(installation: Installation, person: dict[str, Any]) -> str:
    """The name of a person's home node."""
    bearer = {"Authorization": f"Bearer {person['access_token']}"}
    with urllib.request.urlopen(urllib.request.Request(f"{installation.url}/v1/socket/route", headers=bearer)) as found:
        name: str = json.load(found)["node"]
    return name


def apart(installation: Installation) -> list[dict[str, Any]]:
    """One new person for each node, in the order of its number."""
    found: dict[str, dict[str, Any]] = {}
    while len(found) < installation.nodes:
        people = installation.mint(8 * installation.nodes, f"apart{len(found)}x")
        found |= {home_of(installation, person): person for person in people}
    return [found[name] for name in sorted(found, key=lambda name: int(name.rpartition(":")[2]))]


def total(installation: Installation, name: str) -> float:
    """The sum of a metric over all nodes that answer."""
    return sum(values.get(name, 0.0) for values in map(figures, _private(installation)))


def _private(installation: Installation) -> list[str]:
    return [f"http://127.0.0.1:{installation.port + 100 + number}" for number in range(1, installation.nodes + 1)]


def figures(private: str) -> dict[str, float]:
    """All metrics without labels of the node at that private address; none while it does not answer."""
    try:
        with urllib.request.urlopen(f"{private}/metrics", timeout=5) as found:
            text = found.read().decode()
    except (OSError, urllib.error.URLError):
        return {}
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {sample.name: sample.value for sample in samples if not sample.labels}


async def not_ready(installation: Installation) -> list[str]:
    """Why each node cannot do its job, empty for one that can, in the order of their numbers."""
    said = await asyncio.gather(*(scrape(url.removeprefix("http://")) for url in _private(installation)))
    return [one.ready for one in said]
