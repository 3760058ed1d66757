"""Seeded input for the benchmarks: 500-span messages in which traces of 20 spans are spread over four."""

import random
from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SERVICES = ("gateway", "checkout", "payment", "inventory", "shipping", "mail")
NAMES = tuple(f"operation.{number}" for number in range(40))
MESSAGE_SPANS = 500
TRACE_SPANS = 20
SPREAD = 4


def messages(spans: int, seed: int, start_ns: int) -> Iterator[bytes]:
    """Serialised requests with that many spans in all, about 350 bytes a span."""
    draw = random.Random(seed)
    batch = MESSAGE_SPANS * SPREAD // TRACE_SPANS
    for _ in range(spans // (MESSAGE_SPANS * SPREAD)):
        traces = [_trace(draw, start_ns) for _ in range(batch)]
        for part in range(SPREAD):
            share = TRACE_SPANS // SPREAD
            yield _message(draw, [s for trace in traces for s in trace[part * share : (part + 1) * share]])


def _trace(draw: random.Random, start_ns: int) -> list[Span]:
    trace_id = draw.randbytes(16)
    ids = [draw.randbytes(8) for _ in range(TRACE_SPANS)]
    return [
        _span(draw, trace_id, ids[n], ids[draw.randrange(n)] if n else b"", start_ns + n * 10**6)
        for n in range(TRACE_SPANS)
    ]


def _span(draw: random.Random, trace_id: bytes, span_id: bytes, parent: bytes, start: int) -> Span:
    span = Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=parent,
        name=draw.choice(NAMES),
        kind=draw.choice((1, 2, 3)),  # type: ignore[arg-type]
        start_time_unix_nano=start,
        end_time_unix_nano=start + draw.randrange(10**7),
    )
    texts = {
        "http.method": "GET",
        "http.route": "/api/cart/{id}",
        "customer.tier": "gold",
        "order_id": f"{draw.random()}",
    }
    for key, text in texts.items():
        span.attributes.add(key=key).value.string_value = text
    for key in ("http.status_code", "amount", "retries", "bytes"):
        span.attributes.add(key=key).value.int_value = draw.randrange(1000)
    span.attributes.add(key="cached").value.bool_value = draw.random() < 0.5
    span.attributes.add(key="ratio").value.double_value = draw.random()
    return span


def _message(draw: random.Random, spans: list[Span]) -> bytes:
    request = ExportTraceServiceRequest()
    draw.shuffle(spans)
    share = len(spans) // len(SERVICES) + 1
    for number, service in enumerate(SERVICES):
        resource_spans = request.resource_spans.add()
        for key in (
            "service.name",
            "host.name",
            "k8s.pod.name",
            "k8s.namespace.name",
            "cloud.region",
            "os.type",
        ):
            resource_spans.resource.attributes.add(key=key).value.string_value = f"{service}-{key}"
        resource_spans.resource.attributes[0].value.string_value = service
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = "io.opentelemetry.instrumentation"
        scope_spans.spans.extend(spans[number * share : (number + 1) * share])
    return request.SerializeToString()
