"""The spans that BeTrace writes: what a violation becomes in a trace, and how own spans are told."""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from importlib.metadata import version
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SCOPE: Final = "betrace"
EVIDENCE_ID: Final = "betrace.evidence.id"
VIOLATION: Final = "betrace.violation"
RETRACTED: Final = "betrace.violation.retracted"
MAX_BYTES: Final = 2048  # of a string
_IN_TIME: Final = 90 * 10**9  # ns after its end in which a trace takes another span
_VERSION: Final = version("betrace")


def evidence_span_id(evidence_id: str, name: str) -> bytes:
    """The 8-byte span id of an emitted span: the first 8 bytes of SHA-256 of its evidence id and its name."""
    return hashlib.sha256((evidence_id + name).encode()).digest()[:8]


def is_own(scope_name: str, span: Span | None) -> bool:
    """Whether BeTrace emitted this span: the scope alone is not enough, its id must derive as ours do."""
    if scope_name != SCOPE or span is None:
        return False
    ids = (a.value.string_value for a in span.attributes if a.key == EVIDENCE_ID)
    return any(span.span_id == evidence_span_id(evidence_id, span.name) for evidence_id in ids)


def records(violations: Iterable[bytes], *, replayed: bool = False) -> list[tuple[str, bytes]]:
    """What goes to the evidence topic for violations as they are published: trace ids (hex) and requests."""
    spans = (violation_span(json.loads(value), replayed=replayed) for value in violations)
    return [(span.trace_id.hex(), request(span).SerializeToString()) for span in spans if span is not None]


def request(span: Span) -> ExportTraceServiceRequest:
    """A span as it is sent."""
    made = ExportTraceServiceRequest()
    group = made.resource_spans.add()
    group.resource.attributes.append(_attribute("service.name", "betrace"))
    scope_spans = group.scope_spans.add()
    scope_spans.scope.name, scope_spans.scope.version = SCOPE, _VERSION
    scope_spans.spans.append(span)
    return made


def violation_span(violation: dict[str, Any], *, replayed: bool = False) -> Span | None:
    """The span of a violation as it is published; the same for the same revision, whenever it is made.

    It stands in the judged trace if it came in time, else, or of a replay, in a trace of its own, linked to
    the evidence. A retraction is a span of its own, linked to what it takes back. None where there is nothing
    new to say: the rule is in shadow, or a violation that stands was amended (a span cannot be).
    """
    if violation["mode"] == "shadow" or _amended(violation):
        return None
    name = VIOLATION if violation["status"] == "open" else RETRACTED
    evidence_id = _evidence_id(violation)
    parent = bytes.fromhex(violation.get("parentSpanId") or "")
    home = bytes.fromhex(violation["traceId"])
    inside = bool(parent) and not replayed and _in_time(violation, violation["updatedAt"])
    start, end = _window(violation)
    span = Span(
        trace_id=home if inside else _own_trace(evidence_id),
        span_id=evidence_span_id(evidence_id, name),
        parent_span_id=parent if inside else b"",
        name=name,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=start,
        end_time_unix_nano=end,
        attributes=_attributes(violation, evidence_id),
    )
    if not inside:
        span.links.extend(Span.Link(trace_id=home, span_id=each) for each in _linked(violation, parent))
    if name == RETRACTED:
        span.links.append(_taken_back(violation, home, bool(parent) and not replayed))
    return span


def bounded(text: str) -> str:
    """A text of at most `MAX_BYTES` in UTF-8, cut between characters."""
    data = text.encode("utf-8", "replace")
    return data[:MAX_BYTES].decode("utf-8", "ignore") if len(data) > MAX_BYTES else data.decode()


def _amended(violation: dict[str, Any]) -> bool:
    before = violation["history"][-2:-1]
    return bool(before) and before[0]["status"] == violation["status"] == "open"


def _evidence_id(violation: dict[str, Any]) -> str:
    """The violation's id; of what came of it later, with the revision, as one may be retracted twice."""
    revision = violation["revision"]
    return str(violation["id"]) if revision == 1 else f"{violation['id']}.{revision}"


def _own_trace(evidence_id: str) -> bytes:
    return hashlib.sha256(f"{evidence_id} trace".encode()).digest()[:16]


def _in_time(violation: dict[str, Any], at: str) -> bool:
    return nanoseconds(at) - nanoseconds(violation["traceEnd"]) <= _IN_TIME


def _window(violation: dict[str, Any]) -> tuple[int, int]:
    """When the first evidence span was, else the trace; never outside of the trace."""
    first, last = nanoseconds(violation["traceStart"]), nanoseconds(violation["traceEnd"])
    if not violation["spans"]:
        return first, max(first, last)
    evidence = violation["spans"][0]
    start = min(max(nanoseconds(evidence["startTime"]), first), max(first, last))
    end = start + round(evidence["durationMs"] * 10**6)
    return start, max(start, min(end, last))


def _linked(violation: dict[str, Any], parent: bytes) -> list[bytes]:
    """The evidence spans, else the span that would have been the parent."""
    found = dict.fromkeys(bytes.fromhex(span["spanId"]) for span in violation["spans"])
    return list(found) or ([parent] if parent else [])


def _taken_back(violation: dict[str, Any], home: bytes, may_be_inside: bool) -> Span.Link:
    """The span of the violation's first revision, where it was written then."""
    first = str(violation["id"])
    inside = may_be_inside and _in_time(violation, violation["detectedAt"])
    return Span.Link(
        trace_id=home if inside else _own_trace(first), span_id=evidence_span_id(first, VIOLATION)
    )


def _attributes(violation: dict[str, Any], evidence_id: str) -> list[KeyValue]:
    values: dict[str, str | bool | int | list[str]] = {
        VIOLATION: True,
        EVIDENCE_ID: evidence_id,
        "betrace.violation.id": violation["id"],
        "betrace.violation.rule_id": violation["ruleId"],
        "betrace.violation.rule_name": violation["ruleName"],
        "betrace.violation.rule_version": violation["ruleVersion"],
        "betrace.violation.severity": violation["severity"],
        "betrace.violation.message": violation["message"],
        "betrace.violation.trace_id": violation["traceId"],
        "betrace.violation.detected_at": violation["detectedAt"],
        "betrace.trace.complete": violation["complete"],
        "betrace.trace.decision_reason": violation["decisionReason"],
        "betrace.evidence.span_ids": [span["spanId"] for span in violation["spans"]],
    }
    for name in ("framework", "control"):
        named = list(dict.fromkeys(pair[name] for pair in violation["compliance"]))
        if named:
            values[f"compliance.{name}"] = named[0] if len(named) == 1 else named
    return [_attribute(key, value) for key, value in values.items()]


def _attribute(key: str, value: str | bool | int | list[str]) -> KeyValue:
    return KeyValue(key=key, value=_value(value))


def _value(value: str | bool | int | list[str]) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=bounded(value))
    return AnyValue(array_value=ArrayValue(values=[_value(each) for each in value]))


def nanoseconds(text: str) -> int:
    """Unix ns of RFC 3339 in UTC, as `streams.violation.timestamp` writes it."""
    seconds, _, rest = text.removesuffix("Z").partition(".")
    return round(datetime.fromisoformat(f"{seconds}+00:00").timestamp()) * 10**9 + int(
        rest.ljust(9, "0") or 0
    )
