"""What can be seen of a node: metrics in the Prometheus text format, logs as JSON lines without content or tokens."""

import gc
import logging
import sys
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
SIZES = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 256)


class Histogram:
    """Counts per bucket. A tenth of the cost of the library's own, which takes a lock: 0.2 µs an observation."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def family(self, name: str, text: str) -> HistogramMetricFamily:
        total, buckets = 0, []
        for bound, count in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            total += count
            buckets.append((bound, total))
        family = HistogramMetricFamily(name, text)
        family.add_metric([], buckets=buckets, sum_value=self._sum)
        return family


class Metrics:
    """The figures of the node `name`. Gauges and counters are read from their owners when somebody asks."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter, name: str = "") -> None:
        self.clock = clock
        self.name = name
        self.batch = Histogram(SIZES)
        self.commit_latency = Histogram(SECONDS)
        self.ack_latency = Histogram(SECONDS)
        self.delivery_latency = Histogram(SECONDS)
        self.loop_lag = Histogram(SECONDS)
        self.gc_pause = Histogram(SECONDS)
        self.longest_gc_pause = self._collecting_since = 0.0
        self.resumes = {"fresh": 0, "resumed": 0, "resync": 0}
        self.requests = self.presence_told = 0
        self.refused: dict[str, int] = {}
        self.closed: dict[int, int] = {}
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.counters: dict[str, tuple[str, Callable[[], float]]] = {}
        self.families: list[Callable[[], Iterable[Metric]]] = []

    @contextmanager
    def commit(self, units: int) -> Iterator[None]:
        """Measures one batch."""
        self.batch.observe(units)
        start = self.clock()
        try:
            yield
        finally:
            self.commit_latency.observe(self.clock() - start)

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("tidings_node", "Which node this is", value={"name": self.name})
        yield self.batch.family("tidings_commit_batch_size", "Units in one commit statement")
        yield self.commit_latency.family("tidings_commit_seconds", "One commit, bisecting and retries included")
        yield self.ack_latency.family("tidings_ack_seconds", "From reading a message.send to writing its reply")
        yield self.delivery_latency.family("tidings_delivery_seconds", "From deciding a message to its first socket")
        yield self.loop_lag.family("tidings_loop_lag_seconds", "How late the event loop is")
        yield self.gc_pause.family("tidings_gc_pause_seconds", "One run of the garbage collector")
        yield GaugeMetricFamily("tidings_gc_longest_pause_seconds", "The longest of them", value=self.longest_gc_pause)
        yield _counter("tidings_hellos", "Sessions begun", "outcome", self.resumes)
        yield _counter("tidings_refusals", "Requests refused", "code", self.refused)
        yield _counter("tidings_closes", "Connections that the server closed", "status", self.closed)
        requests = CounterMetricFamily("tidings_requests", "Requests read from sockets")
        requests.add_metric([], self.requests)
        yield requests
        for name, (text, read) in self.gauges.items():
            yield GaugeMetricFamily(name, text, value=read())
        for name, (text, read) in self.counters.items():
            yield CounterMetricFamily(name, text, value=read())
        for families in self.families:
            yield from families()

    def registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        registry.register(self)
        return registry

    @contextmanager
    def watching_collections(self) -> Iterator[None]:
        """Measure each garbage collection."""
        gc.callbacks.append(self._collecting)
        try:
            yield
        finally:
            gc.callbacks.remove(self._collecting)

    def _collecting(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._collecting_since = self.clock()
            return
        pause = self.clock() - self._collecting_since
        self.gc_pause.observe(pause)
        self.longest_gc_pause = max(self.longest_gc_pause, pause)


def _counter(name: str, text: str, label: str, values: dict[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in values.items():
        family.add_metric([str(value)], count)
    return family


def start_logging(level: str) -> None:
    """JSON lines on stderr. What is logged names ids and causes: never message text, tokens or addresses' contents."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # It tells of every connection that it cannot make, with a stack; whoever needed one logs that it had none.
    logging.getLogger("asyncpg.pool").setLevel(logging.CRITICAL)
    # It tells with a stack when a connection breaks while it closes it; that it is gone is logged by whoever had it.
    logging.getLogger("nats.aio.client").setLevel(logging.CRITICAL)
    logging.basicConfig(level=number, stream=sys.stderr, format='{"event": "%(message)s", "logger": "%(name)s"}')
