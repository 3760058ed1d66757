"""What a partition keeps for ever, until it may forget: the keys and values of the one table.

| key | value | written |
| --- | --- | --- |
| `B` + offset of the block | version, clock when applied (ms), its repeats, the block | when it is applied |
| `J` + offset of the tick, chunk | version, zstd of header, judged traces, findings | when a tick judges |
| `T` | version, zstd of JSON: see `Totals` and `PartitionState` | at the end of every tick |
| `A` + rule id | JSON: see `activity.Row` | when activity is told |
| `I` + trace id | where it was judged last, where its spans are | after `T`, in RocksDB alone: rebuilt |

A write goes to RocksDB and to the changelog; the changelog of a partition is always a prefix of its writes.
"""

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Final, NamedTuple, get_args

from streams.activity import Activity, Told
from streams.block import Position
from streams.clock import Clock
from streams.group import Reason
from streams.packed import pack, unpack
from streams.tick import VERSION, Counts, Source, UnknownRecord
from streams.upheld import Upheld

TICK_KEY = b"T"
INDEXED_KEY = b"i"  # offset of the last tick whose judged traces stand under `I`
_BLOCK_KEY = struct.Struct(">cQ")
_JUDGED_KEY = struct.Struct(">cQH")
_KEPT_BLOCK = struct.Struct("<BQI")
_NUMBER = struct.Struct("<I")
_JUDGED_HEAD = struct.Struct("<BI")
_JUDGED_TRACE = struct.Struct("<16sBQIIII")
_WHERE = struct.Struct("<QHQQIB")
_REASONS: tuple[Reason, ...] = get_args(Reason)
_NUMBERS = {reason: number for number, reason in enumerate(_REASONS)}


def block_key(offset: int) -> bytes:
    return _BLOCK_KEY.pack(b"B", offset)


def judged_key(tick: int, chunk: int) -> bytes:
    return _JUDGED_KEY.pack(b"J", tick, chunk)


def trace_key(trace_id: bytes) -> bytes:
    return b"I" + trace_id


FIRST_TRACE, BEHIND_TRACES = b"I", b"J"
FULL: Final[frozenset[Reason]] = frozenset({"span_limit", "size_limit"})
"""Reasons for which a trace was judged that takes no more spans."""


def offset_of(key: bytes) -> int:
    """The block's or tick's offset that a `B` or `J` key holds."""
    return int.from_bytes(key[1:9], "big")


def chunk_of(key: bytes) -> int:
    """The chunk that a `J` key holds."""
    return int.from_bytes(key[9:], "big")


class KeptBlock(NamedTuple):
    """A block in the table: the clock (ms) at which it was applied, and the sections then known already."""

    clock: int
    repeats: frozenset[int]
    data: bytes

    def encode(self) -> bytes:
        repeats = b"".join(_NUMBER.pack(number) for number in sorted(self.repeats))
        return _KEPT_BLOCK.pack(VERSION, self.clock, len(repeats)) + repeats + self.data

    @classmethod
    def decode(cls, value: bytes) -> "KeptBlock":
        """UnknownRecord when another version wrote it."""
        _check(value)
        _, clock, size = _KEPT_BLOCK.unpack_from(value)
        at = _KEPT_BLOCK.size + size
        repeats = frozenset(number for (number,) in _NUMBER.iter_unpack(value[_KEPT_BLOCK.size : at]))
        return cls(clock, repeats, value[at:])


class JudgedTrace(NamedTuple):
    """A trace that was judged, why then, and where its spans are (`group.fragments`).

    `first` is the clock (ms) of its first judgement; `spans` are distinct, the others `duplicates`;
    `findings` says how many of the chunk's findings are its own, in order.
    """

    trace_id: bytes
    reason: Reason
    first: int
    spans: int
    duplicates: int
    findings: int
    at: bytes

    @property
    def full(self) -> bool:
        """Whether it takes no more spans."""
        return self.reason in FULL


