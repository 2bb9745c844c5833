"""`tidings status`: what a running node says of itself, read from its private port."""

import http.client
import urllib.error
import urllib.request

import click
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from config.settings import Settings

TIMEOUT_S = 5.0


def show(settings: Settings, number: int) -> None:
    """Print node `number` as a table. Raises click.ClickException when it does not answer."""
    private = f"http://{settings.node.private_of(number)}"
    ready = _get(private + "/health/ready")
    try:
        figures = _figures(_get(private + "/metrics"))
    except ValueError as fault:
        raise click.ClickException(f"{private} is something else than a node: is node.private right?") from fault
    table = Table(title=f"node {number} at {settings.node.listen}", show_header=False)
    table.add_row("ready", ready)
    for label, name in (
        ("connections", "tidings_connections"),
        ("HTTP connections", "tidings_http_connections"),
        ("sessions", "tidings_sessions"),
        ("actors", "tidings_actors"),
        ("commands waiting", "tidings_mailbox_depth"),
        ("requests", "tidings_requests_total"),
        ("commits", "tidings_commit_seconds_count"),
        ("messages per commit", "tidings_commit_batch_size"),
        ("commit time", "tidings_commit_seconds"),
        ("ack time", "tidings_ack_seconds"),
        ("loop lag", "tidings_loop_lag_seconds"),
    ):
        table.add_row(label, figures.get(name, "–"))
    Console().print(table)


def _get(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            text: str = response.read().decode()
            return text
    except urllib.error.HTTPError as fault:
        with fault:
            return fault.read().decode()
    except (OSError, http.client.HTTPException) as fault:
        raise click.ClickException(f"{url} does not answer ({fault}): is `tidings serve` running?") from fault


def _figures(text: str) -> dict[str, str]:
    """Counters and gauges as they are; histograms as their mean."""
    figures: dict[str, str] = {}
    for family in text_string_to_metric_families(text):
        values = {sample.name: sample.value for sample in family.samples if not sample.labels}
        figures |= {name: f"{value:g}" for name, value in values.items()}
        if count := values.get(f"{family.name}_count"):
            mean = values[f"{family.name}_sum"] / count
            figures[family.name] = f"{mean * 1000:.2f} ms" if family.name.endswith("_seconds") else f"{mean:.1f}"
    return figures
