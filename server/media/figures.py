"""What the pipeline has done on this node, as metrics."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 40.0)


class Figures:
    """Pictures by how they ended, refused ones by reason, steps by how long they took, and what waits."""

    def __init__(self) -> None:
        self.pictures: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.waiting = 0
        self._seconds: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Measures one step that succeeds."""
        begun = time.perf_counter()
        yield
        took = time.perf_counter() - begun
        counts = self._seconds.setdefault(step, [0] * (len(BOUNDS_S) + 1))
        for place, bound in enumerate((*BOUNDS_S, float("inf"))):
            counts[place] += took <= bound
        self._sums[step] = self._sums.get(step, 0.0) + took

    def collect(self) -> Iterable[Metric]:
        """For the exposition."""
        yield _counted("tidings_media_pictures", "Pictures whose processing ended here", "state", self.pictures)
        yield _counted("tidings_media_rejected", "Pictures that are never shown", "reason", self.rejected)
        yield _counted("tidings_media_faults", "Steps that failed and are tried again", "step", self.faults)
        yield GaugeMetricFamily("tidings_media_waiting", "Pictures due in the whole cluster", value=self.waiting)
        seconds = HistogramMetricFamily("tidings_media_step_seconds", "One step for one picture", labels=["step"])
        for step, counts in self._seconds.items():
            buckets = list(zip((*map(str, BOUNDS_S), "+Inf"), counts, strict=True))
            seconds.add_metric([step], buckets=buckets, sum_value=self._sums[step])
        yield seconds


def _counted(name: str, text: str, label: str, counts: Counter[str]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
