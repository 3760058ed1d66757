"""Blocks of spans by trace, of which most records of the internal spans topic are one.

Little-endian:

    version, "B", u32 size of the index, index, LZ4 of payload

    index    sections, one for each input record that gave spans to this partition
    section  u8 length + topic, u32 partition, u64 offset, u16 part, u64 time (ms), u32 traces, its entries
    entry    16 trace id, u32 spans, u32 where they start in the payload, u32 their bytes as they came,
             spans x (8 span id, 8 parent id or zero)
    payload  u32 where the spans end, spans, u32 prefixes, prefixes, kinds
    spans    of each entry: spans x u32 kind, spans x u32 size, each span without the fields that say its ids
             and name, or whole where these do not open it
    prefix   u32 + resource fields, u32 + scope fields
    kind     u32 prefix, u32 + name: what spans of one scope and name have in common
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

from dsl.messages import ResourceSpans, ScopeSpans
from dsl.trace import Origin, Stored, Trace
from streams.fragment import Fragment
from streams.frames import framed
from streams.kinds import Kind, Prefix, size_of
from streams.packed import pack_quickly, quickly_packed, unpack_quickly
from streams.tick import BLOCK, VERSION, Source, check

_HEAD = struct.Struct("<BBI")
_SECTION = struct.Struct("<IQHQI")
_ENTRY = struct.Struct("<16sIII")
_SIZE = struct.Struct("<I")
_FEW = 1024


class Position(NamedTuple):
    """Where in an input partition: a record, and which part of it where it was cut over several blocks."""

    offset: int
    part: int


class Entry(NamedTuple):
    """The spans of one trace in a block: what grouping needs, without its spans."""

    trace_id: bytes
    at: int  # where the entry stands in the block
    spans: int
    size: int  # bytes of its spans as they came
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
        self._size = _HEAD.size + 2 * _SIZE.size
        self._index: list[bytes] = []
        self._entries: list[bytes] = []
        self._section: tuple[Source, Position, int] | None = None
        self._traces = 0
        self._kinds = _Numbers()
        self._spans: list[bytes] = []  # of the section
        self._payload: list[bytes] = []  # of those before it
        self._end = _SIZE.size  # of the spans in the payload

    @property
    def size(self) -> int:
        """Bytes of the block at most."""
        return quickly_packed(self._size + self._kinds.size)

    def section(self, source: Source, position: Position, time: int) -> None:
        """What is added from here on came from that input record."""
        self._close_section()
        self._section = (source, position, time)

    def add(self, trace_id: bytes, fragment: Fragment) -> None:
        """Add the spans of one trace."""
        spans, whole = entry(fragment, self._kinds)
        count, size = len(fragment.ids), len(spans)
        self._entries += (_ENTRY.pack(trace_id, count, self._end, whole), *fragment.ids)
        self._spans.append(spans)
        self._end += size
        self._traces += 1
        self._size += _ENTRY.size + 16 * count + size

    def encode(self) -> bytes:
        """The record's value."""
        self._close_section()
        index = b"".join(self._index)
        kinds = self._kinds
        tables = [_SIZE.pack(len(kinds.prefixes))]
        for prefix in kinds.prefixes:
            tables += (_sized(prefix.resource), _sized(prefix.scope))
        for kind in kinds:
            tables += (_SIZE.pack(kinds.prefixes[kind.prefix]), _sized(kind.name))
        packed = pack_quickly(b"".join((_SIZE.pack(self._end), *self._payload, *tables)))
        return b"".join((_HEAD.pack(VERSION, BLOCK, len(index)), index, packed))

    def _close_section(self) -> None:
        if self._section is None or not self._entries:
            return
        source, position, time = self._section
        topic = source.topic.encode()
        head = _SECTION.pack(source.partition, *position, time, self._traces)
        self._index.append(b"".join((bytes((len(topic),)), topic, head, *self._entries)))
        self._payload.append(b"".join(self._spans))
        self._size += 1 + len(topic) + _SECTION.size
        self._entries, self._spans, self._traces = [], [], 0


