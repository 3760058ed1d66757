"""Seeded input for the benchmarks: messages of 500 spans, in which each trace is spread over four."""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bench.template import Template

SERVICES = ("gateway", "checkout", "payment", "inventory", "shipping", "mail")
NAMES = tuple(f"operation.{number}" for number in range(20))
MESSAGE_SPANS = 500
TRACE_SPANS = 20
SPREAD = 4
ROUND_SPANS = MESSAGE_SPANS * SPREAD
EVEN = (TRACE_SPANS,) * (ROUND_SPANS // TRACE_SPANS)
MIXED = (200,) * 3 + (20,) * 34 + (3,) * 240
LARGE = 10_000
LARGEST_NUMBER = 10_000  # of a span's numeric attributes
NUMBERS = ("amount", "bytes", "retries")  # attributes that are evenly spread below it

_VARIETY = 50  # rounds of which each is its own; after them the first comes again under fresh trace ids
_RESOURCE = (
    "service.name",
    "service.version",
    "host.name",
    "k8s.pod.name",
    "k8s.namespace.name",
    "cloud.region",
    "os.type",
    "telemetry.sdk.name",
)


class Request(NamedTuple):
    """Some messages before they are serialised, and the ids of their traces."""

    messages: list[ExportTraceServiceRequest]
    ids: list[bytes]


class _Made(NamedTuple):
    service: str
    span: Span


def messages(spans: int, seed: int, start_ns: int, sizes: Sequence[int] = EVEN) -> Iterator[bytes]:
    """Serialised requests with that many spans in all; `sizes` are those of the traces of each round."""
    draw = random.Random(seed)
    templates: list[Template] = []
    for number in range(spans // sum(sizes)):
        if number < _VARIETY:
            made = a_round(draw, start_ns, sizes)
            templates.append(Template([each.SerializeToString() for each in made.messages], made.ids))
        yield from templates[number % _VARIETY].fresh(draw)


def large_trace(seed: int, start_ns: int) -> Iterator[bytes]:
    """One trace of 10,000 spans, in as many messages as it fills."""
    draw = random.Random(seed)
    (trace,) = _traces(draw, start_ns, (LARGE,))
    for first in range(0, LARGE, MESSAGE_SPANS):
        yield _message(trace[first : first + MESSAGE_SPANS]).SerializeToString()


def a_round(draw: random.Random, start_ns: int, sizes: Sequence[int] = EVEN) -> Request:
    """Traces of these sizes, spread over four messages."""
    traces = _traces(draw, start_ns, sizes)
    parts: list[list[_Made]] = [[] for _ in range(SPREAD)]
    for number, trace in enumerate(traces):
        for place, made in enumerate(trace):
            parts[(number + place * SPREAD // len(trace)) % SPREAD].append(made)
    return Request([_message(part) for part in parts], [trace[0].span.trace_id for trace in traces])


def _traces(draw: random.Random, start_ns: int, sizes: Sequence[int]) -> list[list[_Made]]:
    return [_trace(draw, start_ns, size) for size in sizes]


def _trace(draw: random.Random, start_ns: int, size: int) -> list[_Made]:
    """The names come in turn, so that a rule about one of them applies to every trace of 20 or more."""
    trace_id = draw.randbytes(16)
    ids = [draw.randbytes(8) for _ in range(size)]
    trace = []
    for n in range(size):
        parent = ids[draw.randrange(n)] if n else b""
        span = _span(draw, NAMES[n % len(NAMES)], (trace_id, ids[n], parent), start_ns + n * 10**6)
        trace.append(_Made(SERVICES[n % len(SERVICES)], span))
    return trace


def _span(draw: random.Random, name: str, ids: tuple[bytes, bytes, bytes], start: int) -> Span:
    trace_id, span_id, parent = ids
    span = Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent,
        name=name,
        kind=draw.choice((1, 2, 3)),  # type: ignore[arg-type]
        start_time_unix_nano=start,
        end_time_unix_nano=start + draw.randrange(10**7),
    )
    texts = {
        "http.method": draw.choice(("GET", "POST")),
        "http.route": f"/api/v1/customers/{{customer}}/carts/{{cart}}/{name}",
        "customer.tier": draw.choice(("gold", "silver", "basic")),
        "order_id": f"order-{draw.getrandbits(64):016x}",
    }
    for key, text in texts.items():
        span.attributes.add(key=key).value.string_value = text
    for key in NUMBERS:
        span.attributes.add(key=key).value.int_value = draw.randrange(LARGEST_NUMBER)
    span.attributes.add(key="http.status_code").value.int_value = draw.choice((200, 201, 404, 500))
    span.attributes.add(key="cached").value.bool_value = draw.random() < 0.5
    span.attributes.add(key="ratio").value.double_value = draw.random()
    return span


def _message(made: Sequence[_Made]) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    for service in SERVICES:
        spans = [each.span for each in made if each.service == service]
        if spans:
            of = request.resource_spans.add()
            for key in _RESOURCE:
                text = service if key == "service.name" else f"{service}-{key}"
                of.resource.attributes.add(key=key).value.string_value = text
            scope = of.scope_spans.add()
            scope.scope.name = "io.opentelemetry.instrumentation"
            scope.spans.extend(spans)
    return request
