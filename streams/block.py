"""The two records of the internal spans topic: blocks of spans by trace, and ticks.

A record opens with a version byte and a kind byte. A block, little-endian:

    version, "B", u32 size of the index, index, prefixes, spans

    index    sections, one for each input record that gave spans to this partition
    section  u8 length + topic, u32 partition, u64 offset, u16 part, u64 time (ms), u32 traces, its entries
    entry    16 trace id, u32 spans, u32 runs, u32 where its spans start, u32 their bytes,
             spans x (8 span id, 8 parent id or zero), runs x (u32 prefix, u32 bytes)
    prefixes u32 count, then count x (u32 + resource fields, u32 + scope fields)

A tick is the version byte, "T", and JSON.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from streams.split import Fragment, Prefix

VERSION = 2
BLOCK = ord("B")
TICK = ord("T")

_HEAD = struct.Struct("<BBI")
_SECTION = struct.Struct("<IQHQI")
_ENTRY = struct.Struct("<16sIIII")
_RUN = struct.Struct("<II")
_COUNT = struct.Struct("<I")
_SIZE = struct.Struct("<I")


class UnknownRecord(ValueError):
    """An internal record of another version or kind: another release of BeTrace wrote it."""


class Source(NamedTuple):
    """An input partition."""

    topic: str
    partition: int


class Position(NamedTuple):
    """Where in an input partition: a record, and which part of it where it was cut over several blocks."""

    offset: int
    part: int


class Entry(NamedTuple):
    """The spans of one trace in a block: what grouping needs, without its spans."""

    trace_id: bytes
    at: int  # where the entry stands in the block
    spans: int
    size: int  # bytes of its spans
    ids: bytes  # (span id, parent id) x spans


class Section(NamedTuple):
    """What one input record gave to this partition."""

    source: Source
    position: Position
    time: int  # ms
    entries: list[Entry]


class Builder:
    """A block in the making."""

    def __init__(self) -> None:
        self.spans = 0
        self.size = _HEAD.size + _COUNT.size
        self._index: list[bytes] = []
        self._entries: list[bytes] = []
        self._section: tuple[Source, Position, int] | None = None
        self._traces = 0
        self._prefixes: dict[Prefix, int] = {}
        self._payload: list[bytes] = []
        self._payload_size = 0

    def section(self, source: Source, position: Position, time: int) -> None:
        """What is added from here on came from that input record."""
        self._close_section()
        self._section = (source, position, time)

    def add(self, trace_id: bytes, fragment: Fragment) -> None:
        """Add the spans of one trace."""
        runs: list[bytes] = []
        start = self._payload_size
        for prefix, spans in fragment.runs:
            number = self._prefixes.get(prefix)
            if number is None:
                number = self._prefixes[prefix] = len(self._prefixes)
                self.size += 8 + len(prefix.resource) + len(prefix.scope)
            runs.append(_RUN.pack(number, len(spans)))
            self._payload.append(spans)
            self._payload_size += len(spans)
        size = self._payload_size - start
        count = len(fragment.ids)
        entry = _ENTRY.pack(trace_id, count, len(runs), start, size)
        self._entries += (entry, *fragment.ids, *runs)
        self._traces += 1
        self.spans += count
        self.size += _ENTRY.size + 16 * count + _RUN.size * len(runs) + size

    def encode(self) -> bytes:
        """The record's value."""
        self._close_section()
        index = b"".join(self._index)
        prefixes = [_COUNT.pack(len(self._prefixes))]
        for prefix in self._prefixes:
            prefixes += (_SIZE.pack(len(prefix.resource)), prefix.resource)
            prefixes += (_SIZE.pack(len(prefix.scope)), prefix.scope)
        return b"".join((_HEAD.pack(VERSION, BLOCK, len(index)), index, *prefixes, *self._payload))

    def _close_section(self) -> None:
        if self._section is None or not self._entries:
            return
        source, position, time = self._section
        topic = source.topic.encode()
        head = _SECTION.pack(source.partition, *position, time, self._traces)
        self._index += (bytes((len(topic),)), topic, head, *self._entries)
        self.size += 1 + len(topic) + _SECTION.size
        self._entries, self._traces = [], 0


