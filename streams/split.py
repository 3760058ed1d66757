"""Cuts one OTLP message into the spans of each trace, slicing its bytes instead of serialising them again."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from streams.evidence import SCOPE, is_own
from streams.otlp import span_problem

NO_PARENT = bytes(8)
_RESOURCE_SPANS = _FIRST = 0x0A
_SECOND = 0x12
_CANONICAL_TRACE_ID = b"\x0a\x10"
_CANONICAL_SPAN_ID = b"\x12\x08"
_CANONICAL_PARENT_ID = b"\x22\x08"
_NO_TRACE = bytes(16)
PER_SPAN = 64  # bytes, at most, that a block adds to a span that is an entry or a run of its own


class Prefix(NamedTuple):
    """What the spans of one scope have in common, as serialised fields."""

    resource: bytes  # of ResourceSpans: everything but the scopes
    scope: bytes  # of ScopeSpans: everything but the spans


@dataclass(slots=True)
class Fragment:
    """The spans of one trace in one message."""

    ids: list[bytes] = field(default_factory=list)  # span id + parent id (zero for none), 16 bytes a span
    runs: list[tuple[Prefix, bytes]] = field(default_factory=list)  # serialised `spans` fields of one scope
    size: int = 0  # bytes that it adds to a block, prefixes apart

    def add(self, ids: list[bytes], prefix: Prefix, spans: bytes) -> None:
        """Add the spans of one scope."""
        self.ids += ids
        self.runs.append((prefix, spans))
        self.size += len(spans) + PER_SPAN * len(ids)


@dataclass(slots=True)
class Split:
    """One message, cut up. Every span of it is in `fragments`, `rejected` or `own`."""

    fragments: dict[bytes, Fragment] = field(default_factory=dict)
    rejected: dict[str, list[tuple[Prefix, bytes]]] = field(default_factory=dict)  # by reason
    received: int = 0
    own: int = 0
    common: int = 0  # bytes of all prefixes

    @property
    def rejected_spans(self) -> int:
        return sum(len(spans) for spans in self.rejected.values())


class Malformed(ValueError):
    """The bytes are not a well-formed protobuf message down to its spans."""


def split(data: bytes, *, checked: bool = True) -> Split:
    """Cut a serialised ExportTraceServiceRequest by trace.

    `checked` says that the whole message is known to parse; otherwise each span is parsed, and one that does
    not is rejected alone. Raises Malformed when not even the spans' bounds can be told.
    """
    result = Split()
    for tag, start, end in _fields(data, 0, len(data)):
        if tag == _RESOURCE_SPANS:
            _split_resource(result, data, start, end, checked)
    return result


def parses(data: bytes) -> bool:
    """Whether the bytes are a well-formed ExportTraceServiceRequest."""
    return _parses(ExportTraceServiceRequest, data)


def cut(fragment: Fragment, limit: int) -> tuple[list[Fragment], list[tuple[Prefix, bytes]]]:
    """A fragment as pieces of at most `limit` bytes each, and the spans that alone are larger than that."""
    pieces, too_large = [Fragment()], []
    size = number = 0
    for prefix, spans in fragment.runs:
        at = 0
        for _, _, stop in _fields(spans, 0, len(spans)):
            span, at = spans[at:stop], stop
            needed = len(span) + len(prefix.resource) + len(prefix.scope) + PER_SPAN
            if needed > limit:
                too_large.append((prefix, span))
            else:
                if size + needed > limit:
                    pieces.append(Fragment())
                    size = 0
                pieces[-1].add([fragment.ids[number]], prefix, span)
                size += needed
            number += 1
    return [piece for piece in pieces if piece.ids], too_large


def joined(runs: Iterator[tuple[Prefix, bytes]]) -> bytes:
    """Runs of spans as one serialised TracesData; those of the same prefix share its resource and scope."""
    spans_of: dict[Prefix, list[bytes]] = {}
    for prefix, spans in runs:
        spans_of.setdefault(prefix, []).append(spans)
    parts: list[bytes] = []
    for prefix, spans_list in spans_of.items():
        spans = b"".join(spans_list)
        inner = len(prefix.scope) + len(spans)
        head = prefix.resource + b"\x12" + _varint(inner)
        parts += (b"\x0a", _varint(len(head) + inner), head, prefix.scope, spans)
    return b"".join(parts)


class _Doubt(NamedTuple):
    """Of a message that does not parse as a whole."""

    spans: bool  # each may be malformed
    prefix: bool  # the resource is malformed


def _split_resource(result: Split, data: bytes, start: int, end: int, checked: bool) -> None:
    scopes: list[tuple[int, int]] = []
    common: list[bytes] = []
    at = start
    for tag, value, stop in _fields(data, start, end):
        if tag == _SECOND:
            scopes.append((value, stop))
        else:
            common.append(data[at:stop])
        at = stop
    resource = b"".join(common)
    broken = not checked and not _parses(ResourceSpans, resource)
    for value, stop in scopes:
        _split_scope(result, data, (value, stop), resource, _Doubt(not checked, broken))


def _split_scope(result: Split, data: bytes, bounds: tuple[int, int], resource: bytes, doubt: _Doubt) -> None:
    start, end = bounds
    spans: list[tuple[int, int, int]] = []
    common: list[bytes] = []
    at = start
    for tag, value, stop in _fields(data, start, end):
        if tag == _SECOND:
            spans.append((at, value, stop))
        else:
            common.append(data[at:stop])
        at = stop
    prefix = Prefix(resource, b"".join(common))
    result.received += len(spans)
    result.common += len(prefix.resource) + len(prefix.scope) + 8
    own_scope = SCOPE.encode() in prefix.scope and _scope_name(prefix.scope) == SCOPE
    if doubt.spans or own_scope:
        broken = doubt.prefix or (doubt.spans and not _parses(ScopeSpans, prefix.scope))
        spans = [s for s in spans if _admit(result, data, s, prefix, broken)]
    _collect(result, data, spans, prefix)


def _collect(result: Split, data: bytes, spans: list[tuple[int, int, int]], prefix: Prefix) -> None:
    """The hot loop: a span's ids are where every common encoder puts them, or it is parsed."""
    runs: dict[bytes, tuple[list[bytes], list[bytes]]] = {}
    for at, value, stop in spans:
        trace_id = data[value + 2 : value + 18]
        span_id = data[value + 20 : value + 28]
        if (
            data[value : value + 2] == _CANONICAL_TRACE_ID
            and data[value + 18 : value + 20] == _CANONICAL_SPAN_ID
            and value + 28 <= stop
            and (
                stop == value + 28 or data[value + 28] > 0x22 or data[value + 28 : value + 30] == b"\x22\x08"
            )
        ):
            parent = (
                data[value + 30 : value + 38]
                if data[value + 28 : value + 30] == _CANONICAL_PARENT_ID
                else b""
            )
            problem = (trace_id == _NO_TRACE or span_id == NO_PARENT) and span_problem(
                trace_id, span_id, parent
            )
        else:
            trace_id, span_id, parent = _ids(data[value:stop])
            problem = span_problem(trace_id, span_id, parent)
        if problem:
            result.rejected.setdefault(problem, []).append((prefix, data[at:stop]))
            continue
        run = runs.get(trace_id)
        if run is None:
            run = runs[trace_id] = ([], [])
        run[0].append(span_id + (parent or NO_PARENT))
        run[1].append(data[at:stop])
    for trace_id, (ids, slices) in runs.items():
        fragment = result.fragments.get(trace_id)
        if fragment is None:
            fragment = result.fragments[trace_id] = Fragment()
        fragment.add(ids, prefix, b"".join(slices))


