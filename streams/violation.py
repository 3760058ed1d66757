"""The violation as it is published: JSON, with all values as they leave (`streams/redaction.py`)."""

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple

from dsl.rule import Rule
from dsl.trace import Span, Trace
from dsl.verdict import Evidence, Verdict, Violation
from streams.redaction import DEFAULT, Redaction

MAX_BYTES = 128 * 1024  # of one violation; a larger one goes without attribute values


class Found(NamedTuple):
    """A violation as it is published, and the rule that found it."""

    id: str
    value: bytes  # JSON
    rule: Rule


def records(
    trace: Trace, verdict: Verdict, reason: str, now: int, redaction: Redaction = DEFAULT
) -> list[Found]:
    """The violations of a verdict; `now` in Unix ns is when they were found."""
    return [
        Found(v.id, encoded(violation_json(trace, verdict, v, reason, now, redaction)), verdict.rule)
        for v in verdict.violations
    ]


def violation_json(
    trace: Trace,
    verdict: Verdict,
    violation: Violation,
    reason: str,
    now: int,
    redaction: Redaction = DEFAULT,
) -> dict[str, Any]:
    """One violation, first revision."""
    at = timestamp(now)
    first = violation.evidence[0].span if violation.evidence else trace.root
    return {
        "id": violation.id,
        "status": "open",
        "revision": 1,
        **_rule(verdict.rule),
        "clause": violation.clause,
        "message": redaction.said(violation.said),
        **_trace(trace, redaction),
        "service": redaction.name(first.service if first else ""),
        "spans": [_evidence(evidence, redaction) for evidence in violation.evidence],
        "parentSpanId": _anchor(first, trace),
        "spanTotal": violation.span_total,
        "missing": list(violation.missing),
        "complete": verdict.complete,
        "decisionReason": reason,
        "truncated": verdict.truncated,
        "detectedAt": at,
        "updatedAt": at,
        "history": [{"revision": 1, "status": "open", "at": at, "reason": "judged"}],
    }


def timestamp(ns: int) -> str:
    """RFC 3339 in UTC with nanoseconds."""
    seconds, rest = divmod(ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _anchor(first: Span | None, trace: Trace) -> str | None:
    """The span that a violation hangs on: its first evidence, else the root, else the first of the trace."""
    span = first or min(trace.spans, key=lambda each: (each.start, each.span_id), default=None)
    return span.span_id.hex() if span else None


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "ruleId": rule.id,
        "ruleName": rule.name,
        "ruleVersion": rule.version,
        "severity": rule.severity,
        "mode": rule.mode,
        "labels": dict(rule.labels),
        "compliance": [{"framework": c.framework, "control": c.control} for c in rule.compliance],
    }


def _trace(trace: Trace, redaction: Redaction) -> dict[str, Any]:
    return {
        "traceId": trace.trace_id.hex(),
        "rootName": redaction.name(trace.root.name) if trace.root else None,
        "services": [redaction.name(service) for service in trace.services],
        "traceStart": timestamp(trace.start),
        "traceEnd": timestamp(trace.end),
        "spanCount": len(trace),
    }


def _evidence(evidence: Evidence, redaction: Redaction) -> dict[str, Any]:
    span: Span = evidence.span
    attributes, removed = redaction.attributes(evidence.attributes)
    return {
        "spanId": span.span_id.hex(),
        "name": redaction.name(span.name),
        "service": redaction.name(span.service),
        "role": evidence.role,
        "startTime": timestamp(span.start),
        "durationMs": span.duration / 1e6,
        "attributes": attributes,
        **({"redactedKeys": removed} if removed else {}),
    }


def encoded(violation: dict[str, Any]) -> bytes:
    """As it is published; one that is too large goes without attribute values, and says so."""
    text = json.dumps(violation, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    if len(text) > MAX_BYTES:
        spans = [span | {"attributes": {}} for span in violation["spans"]]
        text = json.dumps(violation | {"spans": spans, "truncated": True}, separators=(",", ":")).encode()
    return text
