"""From input records to blocks: splits spans by trace, gathers them, sends each partition its block."""

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from streams import metrics
from streams.block import Builder, Position
from streams.config import DeadLetters, Encoding, Limits
from streams.crash import CrashPoints
from streams.fragment import Fragment
from streams.kinds import Kinds
from streams.letters import DeadLetter, Record, of_spans, whole
from streams.otlp import WireError
from streams.reading import pieces, read
from streams.split import Split, joined
from streams.tick import Counts, Source
from streams.unreadable import Readable, Unreadable

_POLICY = DeadLetters()
_GATHER_SPANS = 16_000
_GATHER_BYTES = 8 * 2**20
_FUTURE = 1000  # ms that a record may be stamped ahead of now

_Share = list[tuple[bytes, Fragment]]  # of a record: traces and their spans


class Sends(Protocol):
    """How blocks and dead letters leave; the futures are done when the broker has them."""

    async def block(self, partition: int, value: bytes) -> Awaitable[object]: ...

    async def dead_letter(self, letter: DeadLetter) -> Awaitable[object]: ...


@dataclass(slots=True)
class Progress:
    """How far an input partition has been ingested and acknowledged by the broker of `betrace.spans`."""

    next_offset: int | None = None
    time: int = 0  # ms: everything up to this record time is ingested
    asked: tuple[int, int] | None = None  # when (ms) an end offset was asked for, and that offset

    def reach(self, offset: int) -> int:
        """Take it that all before an offset is ingested; the next offset, which never goes back."""
        self.next_offset = max(offset, self.next_offset or 0)
        return self.next_offset


class Flushed(NamedTuple):
    """A record whose spans are durable: it is acknowledged when a tick has told its counts."""

    source: Source
    time: int
    counts: Counts
    acknowledge: Callable[[], object]


@dataclass(slots=True)
class _Gathered:
    builders: dict[int, list[Builder]] = field(default_factory=dict)
    kinds: Kinds = field(default_factory=Kinds)
    letters: list[DeadLetter] = field(default_factory=list)
    records: list[Flushed] = field(default_factory=list)
    spans: int = 0
    size: int = 0


