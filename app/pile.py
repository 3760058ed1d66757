"""Spans put together by trace: in memory or, past a limit, on disk."""

import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from dsl.trace import Trace
from streams.block import Block, Builder, Position, trace_of
from streams.fragment import Fragment
from streams.kinds import Kinds
from streams.tick import Source

KEPT = 64 * 2**20
"""Bytes of spans in memory; what is more goes to disk."""

_BUCKETS = 256
_TOGETHER = 1000  # traces that are made into a block
_SIZE = struct.Struct("<Q")  # of a block in a file
_NOWHERE = Source("", 0), Position(0, 0)

_Parts = dict[bytes, list[tuple[int, Fragment]]]  # of each trace, with the time of each


@dataclass(slots=True)
class Pile:
    """Takes spans in any order, and then gives whole traces. Its files go when the block is left."""

    kept: int = KEPT
    known: Kinds = field(default_factory=Kinds)  # for whoever cuts messages, while the spans are in memory
    _size: int = 0
    _parts: _Parts = field(default_factory=dict)
    _buckets: list[BinaryIO] = field(default_factory=list)
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> "Pile":
        return self

    def __exit__(self, *_: object) -> None:
        for bucket in self._buckets:
            bucket.close()
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, trace_id: bytes, fragment: Fragment, time: int = 0) -> None:
        """Put down some spans of a trace that came at such a time."""
        self._parts.setdefault(trace_id, []).append((time, fragment))
        self._size += fragment.size
        if self._size + self.known.size > self.kept:
            self._spill()

    def traces(self) -> Iterator[tuple[Trace, int]]:
        """Each trace, with the least of the times at which its spans came. Empties the pile."""
        if self._buckets:
            self._spill()
        for bucket in self._buckets:
            bucket.seek(0)
            blocks = []
            while size := bucket.read(_SIZE.size):
                blocks.append(bucket.read(*_SIZE.unpack(size)))
            yield from _traces(blocks)
        parts, self._parts = self._parts, {}
        while some := {trace_id: parts.pop(trace_id) for trace_id in list(islice(parts, _TOGETHER))}:
            yield from _traces([_block(some)])

    def _spill(self) -> None:
        """Put what is in memory into files, each with the whole of some traces."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="betrace-")
            self._buckets = [(Path(self._folder.name) / f"{n}").open("w+b") for n in range(_BUCKETS)]
        shares: list[_Parts] = [{} for _ in self._buckets]
        for trace_id, parts in self._parts.items():
            shares[zlib.crc32(trace_id) % _BUCKETS][trace_id] = parts
        for bucket, share in zip(self._buckets, shares, strict=True):
            if share:
                block = _block(share)
                bucket.write(_SIZE.pack(len(block)) + block)
        self._parts, self._size, self.known = {}, 0, Kinds()


def _block(traces: _Parts) -> bytes:
    builder = Builder()
    last = None
    for trace_id, parts in traces.items():
        for time, fragment in parts:
            if time != last:
                builder.section(*_NOWHERE, time)
                last = time
            builder.add(trace_id, fragment)
    return builder.encode()


def _traces(blocks: Iterable[bytes]) -> Iterator[tuple[Trace, int]]:
    """The traces whose spans are in these blocks, in the order in which they first stand there."""
    places: dict[bytes, list[tuple[Block, int]]] = {}
    first: dict[bytes, int] = {}
    for block in map(Block, blocks):
        for section in block.sections():
            for entry in section.entries:
                places.setdefault(entry.trace_id, []).append((block, entry.at))
                first[entry.trace_id] = min(section.time, first.get(entry.trace_id, section.time))
    for trace_id, where in places.items():
        yield trace_of(trace_id, where), first[trace_id]
