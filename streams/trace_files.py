"""Trace files: OTLP/JSON (`.json`), JSON lines (`.jsonl`), protobuf (`.binpb`), also `.gz`; `-` is stdin."""

import gzip
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams.otlp import WireError, request_of_json, request_of_proto

_LARGEST = 64 * 2**20  # bytes of one length-delimited message
_FORMATS = {".json": "json", ".jsonl": "lines", ".ndjson": "lines", ".binpb": "proto", ".pb": "proto"}


@dataclass(frozen=True, slots=True)
class Piece:
    """One request of a file, with where it stood: a line, or the n-th message."""

    request: ExportTraceServiceRequest
    file: str
    number: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A part of a file that is no OTLP; the rest is read on."""

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}: {self.text}"


def read(name: str) -> Iterator[Piece | Unreadable]:
    """Read a file piece by piece; WireError when it cannot be opened or its name tells no format."""
    if name == "-":
        yield from _sniffed(sys.stdin.buffer)
        return
    suffixes = [suffix for suffix in Path(name).suffixes if suffix != ".gz"]
    kind = _FORMATS.get(suffixes[-1] if suffixes else "")
    if kind is None:
        raise WireError(
            "unknown_format", f"{name}: trace files end in .json, .jsonl or .binpb, each also with .gz"
        )
    try:
        with gzip.open(name, "rb") if name.endswith(".gz") else open(name, "rb") as file:
            yield from _READERS[kind](file, name)  # type: ignore[arg-type]
    except (OSError, EOFError) as problem:
        raise WireError("unreadable", f"{name} cannot be read: {problem}") from None


def _sniffed(file: BinaryIO) -> Iterator[Piece | Unreadable]:
    data = file.read()
    if not data.lstrip().startswith((b"{", b"[")):
        yield from _proto(io.BytesIO(data), "standard input")
        return
    pieces = list(_json(io.BytesIO(data), "standard input"))
    one = len(pieces) == 1 and isinstance(pieces[0], Piece)
    yield from pieces if one else _lines(io.BytesIO(data), "standard input")


def _json(file: BinaryIO, name: str) -> Iterator[Piece | Unreadable]:
    data = file.read()
    if data.strip():
        yield _piece(request_of_json, data, name, 1)


def _lines(file: BinaryIO, name: str) -> Iterator[Piece | Unreadable]:
    for number, line in enumerate(file, 1):
        if line.strip():
            yield _piece(request_of_json, line, name, number)


def _proto(file: BinaryIO, name: str) -> Iterator[Piece | Unreadable]:
    """Length-delimited messages, or one message: that one starts with the tag of its first resource."""
    data = file.read()
    if not data:
        return
    delimited = list(_delimited(data))
    if delimited and all(
        isinstance(_piece(request_of_proto, each, name, 1), Piece) for each in delimited[:1]
    ):
        yield from (_piece(request_of_proto, each, name, n) for n, each in enumerate(delimited, 1))
    else:
        yield _piece(request_of_proto, data, name, 1)


def _delimited(data: bytes) -> Iterator[bytes]:
    at = 0
    found: list[bytes] = []
    while at < len(data):
        size = shift = 0
        while at < len(data):
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if size > _LARGEST or at + size > len(data):
            return
        found.append(data[at : at + size])
        at += size
    yield from found


def _piece(
    decode: Callable[[bytes], ExportTraceServiceRequest], data: bytes, name: str, number: int
) -> Piece | Unreadable:
    try:
        return Piece(decode(data), name, number)
    except WireError as problem:
        return Unreadable(name, number, str(problem))


_READERS = {"json": _json, "lines": _lines, "proto": _proto}
