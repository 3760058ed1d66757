"""Cuts one OTLP message into the spans of each trace, whose bytes stay as they are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData

from streams.fragment import NO_PARENT, PER_SPAN, Fragment
from streams.frames import Traces, framed, without
from streams.kinds import Kinds, Prefix, size_of
from streams.otlp import span_problem
from streams.own_spans import SCOPE, is_own
from streams.signature import VERIFIED

try:
    from streams.scan import scan
except ImportError:  # there was no compiler: the same result, slower
    scan = None  # type: ignore[assignment]

_NO_TRACE = bytes(16)
_VERIFIED = VERIFIED.encode()

_Messages = Sequence[Span | None]
_Ids = tuple[bytes, bytes, bytes, str]  # of the trace, the span, its parent; and the name
_IDS = attrgetter("trace_id", "span_id", "parent_span_id", "name")
_Kind = TypeVar("_Kind", bound=Message)


@dataclass(slots=True)
class Split:
    """One message, cut up. Every span of it is in `fragments`, `rejected` or `own`."""

    known: Kinds = field(default_factory=Kinds)
    fragments: dict[bytes, Fragment] = field(default_factory=dict)
    rejected: dict[str, list[tuple[Prefix, bytes]]] = field(default_factory=dict)  # by reason
    received: int = 0
    own: int = 0
    size: int = 0  # bytes of the message
    common: int = 0  # bytes that all kinds and their prefixes add to a block at most
    signatures: bool = False  # whether to count the two below
    denied: int = 0  # spans that a verifier of signatures has marked as not verified
    unmarked: int = 0  # spans that no verifier has marked

    def reject(self, reason: str, prefix: Prefix, span: bytes) -> None:
        """Take in a span that cannot be judged."""
        self.rejected.setdefault(reason, []).append((prefix, _field(span)))

    @property
    def rejected_spans(self) -> int:
        return sum(len(spans) for spans in self.rejected.values())

    @property
    def most(self) -> int:
        """Bytes that all of it adds to a block at most."""
        return self.size + PER_SPAN * self.received + self.common

    def traces(self) -> Iterator[tuple[bytes, bytes]]:
        """Trace ids, each with its spans as a serialised TracesData."""
        for trace_id, fragment in self.fragments.items():
            yield trace_id, joined(fragment.runs())


class Malformed(ValueError):
    """The bytes are not a well-formed protobuf message down to its spans."""


class _Scope(NamedTuple):
    """What is known of a ScopeSpans from the outside; `parsed` is None where the whole did not parse."""

    resource: bytes
    broken: bool  # the resource does not parse
    parsed: ScopeSpans | None

    def messages(self, spans: Sequence[bytes], prefix: Prefix) -> _Messages:
        """The spans as they are parsed, None for one that does not."""
        if self.parsed is not None:
            return self.parsed.spans
        if self.broken or _message(Prefix(b"", prefix.scope)) is None:
            return [None] * len(spans)
        alone = (_message(Prefix(b"", b""), framed(0x12, span)) for span in spans)
        return [message and message.resource_spans[0].scope_spans[0].spans[0] for message in alone]


def split(
    data: bytes,
    *,
    request: ExportTraceServiceRequest | None = None,
    signatures: bool = False,
    known: Kinds | None = None,
) -> Split:
    """Cut a serialised ExportTraceServiceRequest by trace; with `signatures`, count spans not verified.

    `request` is the same, parsed, if it was before; `known` are kinds that earlier messages had.
    Of a message that does not parse as a whole each span is looked at alone, and one that does not parse is
    rejected alone. Raises Malformed when not even the spans' bounds can be told.
    """
    known = known or Kinds()
    marked = signatures and _VERIFIED in data
    found = None if scan is None or marked else scan(data, known)
    if found is not None:
        fragments, received, common = found
        unmarked = received if signatures else 0
        return Split(known, fragments, {}, received, size=len(data), common=common, unmarked=unmarked)
    try:
        groups = Traces.FromString(data).resource_spans
    except DecodeError:
        raise Malformed("its fields do not fit into one another") from None
    result = Split(known, signatures=signatures, size=len(data))
    if request is None:
        request = _parsed(ExportTraceServiceRequest, data)
    whole = [None] * len(groups) if request is None else request.resource_spans
    for group, parsed in zip(groups, whole, strict=True):
        _split_resource(result, group, parsed)
    return result


def cut(parts: Split, fragment: Fragment, limit: int) -> tuple[list[Fragment], list[tuple[Prefix, bytes]]]:
    """A fragment as pieces of at most `limit` bytes each, and the spans that alone are larger than that."""
    pieces, too_large = [Fragment()], []
    size = 0
    for ids, span, kind, head in zip(
        fragment.ids, fragment.spans, fragment.kinds, fragment.heads, strict=True
    ):
        needed = len(span) + size_of(kind.prefix) + kind.size + PER_SPAN
        if needed > limit:
            too_large.append((kind.prefix, _field(span)))
            continue
        if size + needed > limit:
            pieces.append(Fragment())
            size = 0
        pieces[-1].ids.append(ids)
        pieces[-1].spans.append(span)
        pieces[-1].kinds.append(kind)
        pieces[-1].heads.append(head)
        size += needed
    return [piece for piece in pieces if piece.ids], too_large


def joined(runs: Iterable[tuple[Prefix, bytes]]) -> bytes:
    """Serialised `spans` fields as one TracesData; those of the same prefix share its resource and scope."""
    spans_of: dict[Prefix, list[bytes]] = {}
    for prefix, span in runs:
        spans_of.setdefault(prefix, []).append(span)
    return b"".join(
        framed(0x0A, prefix.resource + framed(0x12, prefix.scope + b"".join(spans)))
        for prefix, spans in spans_of.items()
    )


def _split_resource(result: Split, group: Any, parsed: ResourceSpans | None) -> None:
    """`group` is a ResourceSpans of `streams.frames`, which is taken apart."""
    scopes = list(group.scope_spans)
    resource = without(group, "scope_spans")
    broken = parsed is None and _message(Prefix(resource, b"")) is None
    known = [None] * len(scopes) if parsed is None else parsed.scope_spans
    for each, scope_spans in zip(scopes, known, strict=True):
        _split_scope(result, each, _Scope(resource, broken, scope_spans))


def _split_scope(result: Split, group: Any, scope: _Scope) -> None:
    spans: Sequence[bytes] = list(group.spans)
    prefix = Prefix(scope.resource, without(group, "spans"))
    result.received += len(spans)
    messages = scope.messages(spans, prefix)
    if SCOPE.encode() in prefix.scope and _scope_name(prefix) == SCOPE:
        others = [pair for pair in zip(spans, messages, strict=True) if not is_own(SCOPE, pair[1])]
        result.own += len(spans) - len(others)
        spans, messages = [pair[0] for pair in others], [pair[1] for pair in others]
    _collect(result, spans, messages, prefix)
    if result.signatures:
        _count_signatures(result, spans, messages)


def _collect(result: Split, spans: Sequence[bytes], messages: _Messages, prefix: Prefix) -> None:
    """The hot loop: the ids are those that whoever parses the spans will see."""
    fragments = result.fragments
    kinds = result.known.under(prefix)
    for span, found in zip(spans, _ids(messages), strict=True):
        if found is None:
            result.reject("malformed_span", prefix, span)
            continue
        trace_id, span_id, parent, name = found
        fragment = fragments.get(trace_id)
        ids = span_id + (parent or NO_PARENT)
        if (
            (fragment is None and (len(trace_id) != 16 or trace_id == _NO_TRACE))
            or len(span_id) != 8
            or len(ids) != 16
            or span_id == NO_PARENT
        ):
            result.reject(str(span_problem(trace_id, span_id, parent)), prefix, span)
            continue
        if fragment is None:
            fragment = fragments[trace_id] = Fragment()
        kind = kinds[name]
        head = (
            b"\n\x10" + trace_id + b"\x12\x08" + span_id + (b'"\x08' + parent if parent else b"") + kind.field
        )
        fragment.ids.append(ids)
        fragment.spans.append(span)
        fragment.kinds.append(kind)
        fragment.heads.append(len(head) if span.startswith(head) else 0)
    result.common += kinds.size


def _count_signatures(result: Split, spans: Sequence[bytes], messages: _Messages) -> None:
    for span, message in zip(spans, messages, strict=True):
        if message is not None and span_problem(*_IDS(message)[:3]) is None:
            _count_signature(result, span, message)


def _field(span: bytes) -> bytes:
    """A span as a serialised `spans` field of a ScopeSpans."""
    return framed(0x12, span)


def _ids(messages: _Messages) -> Iterable[_Ids | None]:
    """The ids of each span; None for one that did not parse, which a list may hold."""
    if isinstance(messages, list):
        return [None if span is None else _IDS(span) for span in messages]
    return map(_IDS, messages)


def _count_signature(result: Split, data: bytes, span: Span) -> None:
    if _VERIFIED in data:
        marks = [each.value for each in span.attributes if each.key == VERIFIED]
        if marks:
            result.denied += not all(mark.bool_value for mark in marks)
            return
    result.unmarked += 1


def _parsed(kind: type[_Kind], data: bytes) -> _Kind | None:
    try:
        return kind.FromString(data)
    except DecodeError:
        return None


def _message(prefix: Prefix, span: bytes = b"") -> TracesData | None:
    """What is read of a span when its trace is judged: as deep in messages, for that depth has a bound."""
    return _parsed(TracesData, joined([(prefix, span)]))


def _scope_name(prefix: Prefix) -> str:
    message = _message(Prefix(b"", prefix.scope))
    return message.resource_spans[0].scope_spans[0].scope.name if message else ""
