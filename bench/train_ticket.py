"""The real traces of the Train Ticket benchmark, repeated under fresh ids."""

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

from bench.rules import Pair
from bench.template import Template
from streams.otlp import request_of_json

_FOLDER = Path(__file__).parent.parent / "tests" / "data" / "train-ticket"
_SLOWEST = 999  # of 1,000 spans of a name, so many are fast enough for its rule


class TrainTicket:
    """The recorded messages; `spans` and `traces` are those of one time through them, copies of spans too."""

    def __init__(self) -> None:
        lines = [
            line
            for file in sorted(_FOLDER.glob("*.gz"))
            for line in gzip.decompress(file.read_bytes()).splitlines()
        ]
        requests = [request_of_json(line) for line in lines]
        spans = [
            span
            for each in requests
            for of in each.resource_spans
            for scope in of.scope_spans
            for span in scope.spans
        ]
        ids = list(dict.fromkeys(span.trace_id for span in spans))
        self.spans, self.traces = len(spans), len(ids)
        self._durations: dict[str, list[int]] = {}
        for span in spans:
            took = span.end_time_unix_nano - span.start_time_unix_nano
            self._durations.setdefault(span.name, []).append(took)
        self._template = Template([each.SerializeToString() for each in requests], ids)

    def messages(self, times: int, seed: int) -> Iterator[bytes]:
        """All of it that often."""
        draw = random.Random(seed)
        for _ in range(times):
            yield from self._template.fresh(draw)

    def rules(self, count: int) -> list[Pair]:
        """Rules about the most frequent spans: these data have no attributes, so each asks for slow ones."""
        often = sorted(self._durations, key=lambda name: (-len(self._durations[name]), name))[:count]
        return [_slower(name, sorted(self._durations[name])) for name in often]


def _slower(name: str, durations: list[int]) -> Pair:
    bound = durations[len(durations) * _SLOWEST // 1000]
    return Pair(
        f'"{name}".where(duration > {bound}ns)',
        f'name == "{name}" and (end_time_unix_nano - start_time_unix_nano) > {bound}',
    )
