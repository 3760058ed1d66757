"""The group partitions that a worker owns, and what they show of themselves."""

from collections.abc import Callable
from dataclasses import dataclass, field

from streams import metrics
from streams.group import Load
from streams.partition import Partition
from streams.publish import Publisher
from streams.table import PartitionStore


@dataclass(slots=True)
class Owned:
    """A group partition that this worker owns: its table, its state, its way out."""

    store: PartitionStore
    partition: Partition
    publisher: Publisher

    def give_up(self) -> None:
        """Nothing more is written or published: another worker owns it, or will."""
        self.store.owned = False
        self.publisher.stop()


@dataclass(slots=True)
class Standing:
    """How far the partitions of `owned` are; `now` is Unix ms."""

    owned: dict[int, Owned]
    now: Callable[[], int]
    _moved: tuple[int, int] = field(default=(0, 0))  # the slowest clock, and when it came to stand there (ms)

    def slowest(self) -> tuple[int | None, bool]:
        """The least watermark (ms) that any of them knows of, and whether one of them waits to know all."""
        clocks = [owned.partition.state.clock for owned in self.owned.values()]
        known = [slowest[1] for clock in clocks if (slowest := clock.slowest())]
        return min(known, default=None), any(clock.unknown() for clock in clocks)

    def unheard(self) -> str | None:
        """Which input partitions one of them has not heard of."""
        for number, owned in sorted(self.owned.items()):
            if unknown := owned.partition.state.clock.unknown():
                of = ", ".join(f"{source.topic}/{source.partition}" for source in unknown)
                return f"group partition {number} has not heard of {of}"
        return None

    def stalled(self) -> float:
        """Seconds for which the slowest clock has not moved."""
        clocks = [owned.partition.state.clock.now for owned in self.owned.values()]
        slowest, now = min(clocks, default=0), self.now()
        if not clocks or slowest != self._moved[0]:
            self._moved = (slowest, now)
        return (now - self._moved[1]) / 1000

    def show(self, load: Load, topic: str, end: Callable[[int], int]) -> None:
        """Set the metrics; `end` gives the end offset of a partition of the spans topic."""
        partitions = {number: owned.partition for number, owned in self.owned.items()}
        metrics.IN_FLIGHT.set(load.traces)
        metrics.STATE_BYTES.set(sum(each.kept.size for each in partitions.values()))
        metrics.RETAINED.set(sum(p.kept.open_to_late(p.state.clock.now) for p in partitions.values()))
        metrics.CLOCK_STALLED.set(self.stalled())
        for number, each in partitions.items():
            metrics.CONSUMER_LAG.labels(topic, number).set(max(0, end(number) - each.applied - 1))