class Block:
    """A block as read: sections in order, and the spans of any entry."""

    __slots__ = ("_payload", "_prefixes", "data")

    def __init__(self, data: bytes) -> None:
        check(data, BLOCK)
        self.data = data
        self._prefixes: list[Prefix] | None = None
        self._payload = 0

    def sections(self) -> Iterator[Section]:
        """The sections, in the order in which their input records were read."""
        data = self.data
        at = _HEAD.size
        end = at + _HEAD.unpack_from(data)[2]
        while at < end:
            size = data[at]
            topic = data[at + 1 : at + 1 + size].decode()
            partition, offset, part, time, traces = _SECTION.unpack_from(data, at + 1 + size)
            at += 1 + size + _SECTION.size
            entries: list[Entry] = []
            for _ in range(traces):
                trace_id, spans, runs, _start, length = _ENTRY.unpack_from(data, at)
                ids = at + _ENTRY.size
                stop = ids + 16 * spans
                entries.append(Entry(trace_id, at, spans, length, data[ids:stop]))
                at = stop + _RUN.size * runs
            yield Section(Source(topic, partition), Position(offset, part), time, entries)

    def runs(self, at: int) -> Iterator[tuple[Prefix, bytes]]:
        """The spans of the entry at `at`, with their prefixes."""
        if self._prefixes is None:
            self._prefixes = self._read_prefixes()
        data = self.data
        _, spans, runs, start, _ = _ENTRY.unpack_from(data, at)
        at += _ENTRY.size + 16 * spans
        start += self._payload
        for number, length in _RUN.iter_unpack(data[at : at + _RUN.size * runs]):
            yield self._prefixes[number], data[start : start + length]
            start += length

    def _read_prefixes(self) -> list[Prefix]:
        data = self.data
        at = _HEAD.size + _HEAD.unpack_from(data)[2]
        (count,) = _COUNT.unpack_from(data, at)
        at += _COUNT.size
        fields: list[bytes] = []
        for _ in range(2 * count):
            (size,) = _SIZE.unpack_from(data, at)
            at += _SIZE.size + size
            fields.append(data[at - size : at])
        self._payload = at
        return [Prefix(*pair) for pair in zip(fields[::2], fields[1::2], strict=True)]


@dataclass(frozen=True, slots=True)
class Counts:
    """What ingest did with one input record's spans."""

    offset: int
    received: int
    own: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Tick:
    """What one worker knows of the input partitions that it owns.

    `watermarks` (ms) say that everything up to that record time stands before this tick. `partitions` counts
    the partitions of each input topic. `counts` go to one group partition for each input partition. `skipped`
    are input partitions that a person has the clock leave out.
    """

    watermarks: dict[Source, int]
    partitions: dict[str, int]
    counts: dict[Source, list[Counts]] = field(default_factory=dict)
    skipped: tuple[Source, ...] = ()

    def encode(self) -> bytes:
        """The record's value."""
        value = {
            "watermarks": [[*source, time] for source, time in self.watermarks.items()],
            "partitions": self.partitions,
            "counts": [[*s, [list(asdict(c).values()) for c in counts]] for s, counts in self.counts.items()],
            "skipped": [list(source) for source in self.skipped],
        }
        return bytes((VERSION, TICK)) + json.dumps(value, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Tick":
        """Read a record's value; UnknownRecord when it is no tick of this version."""
        check(data, TICK)
        value = json.loads(data[2:])
        return cls(
            {Source(topic, partition): time for topic, partition, time in value["watermarks"]},
            value["partitions"],
            {Source(t, p): [Counts(*c) for c in counts] for t, p, counts in value["counts"]},
            tuple(Source(*each) for each in value["skipped"]),
        )


def check(data: bytes, kind: int) -> None:
    """Raise UnknownRecord unless the record is of this version and kind."""
    if len(data) < 2 or data[0] != VERSION or data[1] != kind:
        raise UnknownRecord(
            f"an internal record opens with {data[:2].hex() or 'nothing'}: another BeTrace wrote it"
        )
