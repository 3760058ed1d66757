"""The spans that a violation becomes: its own, and one for each control that its rule names."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dsl.rule import Control
from streams import own_spans
from streams.compliance import JUDGED, Outcome, Place, Statement, compliance_spans
from streams.own_spans import EVIDENCE_ID, Value, evidence_span_id, own_trace, record

VIOLATION: Final = "betrace.violation"
RETRACTED: Final = "betrace.violation.retracted"


def records(violations: Iterable[bytes], *, replayed: bool = False) -> list[tuple[str, bytes]]:
    """What goes to the evidence topic for violations as they are published: trace ids (hex) and requests."""
    return [record(span) for value in violations for span in spans_of(json.loads(value), replayed=replayed)]


def spans_of(violation: dict[str, Any], *, replayed: bool = False) -> list[Span]:
    """The span of a violation as it is published, and one for each control that its rule names."""
    span = violation_span(violation, replayed=replayed)
    return [] if span is None else [span, *_compliance(violation, span)]


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
        trace_id=home if inside else own_trace(evidence_id),
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


def _amended(violation: dict[str, Any]) -> bool:
    before = violation["history"][-2:-1]
    return bool(before) and before[0]["status"] == violation["status"] == "open"


def _evidence_id(violation: dict[str, Any]) -> str:
    """The violation's id; of what came of it later, with the revision, as one may be retracted twice."""
    revision = violation["revision"]
    return str(violation["id"]) if revision == 1 else f"{violation['id']}.{revision}"


def _in_time(violation: dict[str, Any], at: str) -> bool:
    return own_spans.in_time(nanoseconds(violation["traceEnd"]), nanoseconds(at))


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
        trace_id=home if inside else own_trace(first), span_id=evidence_span_id(first, VIOLATION)
    )


def _attributes(violation: dict[str, Any], evidence_id: str) -> list[KeyValue]:
    values: dict[str, Value] = {
        VIOLATION: True,
        EVIDENCE_ID: evidence_id,
        "betrace.violation.id": violation["id"],
        "betrace.violation.rule_id": violation["ruleId"],
        "betrace.violation.rule_name": violation["ruleName"],
        "betrace.violation.rule_version": violation["ruleVersion"],
        "betrace.violation.severity": violation["severity"],
        "betrace.violation.message": violation["message"],
        "betrace.violation.service": violation["service"],
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
    return own_spans.attributes(values)


def _compliance(violation: dict[str, Any], span: Span) -> list[Span]:
    """Beside the violation's span, or under it where that has no parent; a retraction tells of success."""
    more: dict[str, Value] = {
        "betrace.rule.id": violation["ruleId"],
        "betrace.rule.version": violation["ruleVersion"],
        "betrace.trace.id": violation["traceId"],
        "betrace.trace.complete": violation["complete"],
        "betrace.service": violation["service"],
        "betrace.violation.id": violation["id"],
    }
    outcome: Outcome = "failure" if violation["status"] == "open" else "success"
    statement = Statement(JUDGED, outcome, _evidence_id(violation), more)
    links = tuple((link.trace_id, link.span_id) for link in span.links)
    place = Place(
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        span.trace_id,
        span.parent_span_id or span.span_id,
        links,
    )
    pairs = violation["compliance"]
    return compliance_spans(statement, [Control(p["framework"], p["control"]) for p in pairs], place)


def nanoseconds(text: str) -> int:
    """Unix ns of RFC 3339 in UTC, as `streams.violation.timestamp` writes it."""
    seconds, _, rest = text.removesuffix("Z").partition(".")
    return round(datetime.fromisoformat(f"{seconds}+00:00").timestamp()) * 10**9 + int(
        rest.ljust(9, "0") or 0
    )
