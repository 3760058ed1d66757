"""Spans put together by trace: in memory or, past a limit, on disk."""

import struct
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from dsl.trace import Trace

KEPT = 64 * 2**20
"""Bytes of spans in memory; what is more goes to disk."""

_BUCKETS = 256
_HEADER = struct.Struct(">16sqI")  # trace id, time, length

_Part = tuple[int, bytes]


@dataclass(slots=True)
class Pile:
    """Takes spans in any order, and then gives whole traces. Its files go when the block is left."""

    kept: int = KEPT
    _size: int = 0
    _parts: dict[bytes, list[_Part]] = field(default_factory=dict)
    _buckets: list[BinaryIO] = field(default_factory=list)
    _folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> "Pile":
        return self

    def __exit__(self, *_: object) -> None:
        for bucket in self._buckets:
            bucket.close()
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, trace_id: bytes, data: bytes, time: int = 0) -> None:
        """Put down some spans of a trace, as serialised TracesData, that came at such a time."""
        self._parts.setdefault(trace_id, []).append((time, data))
        self._size += len(data)
        if self._size > self.kept:
            self._spill()

    def traces(self) -> Iterator[tuple[Trace, int]]:
        """Each trace, with the least of the times at which its spans came. Empties the pile."""
        if self._buckets:
            self._spill()
        for bucket in self._buckets:
            bucket.seek(0)
            while header := bucket.read(_HEADER.size):
                trace_id, time, length = _HEADER.unpack(header)
                self._parts.setdefault(trace_id, []).append((time, bucket.read(length)))
            yield from self._kept()
        yield from self._kept()

    def _spill(self) -> None:
        """Put what is in memory into files, each with the whole of some traces."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="betrace-")
            self._buckets = [(Path(self._folder.name) / f"{n}").open("w+b") for n in range(_BUCKETS)]
        for trace_id, parts in self._parts.items():
            bucket = self._buckets[zlib.crc32(trace_id) % _BUCKETS]
            for time, data in parts:
                bucket.write(_HEADER.pack(trace_id, time, len(data)))
                bucket.write(data)
        self._parts, self._size = {}, 0

    def _kept(self) -> Iterator[tuple[Trace, int]]:
        parts, self._parts = self._parts, {}
        while parts:
            found = parts.pop(next(iter(parts)))
            data = b"".join(data for _, data in found)
            yield Trace.of(data), min(time for time, _ in found)