def _admit(result: Split, data: bytes, bounds: tuple[int, int, int], prefix: Prefix, broken: bool) -> bool:
    """Whether a span that needs a closer look goes on; one that does not is counted here."""
    at, value, stop = bounds
    try:
        span = Span.FromString(data[value:stop])
    except DecodeError:
        span = None
    if span is None or broken:
        result.rejected.setdefault("malformed_span", []).append((prefix, data[at:stop]))
        return False
    if is_own(_scope_name(prefix.scope), span):
        result.own += 1
        return False
    return True


def _parses(kind: type[Message], data: bytes) -> bool:
    try:
        kind.FromString(data)
    except DecodeError:
        return False
    return True


def _scope_name(scope_fields: bytes) -> str:
    try:
        scope: InstrumentationScope = ScopeSpans.FromString(scope_fields).scope
    except DecodeError:
        return ""
    return scope.name


def _ids(data: bytes) -> tuple[bytes, bytes, bytes]:
    span = Span.FromString(data)
    return span.trace_id, span.span_id, span.parent_span_id


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Tag, start and end of the value of each field in data[at:end]; Malformed when one runs over."""
    try:
        while at < end:
            tag = data[at]
            at += 1
            if tag > 0x7F:
                tag, at = _read_varint(data, at - 1)
            if tag & 7 == 2:
                size = data[at]
                at += 1
                if size > 0x7F:
                    size, at = _read_varint(data, at - 1)
                stop = at + size
            else:
                stop = _skip(data, at, tag & 7)
            if stop > end:
                break
            yield tag, at, stop
            at = stop
        else:
            return
    except IndexError:
        pass
    raise Malformed("a field runs over the end of its message")


def _skip(data: bytes, at: int, wire_type: int) -> int:
    if wire_type == 0:
        return _read_varint(data, at)[1]
    if wire_type == 1:
        return at + 8
    if wire_type == 5:
        return at + 4
    raise Malformed(f"wire type {wire_type} does not occur in OTLP")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise Malformed("a number is longer than 64 bits")