class Ingest:
    """Gathers records and flushes them as blocks, one flush at a time, so that none overtakes another."""

    def __init__(
        self,
        sends: Sends,
        partitions: int,
        encodings: dict[str, Encoding],
        limits: Limits,
        crash: CrashPoints,
        now: Callable[[], int],
        policy: DeadLetters = _POLICY,
        signatures: bool = False,
    ) -> None:
        self.progress: dict[Source, Progress] = {}
        self._flushed: list[Flushed] = []
        self._sends = sends
        self._partitions = partitions
        self._encodings = encodings
        self._readable = {topic: Readable(topic, kind, policy) for topic, kind in encodings.items()}
        self._unreadable: Unreadable | None = None
        self._limits = limits
        self._signatures = signatures
        self._crash = crash
        self._now = now
        self._gathered = _Gathered()
        self._flushing = asyncio.Lock()

    def reset(self) -> None:
        """Forget what is not sent and who owns what: the partitions are assigned anew."""
        self._gathered = _Gathered()
        self.progress = {}
        self._flushed = []

    @property
    def full(self) -> bool:
        """Whether it is time to flush, however short the wait was."""
        return self._gathered.spans >= _GATHER_SPANS or self._gathered.size >= _GATHER_BYTES

    def take(self) -> list[Flushed]:
        """The records flushed since the last call: tell their counts, then acknowledge them."""
        taken, self._flushed = self._flushed, []
        return taken

    def add(self, record: Record, acknowledge: Callable[[], object]) -> None:
        """Take in a record; `acknowledge` comes back from `take` when all that it led to is durable.

        Too many that cannot be read are told by `flush`, and nothing is sent any more.
        """
        if self._unreadable:
            return
        time = self._time_of(record)
        gathered = self._gathered
        parts = self._read(record)
        gathered.size += len(record.value or b"")
        gathered.spans += parts.received
        self._place(record, time, parts)
        self._reject(record, parts)
        counts = Counts(record.offset, parts.received, parts.own, parts.rejected_spans)
        gathered.records.append(Flushed(record.source, time, counts, acknowledge))
        metrics.RECEIVED.inc(parts.received)
        metrics.OWN.inc(parts.own)
        if self._signatures:
            metrics.UNVERIFIED.labels("false").inc(parts.denied)
            metrics.UNVERIFIED.labels("absent").inc(parts.unmarked)

    async def flush(self) -> None:
        """Send what was gathered and wait until it is durable; Unreadable when too little can be read."""
        async with self._flushing:
            if self._unreadable:
                raise self._unreadable
            gathered, self._gathered = self._gathered, _Gathered()
            progress = self.progress
            sent = [await self._sends.dead_letter(letter) for letter in gathered.letters]
            for partition, builders in gathered.builders.items():
                sent += [await self._sends.block(partition, builder.encode()) for builder in builders]
            for future in sent:
                await future
            if sent:
                self._crash.reach("blocks-sent")
            if progress is not self.progress:
                return  # assigned anew meanwhile: these records are read again
            self._flushed += gathered.records
            for record in gathered.records:
                reached = progress.setdefault(record.source, Progress())
                reached.reach(record.counts.offset + 1)
                reached.time = max(reached.time, record.time)

    def _time_of(self, record: Record) -> int:
        """The record's time; 0, which the clock is ahead of, if it has none or one that is still to come.

        Now would be later than the times of records that stand behind it unread: the clock would pass them.
        """
        if record.time is None or not 0 < record.time <= self._now() + _FUTURE:
            metrics.FUTURE_RECORDS.inc()
            return 0
        return record.time

    def _read(self, record: Record) -> Split:
        topic, value = record.source.topic, record.value or b""
        try:
            known = self._gathered.kinds
            parts = read(self._encodings[topic], value, signatures=self._signatures, known=known)
            reason = None if parts.fragments or parts.own else next(iter(parts.rejected), None)
        except WireError as problem:
            parts, reason = Split(), problem.reason
            self._gathered.letters.append(whole(record, reason))
        if value:
            self._unreadable = self._readable[topic].count(record, reason)
        outcome = "read" if parts.received else "rejected" if value else "empty"
        metrics.RECORDS.labels(topic, outcome).inc()
        return parts

    def _place(self, record: Record, time: int, parts: Split) -> None:
        """Put each trace's spans in a block of its partition.

        How a record is cut into parts depends on the record alone, so that a part ingested again is the same.
        """
        common, limit = parts.common, self._limits.block_bytes
        fits = parts.most <= limit
        shares: defaultdict[int, _Share] = defaultdict(list)
        for piece in pieces(parts, limit):
            shares[zlib.crc32(piece[0]) % self._partitions].append(piece)
        for partition, share in shares.items():
            for number, part in enumerate([share] if fits else _parts(share, limit - common)):
                builder = self._builder(partition, part, parts)
                builder.section(record.source, Position(record.offset, number), time)
                for trace_id, fragment in part:
                    builder.add(trace_id, fragment)

    def _builder(self, partition: int, part: _Share, parts: Split) -> Builder:
        """The partition's open block, or a new one if that part of a record may not fit."""
        builders = self._gathered.builders.setdefault(partition, [])
        room = self._limits.block_bytes - builders[-1].size if builders else -1
        if room < parts.most and room < parts.common + _size(part):
            builders.append(Builder())
        return builders[-1]

    def _reject(self, record: Record, parts: Split) -> None:
        for reason, spans in parts.rejected.items():
            metrics.REJECTED.labels(reason).inc(len(spans))
            self._gathered.letters.append(of_spans(record, reason, joined(iter(spans)), len(spans)))


def _size(part: _Share) -> int:
    return sum(fragment.size for _, fragment in part)


def _parts(share: _Share, limit: int) -> Iterator[_Share]:
    """The share in parts of at most that size."""
    start = size = 0
    for number, (_, fragment) in enumerate(share):
        more = fragment.size
        if size and size + more > limit:
            yield share[start:number]
            start, size = number, 0
        size += more
    yield share[start:]
