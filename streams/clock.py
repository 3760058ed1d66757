"""Kafka time: the watermark of each input partition, and the clock that is their minimum."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from streams.tick import Source, Tick


@dataclass(slots=True)
class Clock:
    """What one group partition has heard; watermarks and clock (ms) never go back."""

    topics: frozenset[str]
    watermarks: dict[Source, int] = field(default_factory=dict)
    partitions: dict[str, int] = field(default_factory=dict)
    now: int = 0
    skipped: set[Source] = field(default_factory=set)  # left out, until more is heard of them

    def hear(self, tick: Tick) -> None:
        """Take in a worker's watermarks and advance."""
        for topic, count in tick.partitions.items():
            self.partitions[topic] = max(count, self.partitions.get(topic, 0))
        self.skipped.update(tick.skipped)
        for source, time in tick.watermarks.items():
            if time > self.watermarks.get(source, 0):
                self.watermarks[source] = time
                self.skipped.discard(source)
        if not self.unknown():
            self.now = max(self.now, min((self.watermarks[s] for s in self._needed()), default=0))

    def unknown(self) -> list[Source]:
        """Input partitions not heard of yet; nothing is judged before this is empty.

        A topic whose number of partitions nobody told stands in it as partition -1.
        """
        untold = [Source(topic, -1) for topic in sorted(self.topics) if topic not in self.partitions]
        return untold + [source for source in self._needed() if source not in self.watermarks]

    def slowest(self) -> tuple[Source, int] | None:
        """The input partition that holds the clock back, with its watermark; None while that is unknown."""
        if self.unknown():
            return None
        needed = [(source, self.watermarks[source]) for source in self._needed()]
        return min(needed, key=lambda pair: pair[1], default=None)

    def _needed(self) -> Iterator[Source]:
        for topic in sorted(self.topics):
            every = (Source(topic, number) for number in range(self.partitions.get(topic, 0)))
            yield from (source for source in every if source not in self.skipped)
