"""Kafka time: the watermark of each input partition, and the clock that is their minimum."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from streams.block import Source, Tick


@dataclass(slots=True)
class Clock:
    """What one group partition has heard; watermarks and clock (ms) never go back."""

    topics: frozenset[str]
    watermarks: dict[Source, int] = field(default_factory=dict)
    partitions: dict[str, int] = field(default_factory=dict)
    now: int = 0

    def hear(self, tick: Tick) -> None:
        """Take in a worker's watermarks and advance."""
        for topic, count in tick.partitions.items():
            self.partitions[topic] = max(count, self.partitions.get(topic, 0))
        for source, time in tick.watermarks.items():
            if time > self.watermarks.get(source, 0):
                self.watermarks[source] = time
        if not self.unknown():
            self.now = max(self.now, min(self.watermarks[source] for source in self._needed()))

    def unknown(self) -> list[Source]:
        """Input partitions not heard of yet; nothing is judged before this is empty.

        A topic whose number of partitions nobody told stands in it as partition -1.
        """
        untold = [Source(topic, -1) for topic in sorted(self.topics) if topic not in self.partitions]
        return untold + [source for source in self._needed() if source not in self.watermarks]

    def slowest(self) -> tuple[Source, int] | None:
        """The input partition that holds the clock back, with its watermark; None while some are unknown."""
        if self.unknown():
            return None
        return min(((s, self.watermarks[s]) for s in self._needed()), key=lambda pair: pair[1])

    def _needed(self) -> Iterable[Source]:
        return (
            Source(topic, p) for topic in sorted(self.topics) for p in range(self.partitions.get(topic, 0))
        )
