"""The traces that are produced: Train Ticket's under fresh ids, the shop's, and spans of no trace."""

import gzip
import random
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.shop import requests
from streams.otlp import request_of_json
from streams.own_spans import EVIDENCE_ID, SCOPE, evidence_span_id

_DATA = Path(__file__).parent.parent / "data" / "train-ticket"
_FILES = ("normal.jsonl.gz", "faults.jsonl.gz")
_TRAIN_TICKET = 0.08  # of all traces; they are several times as long as the shop's
_PARENT_LOST = 0.05
_LONGEST = 150  # spans of a Train Ticket trace


class Piece(NamedTuple):
    """A span, and what its message says around it."""

    resource: Resource
    scope: InstrumentationScope
    span: Span


Trace = list[Piece]


def traces(draw: random.Random, now: int) -> Iterator[Trace]:
    """Traces without end, of a shop and of Train Ticket; `now` (Unix ns) is when the shop's end.

    Ids are fresh in each call with another `draw`. In some the parent of a span is missing for good.
    """
    shop = _shop(draw.randrange(2**32), now)
    recorded = _train_ticket()
    while True:
        if draw.random() < _TRAIN_TICKET:
            yield _renamed(draw.choice(recorded), draw.randbytes(16))
        else:
            yield _with_a_loss(draw, next(shop))


def message(pieces: Iterable[Piece]) -> bytes:
    """One OTLP message with these spans; those with a resource and scope in common stand together."""
    request = ExportTraceServiceRequest()

    def around(piece: Piece) -> tuple[bytes, bytes]:
        return piece.resource.SerializeToString(), piece.scope.SerializeToString()

    for _, group in groupby(sorted(pieces, key=around), key=around):
        first, *rest = group
        resource_spans = request.resource_spans.add()
        resource_spans.resource.CopyFrom(first.resource)
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.CopyFrom(first.scope)
        scope_spans.spans.extend(piece.span for piece in (first, *rest))
    return request.SerializeToString()


def own(draw: random.Random, trace_id: bytes) -> Piece:
    """A span as BeTrace emits them, come back on the input: counted, and no part of the trace."""
    violation = draw.randbytes(16).hex()
    span = Span(trace_id=trace_id, name="betrace.violation")
    span.span_id = evidence_span_id(violation, span.name)
    attribute = span.attributes.add(key=EVIDENCE_ID)
    attribute.value.string_value = violation
    return Piece(Resource(), InstrumentationScope(name=SCOPE), span)


def refused(draw: random.Random) -> Piece:
    """A span whose trace id says nothing."""
    return Piece(Resource(), InstrumentationScope(), Span(trace_id=bytes(16), span_id=draw.randbytes(8)))


def _shop(seed: int, now: int) -> Iterator[Trace]:
    pieces: Trace = []
    for request in requests(seed, lambda: now):
        for piece in _pieces(request):
            if pieces and piece.span.trace_id != pieces[0].span.trace_id:
                yield pieces
                pieces = []
            pieces.append(piece)


def _pieces(request: ExportTraceServiceRequest) -> Iterator[Piece]:
    for group in request.resource_spans:
        for scope_spans in group.scope_spans:
            for span in scope_spans.spans:
                yield Piece(group.resource, scope_spans.scope, span)


@cache
def _train_ticket() -> list[Trace]:
    found: dict[bytes, Trace] = {}
    for name in _FILES:
        for line in gzip.decompress((_DATA / name).read_bytes()).splitlines():
            for piece in _pieces(request_of_json(line)):
                found.setdefault(piece.span.trace_id, []).append(piece)
    return [trace for trace in found.values() if len(trace) <= _LONGEST]


def _renamed(trace: Trace, trace_id: bytes) -> Trace:
    renamed = []
    for piece in trace:
        span = Span()
        span.CopyFrom(piece.span)
        span.trace_id = trace_id
        renamed.append(piece._replace(span=span))
    return renamed


def _with_a_loss(draw: random.Random, trace: Trace) -> Trace:
    parents = {piece.span.parent_span_id for piece in trace}
    inner = [p for p in trace if p.span.parent_span_id and p.span.span_id in parents]
    lost = draw.choice(inner) if inner and draw.random() < _PARENT_LOST else None
    return [piece for piece in trace if piece is not lost]
