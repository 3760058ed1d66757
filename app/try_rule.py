"""Validates a condition, and judges a pasted trace by a rule, storing nothing."""

from collections.abc import Mapping
from typing import Any

from app.explain import Explained, as_json
from app.problems import Problem
from dsl import scope
from dsl.compile import check, compile_rule
from dsl.judge import explain, judge
from dsl.layout import layout
from dsl.parse import ParseError, parse
from dsl.places import Lines
from dsl.rule import Diagnostic, Rule
from dsl.short import ShortFormError, trace_of
from dsl.trace import Trace
from dsl.verdict import Verdict
from streams.otlp import WireError, request_of_value
from streams.redaction import DEFAULT, Redaction
from streams.split import split

_STEPS = 300_000  # for all traces together: about a second
_SHOWN = 100  # verdicts of a request with more traces


def validated(condition: str) -> dict[str, Any]:
    """What `POST /api/rules/validate` answers."""
    about: dict[str, Any] = {"kind": None, "spanNames": [], "attributes": []}
    try:
        parsed = parse(condition)
        compiled, problems = check(Rule("rule", condition, "rule"), parsed)
        kind = "pattern" if parsed.pattern is not None else "invariant"
        about = {"kind": kind, "spanNames": list(compiled.names), "attributes": list(compiled.keys)}
    except ParseError as refused:
        problems = [refused.problem]
    lines = Lines(condition)
    valid = not any(problem.severity == "error" for problem in problems)
    return {"valid": valid, "diagnostics": [_of_text(each, condition, lines) for each in problems], **about}


def laid_out(condition: str) -> str:
    """What `POST /api/rules/format` answers; Problem with diagnostics for what is no rule."""
    try:
        return layout(condition)
    except ParseError as refused:
        found = _of_text(refused.problem, condition, Lines(condition))
        raise Problem(422, refused.problem.message, diagnostics=[found]) from None


def _of_text(problem: scope.Problem, text: str, lines: Lines) -> dict[str, Any]:
    start, end = (lines.place(min(at, len(text))) for at in (problem.start, problem.end))
    found = Diagnostic(problem.message, "rule", start, end, "", problem.suggestion, problem.severity)
    return editor_json(found, text)


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


def tried(rule: Rule, given: Any, redaction: Redaction = DEFAULT) -> dict[str, Any]:
    """What `POST /api/rules/test` answers, explained of the first trace that is violated, else of the first.

    Problem for a trace that is none.
    """
    traces = _traces(given)
    compiled = compile_rule(rule)
    steps = max(_STEPS // len(traces), 1000)
    judged = [(trace, judge(compiled, trace, steps)) for trace in traces]
    chosen, verdict = next((each for each in judged if each[1].outcome == "violated"), judged[0])
    told = Explained(chosen, verdict, tuple(explain(compiled, chosen, _STEPS)), len(judged), 0, redaction)
    return {"verdicts": [_verdict(*each, redaction) for each in judged[:_SHOWN]], "explain": as_json(told)}


def _verdict(trace: Trace, verdict: Verdict, redaction: Redaction) -> dict[str, Any]:
    return {
        "ruleId": verdict.rule.id,
        "traceId": trace.trace_id.hex(),
        "verdict": verdict.outcome,
        "reason": verdict.reason and redaction.text(verdict.reason),
        "complete": verdict.complete,
        "truncated": verdict.truncated,
        "clause": verdict.clause,
        "missing": list(verdict.missing),
        "violations": [
            {
                "id": violation.id,
                "clause": violation.clause,
                "message": redaction.said(violation.said),
                "missing": list(violation.missing),
                "spans": [
                    {"spanId": e.span.span_id.hex(), "name": redaction.name(e.span.name), "role": e.role}
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
    return [Trace.of(data) for _, data in sorted(parts.traces())]
