"""What is measured side by side: an input, rules and cores, by BeTrace and by the peer in turn."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import measure
from bench.peer import sampling
from bench.process import Process
from bench.result import Result
from bench.rules import Pair
from bench.task import Task
from bench.topic import Input
from bench.worker import working
from tests.kafka import Kafka


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table."""

    name: str
    given: Input
    rules: Sequence[Pair]
    cores: int = 1
    beside: bool = True  # whether the peer is measured too


@dataclass(slots=True)
class Outcome:
    """All runs of a case, in pairs."""

    case: Case
    betrace: list[Result]
    peer: list[Result]


@dataclass(frozen=True, slots=True)
class Bench:
    """Where cases are run; `wait` is for how many seconds each side waits for a trace's spans."""

    kafka: Kafka
    otelcol: str
    folder: Path
    wait: float

    @property
    def broker(self) -> Process:
        """The broker's process."""
        return Process(self.kafka.pid)

    def run(self, cases: Sequence[Case], runs: int) -> Iterator[Outcome]:
        """Every case so often, in rounds, so that a change of the machine's mood hits all alike."""
        outcomes = [Outcome(case, [], []) for case in cases]
        for _ in range(runs):
            for outcome in outcomes:
                outcome.betrace.append(self.by_betrace(outcome.case))
                if outcome.case.beside:
                    outcome.peer.append(self.by_peer(outcome.case))
                yield outcome

    def task(self, case: Case) -> Task:
        """What either side is told."""
        return Task(case.given.topic, case.rules, self.wait, case.cores)

    def by_betrace(self, case: Case) -> Result:
        """One run of BeTrace."""
        with working(self.kafka.address, self.folder, self.task(case)) as workers:
            return measure(workers, case.given, self.broker, self.kafka.address)

    def by_peer(self, case: Case) -> Result:
        """One run of the Collector."""
        with sampling(self.otelcol, self.kafka.address, self.folder, self.task(case)) as collector:
            return measure(collector, case.given, self.broker, self.kafka.address)
