"""Violations of older BeTrace, as it exported them, said in today's form."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.errors import UserError
from dsl.rule import SEVERITIES
from dsl.verdict import violation_id
from streams.redaction import Redaction
from streams.violation import timestamp

LABEL = "migrated-from"  # holds the older id
_SEVERITIES = {"warning": "medium", "error": "high"}


class NoViolation(ValueError):
    """What is no violation of older BeTrace; the text says why."""


def violations(text: str, file: str) -> Iterator[Mapping[str, Any]]:
    """The objects of an export: the API's answer, a list, one, or a line each; UserError if it is none."""
    try:
        whole = json.loads(text)
    except ValueError:
        yield from _lines(text, file)
        return
    listed = whole.get("violations", [whole]) if isinstance(whole, dict) else whole
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise UserError(
            f"{file} holds no violations: it is neither a list of objects nor {{violations: [...]}}"
        )
    yield from listed


def _lines(text: str, file: str) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                value = json.loads(line)
            except ValueError as problem:
                raise UserError(f"{file}:{number}: no JSON: {problem}") from None
            if not isinstance(value, dict):
                raise UserError(f"{file}:{number}: no object")
            yield value


@dataclass(frozen=True, slots=True)
class _Span:
    trace: bytes
    id: bytes
    service: str


def today(older: Mapping[str, Any], redaction: Redaction) -> list[dict[str, Any]]:
    """One violation for each trace that the older one names; NoViolation says what is missing.

    Their ids are derived as all are, so that taking them over twice makes none twice.
    """
    rule, name = (str(older.get(key) or "").strip() for key in ("ruleId", "ruleName"))
    if not (rule or name):
        raise NoViolation("it names no rule: ruleId")
    at = timestamp(_nanoseconds(older))
    spans = list(_spans(older))
    named = older.get("traceIds") or ([older["traceId"]] if older.get("traceId") else [])
    if not isinstance(named, list):
        raise NoViolation("traceIds is no list")
    traces = list(
        dict.fromkeys([*(_id(trace, 16, "trace id") for trace in named), *(s.trace for s in spans)])
    )
    if not traces:
        raise NoViolation("it names no trace: traceIds or spanReferences")
    rule_id = (rule or name).replace("_", "-")
    made = _of_the_rule(older, rule_id, name, at, redaction)
    return [made | _of_a_trace(rule_id, trace, [s for s in spans if s.trace == trace]) for trace in traces]


def _of_the_rule(
    older: Mapping[str, Any], rule_id: str, name: str, at: str, redaction: Redaction
) -> dict[str, Any]:
    return {
        "status": "open",
        "revision": 1,
        "ruleId": rule_id,
        "ruleName": name or rule_id,
        "ruleVersion": 0,
        "severity": _severity(older.get("severity")),
        "mode": "enforce",
        "labels": {LABEL: str(older.get("id") or "")},
        "compliance": [],
        "message": redaction.text(str(older.get("message") or "")),
        "complete": False,
        "decisionReason": "migrated",
        "truncated": False,
        "detectedAt": at,
        "updatedAt": at,
        "traceStart": at,
        "traceEnd": at,
        "missing": [],
        "history": [{"revision": 1, "status": "open", "at": at, "reason": "migrated"}],
    }


def _of_a_trace(rule_id: str, trace: bytes, spans: list[_Span]) -> dict[str, Any]:
    bound = [(f"span{number}", span.id) for number, span in enumerate(spans)]
    services = sorted({span.service for span in spans if span.service})
    return {
        "id": violation_id(rule_id, trace, bound),
        "traceId": trace.hex(),
        "rootName": None,
        "service": next((span.service for span in spans if span.service), ""),
        "services": services,
        "spans": [_shown(span) for span in spans],
        "parentSpanId": spans[0].id.hex() if spans else None,
        "spanTotal": len(spans),
        "spanCount": len(spans),
    }


def _shown(span: _Span) -> dict[str, Any]:
    return {
        "spanId": span.id.hex(),
        "name": "",
        "service": span.service,
        "role": "evidence",
        "attributes": {},
    }


def _spans(older: Mapping[str, Any]) -> Iterator[_Span]:
    given = older.get("spanReferences")
    if given is None:
        given = [older] if older.get("spanId") else []
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise NoViolation("spanReferences is no list of objects")
    for each in given:
        trace = _id(each.get("traceId") or older.get("traceId"), 16, "trace id")
        yield _Span(trace, _id(each.get("spanId"), 8, "span id"), str(each.get("serviceName") or ""))


def _id(text: Any, size: int, what: str) -> bytes:
    try:
        found = bytes.fromhex(str(text))
    except ValueError:
        found = b""
    if len(found) != size or not any(found):
        raise NoViolation(f"{text!r} is no {what} of {2 * size} hex digits")
    return found


def _severity(given: Any) -> str:
    text = str(given or "medium").lower()
    text = _SEVERITIES.get(text, text)
    if text not in SEVERITIES:
        raise NoViolation(f"{given!r} is no severity: {', '.join(SEVERITIES)}")
    return text


def _nanoseconds(older: Mapping[str, Any]) -> int:
    key = next((key for key in ("createdAt", "detectedAt", "timestamp") if older.get(key)), "createdAt")
    try:
        at = datetime.fromisoformat(str(older.get(key)))
    except ValueError:
        raise NoViolation(f"{key} is no time such as 2025-11-02T10:00:00Z, but {older.get(key)!r}") from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1e6) * 1000
