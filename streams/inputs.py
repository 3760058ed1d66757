"""The input partitions of a worker: how far each is, told to every group partition in ticks."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiokafka.errors import KafkaError
from faust.types import TP

from streams import metrics
from streams.admin import partition_counts
from streams.config import Config, ms
from streams.crash import CrashPoints
from streams.ingest import Ingest, Progress
from streams.producer import Producer
from streams.reach import Unreachable
from streams.threads import in_thread
from streams.tick import Counts, Source, Tick
from streams.topics import Topics

_BEGINNING = 1  # ms: the watermark of a partition of which no time is known; limits hold from there on
_METADATA_MS = 30_000  # between looks at the input topics' numbers of partitions

Watermarks = dict[Source, int]  # ms


log = logging.getLogger("betrace.inputs")


@dataclass(slots=True)
class Inputs:
    """`consumer` gives Faust's (`streams.transport`), `now` Unix ms."""

    config: Config
    ingest: Ingest
    producer: Producer
    consumer: Callable[[], Any]
    now: Callable[[], int]
    crash: CrashPoints
    topics: frozenset[str] = frozenset()
    owned: frozenset[TP] = frozenset()
    _assignment: int = 0  # how many assignments there were
    partitions: dict[str, int] = field(default_factory=dict)
    paused: frozenset[TP] = frozenset()  # for running ahead of the others
    _looked: int = 0

    def __post_init__(self) -> None:
        self.topics = frozenset(topic.name for topic in self.config.kafka.input_topics)

    def assign(self, partitions: set[TP]) -> None:
        """Own these and no others from now on."""
        self._assignment += 1
        for tp in self.owned:
            metrics.forget(*tp)
        self.owned = frozenset(tp for tp in partitions if tp.topic in self.topics)
        self.paused = frozenset()

    async def look(self) -> None:
        """Learn the numbers of partitions of the input topics, at the start and now and then; Unreachable."""
        if self.now() < self._looked + _METADATA_MS:
            return
        self._looked = self.now()
        found = await in_thread(lambda: partition_counts(self.config.kafka))
        self.partitions = {topic: found[topic] for topic in self.topics if topic in found}

    async def tick(self, slowest: int | None, crowded: bool = False) -> None:
        """Tell every group partition how far the input partitions of this worker are.

        `slowest` is the least watermark (ms) of any input partition that this worker has heard of. `crowded`
        says that state is full and cannot be judged yet: nothing more is read. While Kafka is away nothing is
        told.
        """
        assignment = self._assignment
        try:
            watermarks, ends = await self._ask()
        except (KafkaError, Unreachable) as problem:
            log.warning("nothing can be told of the input partitions: %s", problem)
            return
        if not watermarks or assignment != self._assignment:
            return
        self._align(watermarks, slowest, crowded)
        self._show(watermarks, ends)
        await self._tell(watermarks)

    async def _ask(self) -> tuple[Watermarks, dict[Source, int]]:
        """The watermarks of the input partitions, and their end offsets."""
        await self.look()
        sources = [Source(tp.topic, tp.partition) for tp in sorted(self.owned)]
        if not sources:
            return {}, {}
        asked, ends = self.now(), await self._end_offsets(sources)
        return {source: await self._watermark(source, asked, ends[source]) for source in sources}, ends

    async def _tell(self, watermarks: Watermarks) -> None:
        """Send the ticks; the counts of records that were told may not be told again."""
        flushed = self.ingest.take()
        told: dict[Source, list[Counts]] = {}
        for record in flushed:
            told.setdefault(record.source, []).append(record.counts)
        partitions = range(self.config.kafka.partitions)
        for future in [await self._send(number, watermarks, told) for number in partitions]:
            await future
        if flushed:
            self.crash.reach("ticks-sent")
        for record in flushed:
            record.acknowledge()

    async def _send(
        self, partition: int, watermarks: Watermarks, told: dict[Source, list[Counts]]
    ) -> Awaitable[object]:
        """A tick; the counts of an input partition go to one group partition alone."""
        of = self.config.kafka.partitions
        counts = {source: c for source, c in told.items() if source.partition % of == partition}
        tick = Tick(watermarks, self.partitions, counts)
        spans = Topics(self.config.kafka.group).spans
        return await self.producer.send(spans, tick.encode(), partition=partition)

    async def _end_offsets(self, sources: list[Source]) -> dict[Source, int]:
        ends = await self.consumer().highwaters(*(TP(*source) for source in sources))
        return {Source(tp.topic, tp.partition): end for tp, end in ends.items()}

    async def _watermark(self, source: Source, asked: int, end: int) -> int:
        """The greatest record time ingested, or the last time at which the end then known was reached."""
        progress = self.ingest.progress.setdefault(source, Progress())
        ingested = progress.next_offset
        if ingested is None:
            start = await self.consumer().start_of(TP(*source))
            ingested = progress.reach(start)  # records may have been ingested meanwhile
        reached = self._reached(source, ingested)
        if reached >= end or progress.asked is None:
            progress.asked = (asked, end)
        when, wanted = progress.asked
        if reached >= wanted:
            progress.time, progress.asked = max(progress.time, when), None
        return max(progress.time, _BEGINNING)

    def _reached(self, source: Source, ingested: int) -> int:
        """The offset before which all is ingested: of the next record, or, past marks, what is read next."""
        read = self.consumer().read(TP(*source))
        return max(ingested, read.position) if read and ingested >= read.records else ingested

    def _align(self, watermarks: Watermarks, slowest: int | None, crowded: bool) -> None:
        """Pause the partitions that run more than `max_wait` ahead of the slowest one; all if crowded."""
        if slowest is None and not crowded:
            return
        limit = -1 if crowded else (slowest or 0) + ms(self.config.windows.max_wait)
        ahead = frozenset(TP(*source) for source, time in watermarks.items() if time > limit)
        if ahead - self.paused:
            self.consumer().pause_partitions(ahead - self.paused)
        if self.paused - ahead:
            self.consumer().resume_partitions(self.paused - ahead)
        self.paused = ahead

    def _show(self, watermarks: Watermarks, ends: dict[Source, int]) -> None:
        now = self.now()
        for source, time in watermarks.items():
            metrics.CLOCK_LAG.labels(*source).set((now - time) / 1000)
            reached = self._reached(source, self.ingest.progress[source].next_offset or 0)
            metrics.CONSUMER_LAG.labels(*source).set(ends[source] - reached)
