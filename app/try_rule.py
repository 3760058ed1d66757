"""Validates a condition, and judges a pasted trace by a rule, storing nothing."""

import contextlib
from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from app.explain import Explained, as_json
from app.problems import Problem
from dsl.compile import check, compile_rule
from dsl.files import rule_of
from dsl.judge import explain, judge
from dsl.parse import ParseError, parse
from dsl.rule import Diagnostic, Rule
from dsl.short import ShortFormError, trace_of
from dsl.trace import Trace
from streams.otlp import WireError, request_of_value
from streams.split import joined, split

_STEPS = 300_000  # some tenths of a second


def validated(condition: str) -> dict[str, Any]:
    """What `POST /api/rules/validate` answers."""
    _, problems = rule_of({"id": "rule", "condition": condition}, version=1, source="api")
    about: dict[str, Any] = {"kind": None, "spanNames": [], "attributes": []}
    with contextlib.suppress(ParseError):
        parsed = parse(condition)
        compiled, _ = check(Rule("rule", condition), parsed)
        kind = "pattern" if parsed.pattern is not None else "invariant"
        about = {"kind": kind, "spanNames": list(compiled.names), "attributes": list(compiled.keys)}
    valid = not any(problem.severity == "error" for problem in problems)
    return {"valid": valid, "diagnostics": [editor_json(each, condition) for each in problems], **about}


def editor_json(problem: Diagnostic, text: str) -> dict[str, Any]:
    """A diagnostic with columns in UTF-16 units, as editors count them."""
    lines = text.split("\n")

    def column(line: int, characters: int) -> int:
        before = lines[line - 1][: characters - 1] if line <= len(lines) else ""
        return len(before.encode("utf-16-le", "surrogatepass")) // 2 + 1

    return {
        "severity": problem.severity,
        "message": problem.message,
        "line": problem.start.line,
        "column": column(problem.start.line, problem.start.column),
        "endLine": problem.end.line,
        "endColumn": column(problem.end.line, problem.end.column),
        "suggestion": problem.suggestion,
    }


def tried(rule: Rule, given: Any) -> dict[str, Any]:
    """What `POST /api/rules/test` answers; Problem for a trace that is none."""
    traces = _traces(given)
    compiled = compile_rule(rule)
    told = [
        Explained(
            trace, judge(compiled, trace, _STEPS), tuple(explain(compiled, trace, _STEPS)), len(traces), 0
        )
        for trace in traces
    ]
    return {"verdicts": [_verdict(each) for each in told], "explain": as_json(told[0])}


def _verdict(each: Explained) -> dict[str, Any]:
    verdict = each.verdict
    return {
        "ruleId": verdict.rule.id,
        "traceId": each.trace.trace_id.hex(),
        "verdict": verdict.outcome,
        "reason": verdict.reason,
        "complete": verdict.complete,
        "truncated": verdict.truncated,
        "clause": verdict.clause,
        "missing": list(verdict.missing),
        "violations": [
            {
                "id": violation.id,
                "clause": violation.clause,
                "message": violation.message,
                "missing": list(violation.missing),
                "spans": [
                    {"spanId": e.span.span_id.hex(), "name": e.span.name, "role": e.role}
                    for e in violation.evidence
                ],
            }
            for violation in verdict.violations
        ],
    }


def _traces(given: Any) -> list[Trace]:
    """OTLP/JSON as Tempo and Jaeger export it too, or the short form: a list of spans."""
    try:
        if isinstance(given, list) and all(isinstance(span, Mapping) for span in given):
            found = [trace_of(given)]
        else:
            found = _of_request(given)
    except (ShortFormError, WireError) as problem:
        raise Problem(400, f"trace: {problem}") from None
    except (ValueError, TypeError, AttributeError, OverflowError) as problem:
        raise Problem(400, f"trace: neither OTLP/JSON nor the short form: {problem}") from None
    if not any(trace.spans for trace in found):
        raise Problem(400, "trace: it holds no span")
    return found


def _of_request(given: Any) -> list[Trace]:
    """The traces of a request, in the order of their ids."""
    parts = split(request_of_value(given).SerializeToString())
    if parts.rejected:
        raise WireError("malformed", f"spans with wrong ids: {', '.join(parts.rejected)}")
    found = sorted((trace_id, joined(iter(each.runs))) for trace_id, each in parts.fragments.items())
    return [Trace.of(TracesData.FromString(data).resource_spans) for _, data in found]