class Finding(NamedTuple):
    """A violation of a judged trace, as JSON: published, or kept as it was published before."""

    id: str
    value: bytes
    publish: bool = True


@dataclass(frozen=True, slots=True)
class Judged:
    """What a tick judged, or a chunk of it: written before any of it is published."""

    clock: int  # ms
    spans: int  # distinct; of a trace that was judged before, those more than then
    duplicates: int
    traces: list[JudgedTrace]
    findings: list[Finding]
    activity: Activity  # what the rules came to
    upheld: list[Upheld] = field(default_factory=list)  # that are told

    @property
    def published(self) -> list[tuple[str, bytes]]:
        """The violations to publish: id, JSON."""
        return [(finding.id, finding.value) for finding in self.findings if finding.publish]

    def upheld_on(self, trace_id: bytes) -> list[Upheld]:
        """What is told to have held on a trace."""
        return [each for each in self.upheld if each.trace_id == trace_id.hex()]

    def of(self, trace_id: bytes) -> tuple[JudgedTrace, list[Finding]]:
        """A trace of this chunk, and its findings."""
        at = 0
        for trace in self.traces:
            if trace.trace_id == trace_id:
                return trace, self.findings[at : at + trace.findings]
            at += trace.findings
        raise LookupError(f"trace {trace_id.hex()} was not judged here")

    def encode(self) -> bytes:
        """The table value."""
        traces = b"".join(
            _JUDGED_TRACE.pack(trace_id, _NUMBERS[reason], first, spans, duplicates, findings, len(at)) + at
            for trace_id, reason, first, spans, duplicates, findings, at in self.traces
        )
        head = json.dumps(
            {
                "clock": self.clock,
                "activity": self.activity.json(),
                "spans": self.spans,
                "duplicates": self.duplicates,
                "traces": len(traces),
                "upheld": self.upheld,
                "findings": [[f.id, len(f.value), int(f.publish)] for f in self.findings],
            },
            separators=(",", ":"),
        ).encode()
        texts = (finding.value for finding in self.findings)
        return _JUDGED_HEAD.pack(VERSION, len(head)) + pack(b"".join((head, traces, *texts)))

    @classmethod
    def decode(cls, value: bytes) -> "Judged":
        """UnknownRecord when another version wrote it."""
        _check(value)
        body, at = _body(value), _JUDGED_HEAD.unpack_from(value)[1]
        head = json.loads(body[:at])
        end = at + head["traces"]
        traces = list(_judged_traces(body, at, end))
        findings = []
        for key, size, publish in head["findings"]:
            findings.append(Finding(key, body[end : end + size], bool(publish)))
            end += size
        activity = Activity.of_json(head["activity"])
        upheld = [Upheld(*each) for each in head.get("upheld", ())]
        return cls(head["clock"], head["spans"], head["duplicates"], traces, findings, activity, upheld)


def tells_of(key: bytes, value: bytes, trace_id: bytes) -> bool:
    """Whether a `B` or `J` value is likely to tell of a trace: quicker than to decode it."""
    return trace_id in (value if key[:1] == b"B" else _body(value))


def _body(judged: bytes) -> bytes:
    return unpack(judged[_JUDGED_HEAD.size :])


