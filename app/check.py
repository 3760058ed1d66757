"""`betrace check`: judges trace files with the evaluator that the worker uses."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from dsl.compile import RuleSet
from dsl.trace import Trace
from dsl.verdict import Verdict, Violation
from streams.otlp import WireError
from streams.split import joined, split
from streams.trace_files import Problem, read
from streams.violation import leaving


@dataclass(slots=True)
class Report:
    """What the files came to."""

    traces: int = 0
    spans: int = 0
    judged: list[tuple[Trace, Verdict]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def violations(self) -> int:
        return sum(len(verdict.violations) for _, verdict in self.judged)

    @property
    def code(self) -> int:
        """0: none violated, 1: some, 2: bad input or a rule that erred."""
        if self.errors or any(verdict.outcome == "error" for _, verdict in self.judged):
            return 2
        return 1 if self.violations else 0


def check(rules: RuleSet, files: Iterable[str], *, every: bool) -> Report:
    """Judge all traces of the files; a trace may be spread over them."""
    report = Report()
    traces: dict[bytes, list[bytes]] = {}
    for name in files:
        _collect(name, traces, report)
    for parts in traces.values():
        trace = Trace.of(TracesData.FromString(b"".join(parts)).resource_spans)
        report.traces += 1
        report.spans += len(trace.spans)
        shown = ("violated", "error")
        report.judged += [(trace, v) for v in rules.judge(trace, every=every) if every or v.outcome in shown]
    return report


def _collect(name: str, traces: dict[bytes, list[bytes]], report: Report) -> None:
    try:
        for piece in read(name):
            if isinstance(piece, Problem):
                report.errors.append(str(piece))
                continue
            parts = split(piece.request.SerializeToString())
            for trace_id, fragment in parts.fragments.items():
                traces.setdefault(trace_id, []).append(joined(iter(fragment.runs)))
            for reason, spans in parts.rejected.items():
                report.errors.append(f"{piece.file}:{piece.line}: {len(spans)} spans refused: {reason}")
    except WireError as problem:
        report.errors.append(str(problem))


def as_json(report: Report) -> dict[str, Any]:
    """The report for machines: one entry a violation, else one a rule and trace."""
    verdicts = [entry for trace, verdict in report.judged for entry in _entries(trace, verdict)]
    return {"traces": report.traces, "spans": report.spans, "verdicts": verdicts, "errors": report.errors}


def _entries(trace: Trace, verdict: Verdict) -> Iterator[dict[str, Any]]:
    common = {
        "ruleId": verdict.rule.id,
        "traceId": trace.trace_id.hex(),
        "verdict": verdict.outcome,
        "reason": verdict.reason,
        "complete": verdict.complete,
        "truncated": verdict.truncated,
    }
    for violation in verdict.violations:
        spans = [
            {"spanId": e.span.span_id.hex(), "name": e.span.name, "role": e.role} for e in violation.evidence
        ]
        yield {
            "id": violation.id,
            **common,
            "clause": violation.clause,
            "message": leaving("message", violation.message),
            "spans": spans,
            "missing": list(violation.missing),
        }
    if not verdict.violations:
        yield {"id": None, **common, "clause": None, "message": None, "spans": [], "missing": []}


def as_text(report: Report) -> Iterator[str]:
    """The report for people."""
    for trace, verdict in report.judged:
        for violation in verdict.violations:
            yield from _violation_lines(trace, verdict, violation)
        if not verdict.violations:
            reason = f": {verdict.reason}" if verdict.reason else ""
            yield f"{verdict.outcome} {verdict.rule.id}{reason}\n  trace {trace.trace_id.hex()}\n"
    yield (
        f"{report.traces:,} traces, {report.spans:,} spans: {report.violations:,} violations"
        + (f", {len(report.errors):,} errors" if report.errors else "")
    )


def _violation_lines(trace: Trace, verdict: Verdict, violation: Violation) -> Iterator[str]:
    rule = verdict.rule
    yield f"{rule.severity} {rule.id}: {leaving('message', violation.message)}"
    whole = "" if verdict.complete else ", incomplete"
    yield f"  trace {trace.trace_id.hex()} ({len(trace.spans)} spans{whole})"
    for evidence in violation.evidence:
        span = evidence.span
        start = (span.start - trace.start) / 1e6
        service = f"{span.service} " if span.service else ""
        yield f"  {evidence.role:<8} {service}{span.name}  at {start:.1f} ms for {span.duration / 1e6:.1f} ms"
    if violation.span_total > len(violation.evidence):
        yield f"  and {violation.span_total - len(violation.evidence)} more spans"
    if violation.missing:
        yield f"  missing  {', '.join(violation.missing)}"
    yield ""
