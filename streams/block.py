"""The two records of the internal spans topic: blocks of spans by trace, and ticks.

A record opens with a version byte and a kind byte. A block, little-endian:

    version, "B", u32 size of the index, index, u32 bytes of all spans, zstd of spans, prefixes

    index    sections, one for each input record that gave spans to this partition
    section  u8 length + topic, u32 partition, u64 offset, u16 part, u64 time (ms), u32 traces, its entries
    entry    16 trace id, u32 spans, u32 where they start among all spans, u32 their bytes,
             spans x (8 span id, 8 parent id or zero), spans x u32 prefix
    prefixes each u32 + resource fields, u32 + scope fields

A tick is the version byte, "T", and JSON.
"""

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from dsl.messages import ResourceSpans, ScopeSpans
from dsl.trace import Origin, Trace
from streams.packed import pack, unpack
from streams.split import Fragment, Prefix

VERSION = 3
BLOCK = ord("B")
TICK = ord("T")

_HEAD = struct.Struct("<BBI")
_SECTION = struct.Struct("<IQHQI")
_ENTRY = struct.Struct("<16sIII")
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
        self._size = _HEAD.size + _SIZE.size
        self._index: list[bytes] = []
        self._entries: list[bytes] = []
        self._section: tuple[Source, Position, int] | None = None
        self._traces = 0
        self._prefixes: dict[Prefix, bytes] = {}  # each with its number, as spans have it
        self._numbers = _Numbers((), self._prefixes)
        self._payload: list[bytes] = []
        self._payload_size = 0

    @property
    def size(self) -> int:
        """Bytes of the block before compression."""
        return self._size + self._numbers.size

    def section(self, source: Source, position: Position, time: int, prefixes: Sequence[Prefix]) -> None:
        """What is added from here on came from that input record, whose spans have these prefixes."""
        self._close_section()
        self._section = (source, position, time)
        self._size += self._numbers.size
        self._numbers = _Numbers(prefixes, self._prefixes)

    def add(self, trace_id: bytes, fragment: Fragment) -> None:
        """Add the spans of one trace."""
        spans = fragment.spans
        count, size = len(spans), sum(map(len, spans))
        head = _ENTRY.pack(trace_id, count, self._payload_size, size)
        self._entries += (head, *fragment.ids, *map(self._numbers.__getitem__, fragment.prefixes))
        self._payload += spans
        self._payload_size += size
        self._traces += 1
        self._size += _ENTRY.size + 20 * count + size

    def encode(self) -> bytes:
        """The record's value."""
        self._close_section()
        index = b"".join(self._index)
        prefixes: list[bytes] = []
        for prefix in self._prefixes:
            prefixes += (_SIZE.pack(len(prefix.resource)), prefix.resource)
            prefixes += (_SIZE.pack(len(prefix.scope)), prefix.scope)
        packed = pack(b"".join((*self._payload, *prefixes)))
        head = _HEAD.pack(VERSION, BLOCK, len(index))
        return b"".join((head, index, _SIZE.pack(self._payload_size), packed))

    def _close_section(self) -> None:
        if self._section is None or not self._entries:
            return
        source, position, time = self._section
        topic = source.topic.encode()
        head = _SECTION.pack(source.partition, *position, time, self._traces)
        self._index += (bytes((len(topic),)), topic, head, *self._entries)
        self._size += 1 + len(topic) + _SECTION.size
        self._entries, self._traces = [], 0


class _Numbers(dict[int, bytes]):
    """Numbers of a record's prefixes in the block, by those in the record; given when first asked for."""

    def __init__(self, prefixes: Sequence[Prefix], known: dict[Prefix, bytes]) -> None:
        super().__init__()
        self.size = 0  # bytes of the prefixes that are new to the block
        self._prefixes = prefixes
        self._known = known

    def __missing__(self, number: int) -> bytes:
        prefix = self._prefixes[number]
        if prefix not in self._known:
            self._known[prefix] = _SIZE.pack(len(self._known))
            self.size += 8 + len(prefix.resource) + len(prefix.scope)
        found = self[number] = self._known[prefix]
        return found


class Block:
    """A block as read: sections in order, and the spans of any entry."""

    __slots__ = ("_index_end", "_origins", "_spans", "data")

    def __init__(self, data: bytes) -> None:
        check(data, BLOCK)
        self.data = data
        self._index_end = _HEAD.size + _HEAD.unpack_from(data)[2]
        self._spans = b""  # of all entries, and the prefixes behind them
        self._origins: list[Origin] = []

    def sections(self) -> Iterator[Section]:
        """The sections, in the order in which their input records were read."""
        data = self.data
        at = _HEAD.size
        while at < self._index_end:
            size = data[at]
            topic = data[at + 1 : at + 1 + size].decode()
            partition, offset, part, time, traces = _SECTION.unpack_from(data, at + 1 + size)
            at += 1 + size + _SECTION.size
            entries: list[Entry] = []
            for _ in range(traces):
                trace_id, spans, _start, length = _ENTRY.unpack_from(data, at)
                ids = at + _ENTRY.size
                stop = ids + 16 * spans
                entries.append(Entry(trace_id, at, spans, length, data[ids:stop]))
                at = stop + 4 * spans
            yield Section(Source(topic, partition), Position(offset, part), time, entries)

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        return len(self.data) + len(self._spans)

    def spans(self, at: int) -> tuple[bytes, list[Origin]]:
        """The spans of the entry at `at` as `spans` fields of a ScopeSpans, and the origin of each."""
        if not self._spans:
            self.open()
        _, count, start, size = _ENTRY.unpack_from(self.data, at)
        at += _ENTRY.size + 16 * count
        numbers = struct.unpack_from(f"<{count}I", self.data, at)
        return self._spans[start : start + size], [self._origins[number] for number in numbers]

    def open(self) -> None:
        """Unpack the spans, as is done when the first of them are asked for."""
        (at,) = _SIZE.unpack_from(self.data, self._index_end)
        spans = self._spans = unpack(self.data[self._index_end + _SIZE.size :])
        fields: list[bytes] = []
        while at < len(spans):
            (size,) = _SIZE.unpack_from(spans, at)
            at += _SIZE.size + size
            fields.append(spans[at - size : at])
        self._origins = [
            Origin(ResourceSpans.FromString(resource).resource, ScopeSpans.FromString(scope).scope)
            for resource, scope in zip(fields[::2], fields[1::2], strict=True)
        ]


def trace_of(places: Iterable[tuple[Block, int]], *, cut: bool = False) -> Trace:
    """The trace whose spans are the entries at those places of blocks."""
    spans: list[bytes] = []
    origins: list[Origin] = []
    for block, at in places:
        data, found = block.spans(at)
        spans.append(data)
        origins += found
    return Trace.of_spans(b"".join(spans), origins, cut=cut)


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
