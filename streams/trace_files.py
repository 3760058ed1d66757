"""Reads files of OTLP traces: JSON, JSON lines and protobuf, also compressed, and standard input."""

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, TypeVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams.json_stream import parts
from streams.kinds import Kinds
from streams.otlp import WireError, json_value, request_of_json, request_of_proto, request_of_value
from streams.split import Split, split

LARGEST = 32 * 2**20
"""Bytes of a line or of a delimited message that are read; a larger one is a problem."""

_AT_ONCE = 16 * 2**20  # bytes of a JSON document that is parsed at once
_HEAD = 64  # bytes by which a format is told
_GZIP = b"\x1f\x8b"
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")  # in no text, but soon in any protobuf
_TAG = 0x0A  # of the one field of a request

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TracesPiece:
    """One request of a file. `line` counts lines, or records where these are no lines, from 1."""

    request: ExportTraceServiceRequest
    file: str
    line: int
    message: bytes | None = None  # the request as it stands in the file, if that is protobuf

    def split(self, known: Kinds | None = None) -> Split:
        """The request cut by trace; `known` are kinds that earlier ones had."""
        data = self.request.SerializeToString() if self.message is None else self.message
        return split(data, request=self.request, known=known)


@dataclass(frozen=True, slots=True)
class Problem:
    """A part of a file that is no traces."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def read(path: str) -> Iterator[TracesPiece | Problem]:
    """The requests of a file, `-` for standard input, in order; what is wrong with a part of it in its place.

    `.json` is a request or an array of them (or lines, as the Collector writes them), `.jsonl` and `.ndjson`
    a request a line, `.binpb` and `.pb` one protobuf message, or many with lengths before them: varints,
    or four bytes as the Collector's file exporter has it. Each may end in `.gz`. Of standard input and of
    other names the content tells. Lines and delimited messages are read one at a time. Raises WireError if
    the file cannot be opened or read.
    """
    line = 0
    try:
        with open(0 if path == "-" else path, "rb", closefd=path != "-") as file:
            stream = _Stream(file)
            if stream.head.startswith(_GZIP):
                stream = _Stream(gzip.GzipFile(fileobj=stream))
            for part in _format(path, stream)(stream, path):
                line = part.line
                yield part
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        yield Problem(path, line + 1, f"damaged gzip: {problem}")
    except OSError as problem:
        raise WireError("unreadable", f"{path}: {problem.strerror or problem}") from None


class _Stream(io.BufferedReader):
    """A stream that shows its beginning before it is read."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self.head = stream.read(_HEAD)
        super().__init__(_Rewound(self.head, stream))


class _Rewound(io.RawIOBase):
    """A stream with its beginning put back."""

    def __init__(self, head: bytes, rest: io.BufferedIOBase) -> None:
        self._head = io.BytesIO(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        data = self._head.read(len(view)) or self._rest.read1(len(view))
        view[: len(data)] = data
        return len(data)


_Format = Callable[[_Stream, str], Iterator[TracesPiece | Problem]]


def _format(path: str, stream: _Stream) -> _Format:
    named = _FORMATS.get(PurePath(path.lower().removesuffix(".gz")).suffix)
    return named or (_protobuf if _CONTROL.search(stream.head) else _json)


def _part(
    reader: Callable[[T], ExportTraceServiceRequest],
    data: T,
    file: str,
    line: int,
    message: bytes | None = None,
) -> TracesPiece | Problem:
    try:
        return TracesPiece(reader(data), file, line, message)
    except WireError as problem:
        return Problem(file, line, str(problem))


def _json(stream: _Stream, file: str) -> Iterator[TracesPiece | Problem]:
    """One value, over many lines or the first of several in lines."""
    text = b""
    while not text.strip() and (line := stream.readline(_AT_ONCE)):
        text += line
    if not _is_json(text):
        text += stream.read(_AT_ONCE)
        if len(text) >= _AT_ONCE:
            yield from _large(_Stream(io.BufferedReader(_Rewound(text, stream))), file)
            return
    yield from _requests(text, file)
    yield from _lines(stream, file, text.count(b"\n"))


def _large(stream: _Stream, file: str) -> Iterator[TracesPiece | Problem]:
    """A value that is too large to be read at once."""
    number = 0
    try:
        for number, value in enumerate(parts(stream), 1):
            yield _part(request_of_value, value, file, number)
    except WireError as problem:
        yield Problem(file, number + 1, str(problem))
    if not number:
        yield Problem(file, 1, f"no OTLP in a JSON document of more than {_AT_ONCE:,} bytes")


def _is_json(text: bytes) -> bool:
    try:
        json_value(text)
    except WireError:
        return False
    return True


def _requests(text: bytes, file: str) -> Iterator[TracesPiece | Problem]:
    if not text.strip():
        return
    line = text[: -len(text.lstrip())].count(b"\n") + 1
    try:
        value = json_value(text)
    except WireError as problem:
        yield Problem(file, line, str(problem))
        return
    records = enumerate(value, 1) if isinstance(value, list) else [(line, value)]
    for number, each in records:
        yield _part(request_of_value, each, file, number)


def _lines(stream: _Stream, file: str, before: int = 0) -> Iterator[TracesPiece | Problem]:
    number = before
    while line := stream.readline(LARGEST):
        number += 1
        if len(line) == LARGEST:
            yield Problem(file, number, f"a line of more than {LARGEST:,} bytes")
            while line and not line.endswith(b"\n"):
                line = stream.readline(LARGEST)
        elif line := line.strip():
            yield _part(request_of_json, line, file, number)


def _protobuf(stream: _Stream, file: str) -> Iterator[TracesPiece | Problem]:
    head = stream.head
    if not head.strip():
        return
    if _is_one_message(head):
        data = stream.read()
        yield _part(request_of_proto, data, file, 1, data)
        return
    length = _four_bytes if head[0] == 0 and head[4:5] == bytes((_TAG,)) else _varint
    number = 0
    try:
        for number, data in enumerate(_delimited(stream, length), 1):
            yield _part(request_of_proto, data, file, number, data)
    except WireError as problem:
        yield Problem(file, number + 1, str(problem))


def _is_one_message(head: bytes) -> bool:
    """Whether a request begins here, rather than a length.

    A request begins with its field's tag, which is also the length of a request of 10 bytes. That one goes on
    with the tag and a length of at most 8; after the tag and the length 10 comes a tag of `ResourceSpans`,
    all of which are greater.
    """
    return head[0] == _TAG and (head[1:2] != bytes((_TAG,)) or head[2:3] > b"\x08")


def _delimited(stream: _Stream, length_of: Callable[[_Stream], int | None]) -> Iterator[bytes]:
    while (length := length_of(stream)) is not None:
        if length > LARGEST:
            raise WireError("malformed", f"a message of {length:,} bytes, more than {LARGEST:,}")
        data = stream.read(length)
        if len(data) < length:
            raise WireError("malformed", f"cut short: {len(data):,} of a message's {length:,} bytes")
        yield data


def _varint(stream: _Stream) -> int | None:
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte and shift:
            raise WireError("malformed", "cut short in a message's length")
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise WireError("malformed", "neither a protobuf message nor the length of one")


def _four_bytes(stream: _Stream) -> int | None:
    data = stream.read(4)
    if 0 < len(data) < 4:
        raise WireError("malformed", "cut short in a message's length")
    return int.from_bytes(data, "big") if data else None


_FORMATS = {".json": _json, ".jsonl": _lines, ".ndjson": _lines, ".binpb": _protobuf, ".pb": _protobuf}
