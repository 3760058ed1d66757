"""Traces out of trace files, however large: grouped by trace id, in memory or, past a limit, on disk."""

import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from app.errors import UserError
from dsl.trace import Trace
from streams.otlp import WireError
from streams.split import joined, split
from streams.trace_files import Problem, TracesPiece, read

SUFFIXES = (".json", ".jsonl", ".ndjson", ".binpb", ".pb")
_KEPT = 64 * 2**20  # bytes of spans in memory; what is more goes to disk
_BUCKETS = 256
_HEADER = struct.Struct(">16sI")  # trace id, length


@dataclass(slots=True)
class Progress:
    """A line about long work, on a terminal that watches."""

    shown: bool = field(default_factory=lambda: sys.stderr.isatty())
    _last: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Show how far the work is, four times a second."""
        now = time.monotonic()
        if self.shown and now - self._last > 0.25:
            self._last = now
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self.shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


@dataclass(slots=True)
class Traces:
    """The traces of files and folders, `-` for standard input. What is wrong with a part goes to `errors`."""

    files: Iterable[str]
    kept: int = _KEPT
    spans: int = 0
    errors: list[str] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    _size: int = 0
    _parts: dict[bytes, list[bytes]] = field(default_factory=dict)
    _buckets: list[BinaryIO] = field(default_factory=list)

    def __iter__(self) -> Iterator[Trace]:
        """All traces, once all files are read: spans of one may stand in any of them."""
        with tempfile.TemporaryDirectory(prefix="betrace-") as folder:
            try:
                for name in _files(self.files):
                    self._read(name, Path(folder))
                self.progress.clear()
                if self._buckets:
                    self._spill(Path(folder))
                yield from self._traces()
            finally:
                for bucket in self._buckets:
                    bucket.close()

    def _read(self, name: str, folder: Path) -> None:
        try:
            for piece in read(name):
                if isinstance(piece, Problem):
                    self.errors.append(str(piece))
                else:
                    self._take(piece)
                    self.progress.say(f"{name}: {self.spans:,} spans read")
                if self._size > self.kept:
                    self._spill(folder)
        except WireError as problem:
            self.errors.append(str(problem))

    def _take(self, piece: TracesPiece) -> None:
        parts = split(piece.request.SerializeToString())
        for trace_id, fragment in parts.fragments.items():
            data = joined(iter(fragment.runs))
            self._parts.setdefault(trace_id, []).append(data)
            self._size += len(data)
        self.spans += parts.received
        for reason, spans in parts.rejected.items():
            self.errors.append(f"{piece.file}:{piece.line}: {len(spans)} spans refused: {reason}")

    def _spill(self, folder: Path) -> None:
        """Put what is in memory into files, each with the whole of some traces."""
        if not self._buckets:
            self._buckets = [(folder / f"{number}").open("w+b") for number in range(_BUCKETS)]
        for trace_id, parts in self._parts.items():
            bucket = self._buckets[zlib.crc32(trace_id) % _BUCKETS]
            for data in parts:
                bucket.write(_HEADER.pack(trace_id, len(data)))
                bucket.write(data)
        self._parts, self._size = {}, 0

    def _traces(self) -> Iterator[Trace]:
        for bucket in self._buckets:
            bucket.seek(0)
            while header := bucket.read(_HEADER.size):
                trace_id, length = _HEADER.unpack(header)
                self._parts.setdefault(trace_id, []).append(bucket.read(length))
            yield from self._kept()
        if not self._buckets:
            yield from self._kept()

    def _kept(self) -> Iterator[Trace]:
        parts, self._parts = self._parts, {}
        while parts:
            trace_id = next(iter(parts))
            yield Trace.of(TracesData.FromString(b"".join(parts.pop(trace_id))).resource_spans)


def _files(names: Iterable[str]) -> Iterator[str]:
    """Files as they are named, and for a folder those in it that are trace files by their names."""
    for name in names:
        if name == "-" or not Path(name).is_dir():
            yield name
            continue
        found = sorted(str(path) for path in Path(name).rglob("*") if _is_trace_file(path))
        if not found:
            raise UserError(f"the folder {name} has no trace files ({', '.join(SUFFIXES)}, also with .gz)")
        yield from found


def _is_trace_file(path: Path) -> bool:
    return path.is_file() and path.name.lower().removesuffix(".gz").endswith(SUFFIXES)
