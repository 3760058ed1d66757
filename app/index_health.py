"""How an API's index does, for Prometheus."""

from collections.abc import Iterator

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.reader import Reader


class IndexHealth(Collector):
    """Read when it is asked for; only a process that has an index shows it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._started = reader.now()

    def collect(self) -> Iterator[Metric]:
        """The metrics now; `as_of` is when the process started until the index has caught up once."""
        as_of = self._reader.as_of
        behind = (self._reader.now() - (self._started if as_of is None else as_of)) / 1e9
        yield GaugeMetricFamily(
            "betrace_index_behind_seconds", "Since when the index lacks violations", value=max(0.0, behind)
        )
