"""What it cost to judge an input."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.process import Process


@dataclass(frozen=True, slots=True)
class Result:
    """One run: seconds of CPU and of the clock, peak memory (MB), disk (bytes); sums over the processes."""

    spans: int
    cpu: float
    broker_cpu: float
    wall: float
    memory: int
    disk: int
    found: int = 0  # violations, or what the peer's policies sampled

    @property
    def rate(self) -> float:
        """Spans per CPU second of the judging processes."""
        return self.spans / self.cpu

    @property
    def pace(self) -> float:
        """Spans per second of the clock."""
        return self.spans / self.wall

    def per_million(self, seconds: float) -> float:
        """So many seconds, for a million spans."""
        return seconds / self.spans * 1e6


@dataclass(frozen=True, slots=True)
class Meter:
    """Readings of the judging processes and the broker at the beginning."""

    judges: Sequence[Process]
    broker: Process
    cpu: float
    broker_cpu: float
    wall: float

    @classmethod
    def begin(cls, judges: Sequence[Process], broker: Process) -> "Meter":
        """Read now."""
        return cls(judges, broker, sum(each.cpu() for each in judges), broker.cpu(), time.monotonic())

    def end(self, spans: int) -> Result:
        """What has been used since, for so many spans."""
        return Result(
            spans,
            sum(each.cpu() for each in self.judges) - self.cpu,
            self.broker.cpu() - self.broker_cpu,
            time.monotonic() - self.wall,
            sum(each.memory() for each in self.judges),
            sum(each.written() for each in self.judges),
        )
