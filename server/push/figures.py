"""What can be seen of pushes: outcomes by provider, how long they took, what waits, which services are not asked."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from server.observe import Histogram

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0, 1_800.0, 3_600.0)


class Figures:
    """`outcomes` are counted by provider and outcome; jobs that were dropped have the provider "job"."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.seconds = Histogram(SECONDS)
        self.waiting: Mapping[str, int] = {}
        self.open_breakers: Callable[[], int] = lambda: 0

    def collect(self) -> Iterable[Metric]:
        """The families as Prometheus takes them."""
        pushes = CounterMetricFamily("tidings_push", "Pushes by what became of them", labels=["provider", "outcome"])
        for labels, count in sorted(self.outcomes.items()):
            pushes.add_metric(labels, count)
        yield pushes
        yield self.seconds.family("tidings_push_seconds", "From a push's cause until its provider had it")
        waiting = GaugeMetricFamily("tidings_push_waiting", "Jobs and deliveries that wait", labels=["provider"])
        for provider, count in self.waiting.items():
            waiting.add_metric([provider], count)
        yield waiting
        yield GaugeMetricFamily("tidings_push_open_breakers", "Services not asked for now", value=self.open_breakers())
