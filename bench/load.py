"""A worker at full and at half load: how late violations are, and how much is written for them."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from bench import spans as made
from bench.cases import Bench, Case
from bench.delay import delays, quantile
from bench.feed import feeding
from bench.measure import finish
from bench.topic import EPOCH, PARTITIONS, SEED, Input
from bench.volume import written
from bench.worker import Workers, working
from tests.integration.processes import until
from tests.kafka import create_topic


@dataclass(frozen=True, slots=True)
class Load:
    """Sorted seconds from the judging tick to each violation; bytes per uncompressed input byte."""

    name: str
    delays: list[float]
    kafka: float
    disk: float

    def delay(self, part: float) -> float:
        """Below which that part of the delays lies."""
        return quantile(self.delays, part)


def full(bench: Bench, case: Case) -> Load:
    """All input is there before the worker starts."""
    with _working(bench, case) as workers:
        finish(workers, case.given, bench.kafka.address)
        return _load("full load", bench, workers, case.given)


def half(bench: Bench, case: Case, spans_per_second: float, seconds: float) -> Load:
    """Spans come at that rate, for so long."""
    address, topic = bench.kafka.address, "half-load"
    rounds = round(spans_per_second * seconds / made.ROUND_SPANS)
    spans = rounds * made.ROUND_SPANS
    size = sum(map(len, made.messages(spans, SEED, EPOCH)))
    given = Input(topic, spans, rounds * len(made.EVEN), size)
    create_topic(address, topic, PARTITIONS)
    with _working(bench, replace(case, given=given)) as workers:
        until("the worker is ready", lambda: workers.ready() or None)
        messages = made.messages(spans, SEED, EPOCH)
        with feeding(address, topic, messages, spans_per_second) as sender:
            sender.join()
        finish(workers, given, address)
        return _load("half load", bench, workers, given)


def _working(bench: Bench, case: Case) -> AbstractContextManager[Workers]:
    return working(bench.kafka.address, bench.folder, bench.task(case), whole=True)


def _load(name: str, bench: Bench, workers: Workers, given: Input) -> Load:
    late = delays(bench.kafka.address, workers.group)
    assert late, "no rule was violated: there is no delay to tell"
    stored = sum(written(bench.kafka, workers.group).values())
    disk = sum(each.written() for each in workers.processes)
    return Load(name, late, stored / given.size, disk / given.size)
