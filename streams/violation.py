"""The violation as it is published: JSON, and the one door through which values leave a worker."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from dsl.rule import Rule
from dsl.trace import Span, Trace
from dsl.verdict import Evidence, Verdict, Violation

MAX_TEXT = 2048  # characters of a text value or message
MAX_BYTES = 128 * 1024  # of one violation; a larger one goes without attribute values


class Found(NamedTuple):
    """A violation as it is published, and the rule that found it."""

    id: str
    value: bytes  # JSON
    rule: Rule


def records(trace: Trace, verdict: Verdict, reason: str, now: int) -> list[Found]:
    """The violations of a verdict; `now` in Unix ns is when they were found."""
    return [
        Found(v.id, encoded(violation_json(trace, verdict, v, reason, now)), verdict.rule)
        for v in verdict.violations
    ]


def violation_json(
    trace: Trace, verdict: Verdict, violation: Violation, reason: str, now: int
) -> dict[str, Any]:
    """One violation, first revision."""
    at = timestamp(now)
    return {
        "id": violation.id,
        "status": "open",
        "revision": 1,
        **_rule(verdict.rule),
        "clause": violation.clause,
        "message": leaving("message", violation.message),
        **_trace(trace),
        "service": violation.evidence[0].span.service if violation.evidence else _root_service(trace),
        "spans": [_evidence(evidence) for evidence in violation.evidence],
        "spanTotal": violation.span_total,
        "missing": list(violation.missing),
        "complete": verdict.complete,
        "decisionReason": reason,
        "truncated": verdict.truncated,
        "detectedAt": at,
        "updatedAt": at,
        "history": [{"revision": 1, "status": "open", "at": at, "reason": "judged"}],
    }


def leaving(key: str, value: Any) -> Any:
    """A value on its way out. All that leaves passes here: text is cut to a bound, bytes are hex."""
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else value[: MAX_TEXT - 1] + "…"
    if isinstance(value, bytes):
        return leaving(key, value.hex())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): leaving(str(k), v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [leaving(key, item) for item in value]
    return value


def timestamp(ns: int) -> str:
    """RFC 3339 in UTC with nanoseconds."""
    seconds, rest = divmod(ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


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


def _trace(trace: Trace) -> dict[str, Any]:
    return {
        "traceId": trace.trace_id.hex(),
        "rootName": trace.root.name if trace.root else None,
        "services": list(trace.services),
        "traceStart": timestamp(trace.start),
        "traceEnd": timestamp(trace.end),
        "spanCount": len(trace.spans),
    }


def _root_service(trace: Trace) -> str:
    return trace.root.service if trace.root else ""


def _evidence(evidence: Evidence) -> dict[str, Any]:
    span: Span = evidence.span
    return {
        "spanId": span.span_id.hex(),
        "name": leaving("name", span.name),
        "service": span.service,
        "role": evidence.role,
        "startTime": timestamp(span.start),
        "durationMs": span.duration / 1e6,
        "attributes": {key: leaving(key, value) for key, value in evidence.attributes.items()},
    }


def encoded(violation: dict[str, Any]) -> bytes:
    """As it is published; one that is too large goes without attribute values, and says so."""
    text = json.dumps(violation, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    if len(text) > MAX_BYTES:
        spans = [span | {"attributes": {}} for span in violation["spans"]]
        text = json.dumps(violation | {"spans": spans, "truncated": True}, separators=(",", ":")).encode()
    return text
