"""What the worker that owns a trace holds of it, read from the changelog of its table."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from dsl.trace import Span
from streams.admin import TopicError, partition_counts
from streams.block import Block, trace_of
from streams.config import Config, ms
from streams.fence import Fence, epoch_of
from streams.group import fragments
from streams.ranges import Ranges, headers_of
from streams.state import (
    TICK_KEY,
    Finding,
    Judged,
    JudgedTrace,
    KeptBlock,
    PartitionState,
    offset_of,
    tells_of,
)
from streams.tick import Source
from streams.topics import Topics


@dataclass(frozen=True, slots=True)
class Part:
    """Spans of the trace from one input record, and what became of them.

    `fate` is in-flight, judged, or late: too late for the trace, or more than it may have.
    """

    at: tuple[int, int]  # the block, and the entry in it
    source: Source
    offset: int  # of the input record
    came: int  # Kafka time, ms
    fate: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The last judgement of the trace, at a clock (ms), and its findings as they were published."""

    clock: int
    trace: JudgedTrace
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Held:
    """A trace as its group partition knows it; `clock` (ms) is None where no tick is there yet."""

    partition: int
    clock: int | None
    judgement: Judgement | None
    late_until: int | None  # the Kafka time (ms) up to which late spans open it again
    parts: list[Part]


@dataclass(slots=True)
class _Values:
    """The live values of the changelog that tell of one trace."""

    trace_id: bytes
    tick: bytes | None = None
    blocks: dict[bytes, bytes] = field(default_factory=dict)
    judged: dict[bytes, bytes] = field(default_factory=dict)

    def take(self, key: bytes, value: bytes | None) -> None:
        """A record, in the order of the changelog."""
        if key == TICK_KEY:
            self.tick = value
        elif key[:1] in (b"B", b"J"):
            values = self.blocks if key[:1] == b"B" else self.judged
            values.pop(key, None)
            if value is not None and tells_of(key, value, self.trace_id):
                values[key] = value


def held(config: Config, trace_id: bytes) -> Held:
    """Read the changelog of the trace's partition, from its start; Unreachable, TopicError."""
    kafka = config.kafka
    topic = Topics(kafka.group).changelog
    partitions = partition_counts(kafka).get(topic)
    if not partitions:
        raise TopicError(f"{topic} does not exist: no worker of the group {kafka.group} has run")
    partition = zlib.crc32(trace_id) % partitions
    values = _Values(trace_id)
    fence = Fence()
    with Ranges(kafka, "held") as reader:
        for message in reader.records([reader.within(topic, partition, None, None)]):
            if fence.passes(epoch_of(headers_of(message).items())):
                values.take(message.key() or b"", message.value())
    inputs = frozenset(each.name for each in kafka.input_topics)
    clock = PartitionState.decode(values.tick, inputs).clock.now if values.tick else None
    tick, judgement = _last_judgement(values)
    until = judgement.trace.first + ms(config.windows.late_window) if judgement else None
    parts = [
        replace(part, fate=_fate(part, tick, judgement, until))
        for key, value in sorted(values.blocks.items())
        for part in _parts(offset_of(key), KeptBlock.decode(value), trace_id)
    ]
    return Held(partition, clock, judgement, until, parts)


def _last_judgement(values: _Values) -> tuple[int, Judgement | None]:
    """The tick of the last judgement, and it; -1 where there is none."""
    for key, value in sorted(values.judged.items(), reverse=True):
        judged = Judged.decode(value)
        if any(trace.trace_id == values.trace_id for trace in judged.traces):
            trace, findings = judged.of(values.trace_id)
            return offset_of(key), Judgement(judged.clock, trace, findings)
    return -1, None


def _parts(offset: int, kept: KeptBlock, trace_id: bytes) -> Iterator[Part]:
    block = Block(kept.data)
    for number, section in enumerate(block.sections()):
        for entry in section.entries:
            if entry.trace_id == trace_id and number not in kept.repeats:
                at = offset, entry.at
                spans = trace_of(trace_id, [(block, entry.at)]).spans
                came = max(section.time, kept.clock)
                yield Part(at, section.source, section.position.offset, came, "in-flight", spans)


def _fate(part: Part, tick: int, judgement: Judgement | None, until: int | None) -> str:
    """What became of a part, given the tick of the last judgement, and when its late window ends (ms)."""
    if judgement is None or until is None:
        return "in-flight"
    if part.at in set(fragments(judgement.trace.at)):
        return "judged"
    late = part.at[0] < tick or part.came > until or judgement.trace.full
    return "late" if late else "in-flight"
