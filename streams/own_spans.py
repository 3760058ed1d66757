"""What all spans that BeTrace writes have in common, and how they are told when they come back."""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SCOPE: Final = "betrace"
EVIDENCE_ID: Final = "betrace.evidence.id"
MAX_BYTES: Final = 2048  # of a string
_IN_TIME: Final = 90 * 10**9  # ns after its end in which a trace takes another span
_VERSION: Final = version("betrace")

Value = str | bool | int | Sequence[str]


def evidence_span_id(evidence_id: str, name: str) -> bytes:
    """The 8-byte span id of an emitted span: the first 8 bytes of SHA-256 of its evidence id and its name."""
    return hashlib.sha256((evidence_id + name).encode()).digest()[:8]


def own_trace(evidence_id: str) -> bytes:
    """The trace of an emitted span that does not stand in a judged one."""
    return hashlib.sha256(f"{evidence_id} trace".encode()).digest()[:16]


def in_time(trace_end: int, at: int) -> bool:
    """Whether a trace takes another span at that time; both in Unix ns."""
    return at - trace_end <= _IN_TIME


def is_own(scope_name: str, span: Span | None) -> bool:
    """Whether BeTrace emitted this span: the scope alone is not enough, its id must derive as ours do."""
    if scope_name != SCOPE or span is None:
        return False
    ids = (a.value.string_value for a in span.attributes if a.key == EVIDENCE_ID)
    return any(span.span_id == evidence_span_id(evidence_id, span.name) for evidence_id in ids)


def record(span: Span) -> tuple[str, bytes]:
    """A span as it goes to the evidence topic: its trace id (hex), and a request with it alone."""
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.attributes.extend(attributes({"service.name": "betrace"}))
    scope_spans = group.scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = SCOPE, _VERSION
    scope_spans.spans.append(span)
    return span.trace_id.hex(), made.SerializeToString()


def attributes(values: Mapping[str, Value]) -> list[KeyValue]:
    """OTLP attributes; texts are bounded."""
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def bounded(text: str) -> str:
    """A text of at most `MAX_BYTES` in UTF-8, cut between characters."""
    data = text.encode("utf-8", "replace")
    return data[:MAX_BYTES].decode("utf-8", "ignore") if len(data) > MAX_BYTES else data.decode()


def _value(value: Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=bounded(value))
    return AnyValue(array_value=ArrayValue(values=[_value(each) for each in value]))