def index_of(key: bytes, traces: Iterable[JudgedTrace], until: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and `I` values of traces that the `J` of that key judged, remembered up to that clock (ms)."""
    tick, chunk = offset_of(key), chunk_of(key)
    for trace_id, reason, first, spans, duplicates, _, at in traces:
        full = reason in FULL
        yield trace_key(trace_id), _WHERE.pack(tick, chunk, until, first, spans + duplicates, full) + at


class Where(NamedTuple):
    """The `I` value: in which `J` a trace was judged last, and what a late span of it needs to know."""

    tick: int
    chunk: int
    until: int  # clock (ms) up to which it is remembered
    first: int  # clock (ms) of its first judgement
    spans: int  # with duplicates
    full: bool  # it takes no more
    at: bytes

    @classmethod
    def decode(cls, value: bytes) -> "Where":
        tick, chunk, until, first, spans, full = _WHERE.unpack_from(value)
        return cls(tick, chunk, until, first, spans, bool(full), value[_WHERE.size :])


@dataclass(slots=True)
class Totals:
    """Where spans went, each counted once: received = own + rejected + what the others add up to."""

    received: int = 0
    own: int = 0
    rejected: int = 0
    judged: int = 0
    duplicate: int = 0
    too_late: int = 0


@dataclass(slots=True)
class PartitionState:
    """What `T` keeps: all that a partition knows beside its blocks, as of the tick at offset `tick`."""

    clock: Clock
    tick: int = -1
    positions: dict[Source, Position] = field(
        default_factory=dict
    )  # the next one wanted of each input partition
    counted: dict[Source, int] = field(default_factory=dict)  # the next input offset whose counts are wanted
    totals: Totals = field(default_factory=Totals)
    in_flight: int = 0
    activity: Activity = field(default_factory=Activity)  # gathered, and not told yet
    told: Told = field(default_factory=Told)

    def count(self, source: Source, counts: list[Counts]) -> None:
        """Add what ingest counted; a record that was counted before is not counted again."""
        wanted = self.counted.get(source, 0)
        for record in counts:
            if record.offset >= wanted:
                wanted = record.offset + 1
                self.totals.received += record.received
                self.totals.own += record.own
                self.totals.rejected += record.rejected
        self.counted[source] = wanted

    def is_new(self, source: Source, position: Position) -> bool:
        """Whether an input record's part is seen for the first time; ingested again, it is passed over."""
        wanted = self.positions.get(source)
        if wanted is not None and position < wanted:
            return False
        self.positions[source] = Position(position.offset, position.part + 1)
        return True

    def encode(self) -> bytes:
        """The table value."""
        value = {
            "tick": self.tick,
            "clock": self.clock.now,
            "watermarks": [[*source, time] for source, time in self.clock.watermarks.items()],
            "partitions": self.clock.partitions,
            "skipped": [list(source) for source in self.clock.skipped],
            "positions": [[*source, *position] for source, position in self.positions.items()],
            "counted": [[*source, offset] for source, offset in self.counted.items()],
            "totals": asdict(self.totals),
            "in_flight": self.in_flight,
            "activity": self.activity.json(),
            "told": self.told,
        }
        return bytes((VERSION,)) + pack(json.dumps(value, separators=(",", ":")).encode())

    @classmethod
    def decode(cls, value: bytes, topics: frozenset[str]) -> "PartitionState":
        """UnknownRecord when another version wrote it. `topics` are the input topics as set now."""
        _check(value)
        kept = json.loads(unpack(value[1:]))
        watermarks = {Source(topic, partition): time for topic, partition, time in kept["watermarks"]}
        skipped = {Source(*each) for each in kept["skipped"]}
        return cls(
            Clock(topics, watermarks, kept["partitions"], kept["clock"], skipped),
            kept["tick"],
            {Source(t, p): Position(offset, part) for t, p, offset, part in kept["positions"]},
            {Source(t, p): offset for t, p, offset in kept["counted"]},
            Totals(**kept["totals"]),
            kept["in_flight"],
            Activity.of_json(kept["activity"]),
            Told(*kept["told"]),
        )


def _judged_traces(value: bytes, at: int, end: int) -> Iterator[JudgedTrace]:
    while at < end:
        trace_id, reason, first, spans, duplicates, findings, size = _JUDGED_TRACE.unpack_from(value, at)
        at += _JUDGED_TRACE.size + size
        yield JudgedTrace(
            trace_id, _REASONS[reason], first, spans, duplicates, findings, value[at - size : at]
        )


def _check(value: bytes) -> None:
    if not value or value[0] != VERSION:
        raise UnknownRecord(
            f"the table holds a value of version {value[:1].hex() or 'none'}: another BeTrace wrote it"
        )
