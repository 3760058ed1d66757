"""Spans for tests, as OTLP messages."""

from collections.abc import Iterable

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


def span(trace: int, number: int, parent: int = 0, name: str = "work", start: int = 0, end: int = 10) -> Span:
    """A span with ids made from small numbers; times in ms."""
    return Span(
        trace_id=trace.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=name,
        start_time_unix_nano=start * 10**6,
        end_time_unix_nano=end * 10**6,
    )


def request(
    *groups: tuple[str, Iterable[Span]], scope: str = "scope", schema: str = ""
) -> ExportTraceServiceRequest:
    """One message with the spans of each service under its own resource."""
    message = ExportTraceServiceRequest()
    for service, spans in groups:
        resource_spans = message.resource_spans.add(schema_url=schema)
        attribute = resource_spans.resource.attributes.add(key="service.name")
        attribute.value.string_value = service
        scope_spans = resource_spans.scope_spans.add(schema_url=schema)
        scope_spans.scope.name = scope
        scope_spans.spans.extend(spans)
    return message
