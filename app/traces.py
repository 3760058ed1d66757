"""Traces out of trace files, however large."""

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import UserError
from app.pile import KEPT, Pile
from dsl.trace import Trace
from streams.otlp import WireError
from streams.trace_files import Problem, TracesPiece, read

SUFFIXES = (".json", ".jsonl", ".ndjson", ".binpb", ".pb")


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
    kept: int = KEPT
    spans: int = 0
    errors: list[str] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)

    def __iter__(self) -> Iterator[Trace]:
        """All traces, once all files are read: spans of one may stand in any of them."""
        with Pile(self.kept) as pile:
            for name in _files(self.files):
                self._read(name, pile)
            self.progress.clear()
            for trace, _ in pile.traces():
                yield trace

    def _read(self, name: str, pile: Pile) -> None:
        try:
            for piece in read(name):
                if isinstance(piece, Problem):
                    self.errors.append(str(piece))
                else:
                    self._take(piece, pile)
                    self.progress.say(f"{name}: {self.spans:,} spans read")
        except WireError as problem:
            self.errors.append(str(problem))

    def _take(self, piece: TracesPiece, pile: Pile) -> None:
        parts = piece.split(pile.known)
        for trace_id, fragment in parts.fragments.items():
            pile.add(trace_id, fragment)
        self.spans += parts.received
        for reason, spans in parts.rejected.items():
            self.errors.append(f"{piece.file}:{piece.line}: {len(spans)} spans refused: {reason}")


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