class _Numbers(dict[Kind, int]):
    """Numbers of kinds in a block; given when first asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.prefixes: dict[Prefix, int] = {}
        self.size = 0  # bytes that they add to the block

    def __missing__(self, kind: Kind) -> int:
        number = self[kind] = len(self)
        self.size += kind.size
        if kind.prefix not in self.prefixes:
            self.prefixes[kind.prefix] = len(self.prefixes)
            self.size += size_of(kind.prefix)
        return number


def _sized(data: bytes) -> bytes:
    return _SIZE.pack(len(data)) + data


class _Structs(dict[int, struct.Struct]):
    """Structs of so many numbers."""

    def __missing__(self, count: int) -> struct.Struct:
        made = struct.Struct(f"<{count}I")
        if count < _FEW:
            self[count] = made
        return made


_NUMBERS = _Structs()


class Block:
    """A block as read: sections in order, and the spans of any entry."""

    __slots__ = ("_index_end", "data", "kinds", "payload")

    def __init__(self, data: bytes) -> None:
        check(data, BLOCK)
        self.data = data
        self._index_end = _HEAD.size + _HEAD.unpack_from(data)[2]
        self.payload = b""
        """The spans, once the block is open."""
        self.kinds: list[tuple[str, Origin]] = []
        """Name and origin by number, once it is."""

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
                at = stop
            yield Section(Source(topic, partition), Position(offset, part), time, entries)

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, about."""
        return len(self.data) + len(self.payload)

    def open(self) -> None:
        """Unpack the spans, as is done when the first of them are asked for."""
        data = self.payload = unpack_quickly(self.data[self._index_end :])
        (at,) = _SIZE.unpack_from(data)
        (prefixes,) = _SIZE.unpack_from(data, at)
        at += _SIZE.size
        origins = []
        for _ in range(prefixes):
            resource, at = _read_sized(data, at)
            scope, at = _read_sized(data, at)
            origins.append(
                Origin(ResourceSpans.FromString(resource).resource, ScopeSpans.FromString(scope).scope)
            )
        while at < len(data):
            (prefix,) = _SIZE.unpack_from(data, at)
            name, at = _read_sized(data, at + _SIZE.size)
            self.kinds.append((name.decode(), origins[prefix]))


def _read_sized(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + _SIZE.size + _SIZE.unpack_from(data, at)[0]
    return data[at + _SIZE.size : end], end


def trace_of(trace_id: bytes, places: Iterable[tuple[Block, int]], *, cut: bool = False) -> Trace:
    """The trace whose spans are the entries at those places of blocks."""
    ids, names, origins, data, starts, ends = gathered(places)
    return Trace(trace_id, ids, names, origins, _Spans(data, starts, ends), cut=cut)


class _Spans:
    """Spans as they are stored (`dsl.trace.Spans`)."""

    def __init__(self, data: list[bytes], starts: list[int], ends: list[int]) -> None:
        self._stored = data, starts, ends
        self.parsed: list[Any] = []

    def messages(self, numbers: Sequence[int]) -> Sequence[Any]:
        data, starts, ends = self._stored
        spans = [framed(0x12, data[n][starts[n] : ends[n]]) for n in numbers]
        return list(ScopeSpans.FromString(b"".join(spans)).spans)

    def stored(self) -> Stored:
        return self._stored


def _entry(fragment: Fragment, numbers: dict[Kind, int]) -> tuple[bytes, int]:
    """What a block holds of a fragment's spans, and how many bytes these are as they came.

    `numbers` gives each kind its number in the block.
    """
    spans = [span[head:] for span, head in zip(fragment.spans, fragment.heads, strict=True)]
    told = [numbers[kind] for kind in fragment.kinds] + list(map(len, spans))
    return b"".join((_NUMBERS[len(told)].pack(*told), *spans)), sum(map(len, fragment.spans))


def _gathered(
    places: Iterable[tuple[Block, int]],
) -> tuple[bytes, list[str], list[Origin], list[bytes], list[int], list[int]]:
    """What is told of the spans of the entries at those places, in order.

    Their ids, joined, and lists of names, origins, what each span stands in, and where it starts and ends.
    """
    ids: list[bytes] = []
    kinds: list[tuple[str, Origin]] = []
    data: list[bytes] = []
    starts: list[int] = []
    ends: list[int] = []
    for block, at in places:
        if not block.payload:
            block.open()
        _, count, start, _ = _ENTRY.unpack_from(block.data, at)
        at += _ENTRY.size
        ids.append(block.data[at : at + 16 * count])
        numbers = _NUMBERS[2 * count].unpack_from(block.payload, start)
        kinds += map(block.kinds.__getitem__, numbers[:count])
        bounds = list(accumulate(numbers[count:], initial=start + 8 * count))
        data += [block.payload] * count
        starts += bounds[:-1]
        ends += bounds[1:]
    names, origins = zip(*kinds, strict=True)
    return b"".join(ids), list(names), list(origins), data, starts, ends


try:
    from streams.stored import entry, gathered
except ImportError:  # there was no compiler: the same result, slower
    entry, gathered = _entry, _gathered
