"""What a partition keeps for ever, until it may forget: the keys and values of the one table.

| key | value | written |
| --- | --- | --- |
| `B` + offset of the block | version, clock when applied (ms), its repeats, the block | when it is applied |
| `J` + offset of the tick, chunk | version, header, judged traces, violations | when a tick judges |
| `T` | version, JSON: see `Totals` and `PartitionState` | at the end of every tick |
| `A` + rule id | JSON: see `activity.Row` | when activity is told |
| `I` + trace id | where it was judged, where its spans are | beside `J`, in RocksDB alone: rebuilt from `J` |

A write goes to RocksDB and to the changelog; the changelog of a partition is always a prefix of its writes.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import NamedTuple, get_args

from streams.activity import Activity, Told
from streams.block import VERSION, Counts, Position, Source, UnknownRecord
from streams.clock import Clock
from streams.group import Reason

TICK_KEY = b"T"
INDEXED_KEY = b"i"  # offset of the last tick whose judged traces stand under `I`
_BLOCK_KEY = struct.Struct(">cQ")
_JUDGED_KEY = struct.Struct(">cQH")
_KEPT_BLOCK = struct.Struct("<BQI")
_NUMBER = struct.Struct("<I")
_JUDGED_HEAD = struct.Struct("<BI")
_JUDGED_TRACE = struct.Struct("<16sBI")
_WHERE = struct.Struct("<QH")
_REASONS: tuple[Reason, ...] = get_args(Reason)


def block_key(offset: int) -> bytes:
    return _BLOCK_KEY.pack(b"B", offset)


def judged_key(tick: int, chunk: int) -> bytes:
    return _JUDGED_KEY.pack(b"J", tick, chunk)


def trace_key(trace_id: bytes) -> bytes:
    return b"I" + trace_id


def offset_of(key: bytes) -> int:
    """The block's or tick's offset that a `B` or `J` key holds."""
    return int.from_bytes(key[1:9], "big")


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
    """A trace that was judged, why then, and where its spans are (packed `group.FragmentAt`)."""

    trace_id: bytes
    reason: Reason
    at: bytes


@dataclass(frozen=True, slots=True)
class Judged:
    """What a tick judged, or a chunk of it: written before any of it is published."""

    clock: int  # ms
    spans: int
    duplicates: int
    traces: list[JudgedTrace]
    violations: list[tuple[str, bytes]]  # id, JSON as published
    activity: Activity  # what the rules came to

    def encode(self) -> bytes:
        """The table value."""
        traces = b"".join(
            _JUDGED_TRACE.pack(t.trace_id, _REASONS.index(t.reason), len(t.at)) + t.at for t in self.traces
        )
        head = json.dumps(
            {
                "clock": self.clock,
                "activity": self.activity.json(),
                "spans": self.spans,
                "duplicates": self.duplicates,
                "traces": len(traces),
                "violations": [[key, len(text)] for key, text in self.violations],
            },
            separators=(",", ":"),
        ).encode()
        texts = (text for _, text in self.violations)
        return b"".join((_JUDGED_HEAD.pack(VERSION, len(head)), head, traces, *texts))

    @classmethod
    def decode(cls, value: bytes) -> "Judged":
        """UnknownRecord when another version wrote it."""
        _check(value)
        at = _JUDGED_HEAD.size + _JUDGED_HEAD.unpack_from(value)[1]
        head = json.loads(value[_JUDGED_HEAD.size : at])
        end = at + head["traces"]
        traces = list(_judged_traces(value, at, end))
        violations = []
        for key, size in head["violations"]:
            violations.append((key, value[end : end + size]))
            end += size
        activity = Activity.of_json(head["activity"])
        return cls(head["clock"], head["spans"], head["duplicates"], traces, violations, activity)


class Where(NamedTuple):
    """The `I` value: in which `J` a trace was judged, and where its spans are."""

    tick: int
    chunk: int
    at: bytes

    def encode(self) -> bytes:
        return _WHERE.pack(self.tick, self.chunk) + self.at

    @classmethod
    def decode(cls, value: bytes) -> "Where":
        tick, chunk = _WHERE.unpack_from(value)
        return cls(tick, chunk, value[_WHERE.size :])


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
            "positions": [[*source, *position] for source, position in self.positions.items()],
            "counted": [[*source, offset] for source, offset in self.counted.items()],
            "totals": asdict(self.totals),
            "in_flight": self.in_flight,
            "activity": self.activity.json(),
            "told": self.told,
        }
        return bytes((VERSION,)) + json.dumps(value, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, value: bytes, topics: frozenset[str]) -> "PartitionState":
        """UnknownRecord when another version wrote it. `topics` are the input topics as set now."""
        _check(value)
        kept = json.loads(value[1:])
        watermarks = {Source(topic, partition): time for topic, partition, time in kept["watermarks"]}
        return cls(
            Clock(topics, watermarks, kept["partitions"], kept["clock"]),
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
        trace_id, reason, size = _JUDGED_TRACE.unpack_from(value, at)
        at += _JUDGED_TRACE.size + size
        yield JudgedTrace(trace_id, _REASONS[reason], value[at - size : at])


def _check(value: bytes) -> None:
    if not value or value[0] != VERSION:
        raise UnknownRecord(
            f"the table holds a value of version {value[:1].hex() or 'none'}: another BeTrace wrote it"
        )
