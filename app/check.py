"""`betrace check`: judges trace files with the evaluator that the worker uses, and tells as it goes."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from app.traces import Progress
from dsl.compile import RuleSet
from dsl.trace import Trace
from dsl.verdict import Verdict, Violation
from streams.redaction import DEFAULT, Redaction

Echo = Callable[[str], None]


@dataclass(slots=True)
class Totals:
    """What the files came to."""

    traces: int = 0
    spans: int = 0
    violations: int = 0
    shadow: int = 0
    erred: int = 0

    def code(self, errors: Iterable[str]) -> int:
        """0: none violated, 1: some, 2: bad input or a rule that erred."""
        if self.erred or any(True for _ in errors):
            return 2
        return 1 if self.violations else 0


class Source(Protocol):
    """Where traces come from; what is wrong with a part of it is in `errors` when they have been read."""

    errors: list[str]
    progress: Progress

    def __iter__(self) -> Iterator[Trace]: ...


class Form(Protocol):
    """How verdicts are told."""

    def verdict(self, trace: Trace, verdict: Verdict) -> None: ...

    def end(self, totals: Totals, errors: list[str]) -> None: ...


def check(rules: RuleSet, traces: Source, form: Form, *, every: bool) -> int:
    """Judge all traces; tell violations and errors, or with `every` all verdicts. Gives the exit code."""
    totals = Totals()
    for trace in traces:
        totals.traces += 1
        totals.spans += len(trace)
        for verdict in rules.judge(trace, every=every):
            _count(verdict, totals)
            if every or verdict.outcome in ("violated", "error"):
                form.verdict(trace, verdict)
        traces.progress.say(f"{totals.traces:,} traces judged, {totals.violations:,} violations")
    traces.progress.clear()
    form.end(totals, traces.errors)
    return totals.code(traces.errors)


def _count(verdict: Verdict, totals: Totals) -> None:
    """Count a verdict; a shadow rule's violations are told and do not fail the check."""
    if verdict.rule.mode == "shadow":
        totals.shadow += len(verdict.violations)
    else:
        totals.violations += len(verdict.violations)
    totals.erred += verdict.outcome == "error"


@dataclass(slots=True)
class AsJson:
    """For machines: one object, with one entry a violation, else one a rule and trace."""

    echo: Echo
    redaction: Redaction = DEFAULT
    begun: bool = False

    def verdict(self, trace: Trace, verdict: Verdict) -> None:
        """Tell one."""
        for entry in _entries(trace, verdict, self.redaction):
            self.echo(("," if self.begun else '{"verdicts": [') + "\n " + json.dumps(entry))
            self.begun = True

    def end(self, totals: Totals, errors: list[str]) -> None:
        """Tell the numbers."""
        head = "]" if self.begun else '{"verdicts": []'
        numbers = {"traces": totals.traces, "spans": totals.spans, "errors": errors}
        self.echo(f"{head}, {json.dumps(numbers)[1:]}")


def _entries(trace: Trace, verdict: Verdict, redaction: Redaction) -> Iterator[dict[str, Any]]:
    common = {
        "ruleId": verdict.rule.id,
        "traceId": trace.trace_id.hex(),
        "verdict": verdict.outcome,
        "reason": verdict.reason and redaction.text(verdict.reason),
        "complete": verdict.complete,
        "truncated": verdict.truncated,
        "mode": verdict.rule.mode,
    }
    for violation in verdict.violations:
        spans = [
            {"spanId": e.span.span_id.hex(), "name": redaction.name(e.span.name), "role": e.role}
            for e in violation.evidence
        ]
        yield {
            "id": violation.id,
            **common,
            "clause": violation.clause,
            "message": redaction.said(violation.said),
            "spans": spans,
            "missing": list(violation.missing),
        }
    if not verdict.violations:
        yield {"id": None, **common, "clause": None, "message": None, "spans": [], "missing": []}


@dataclass(slots=True)
class AsText:
    """For people."""

    echo: Echo
    redaction: Redaction = DEFAULT

    def verdict(self, trace: Trace, verdict: Verdict) -> None:
        """Tell one."""
        for violation in verdict.violations:
            for line in _violation_lines(trace, verdict, violation, self.redaction):
                self.echo(line)
        if not verdict.violations:
            reason = f": {self.redaction.text(verdict.reason)}" if verdict.reason else ""
            self.echo(f"{verdict.outcome} {verdict.rule.id}{reason}\n  trace {trace.trace_id.hex()}\n")

    def end(self, totals: Totals, errors: list[str]) -> None:
        """Tell the numbers."""
        more = f", {totals.shadow:,} in shadow" if totals.shadow else ""
        more += f", {len(errors):,} errors" if errors else ""
        self.echo(f"{totals.traces:,} traces, {totals.spans:,} spans: {totals.violations:,} violations{more}")


def _violation_lines(
    trace: Trace, verdict: Verdict, violation: Violation, redaction: Redaction
) -> Iterator[str]:
    rule = verdict.rule
    shadow = " (shadow)" if rule.mode == "shadow" else ""
    yield f"{rule.severity} {rule.id}{shadow}: {redaction.said(violation.said)}"
    whole = "" if verdict.complete else ", incomplete"
    yield f"  trace {trace.trace_id.hex()} ({len(trace)} spans{whole})"
    for evidence in violation.evidence:
        span = evidence.span
        start = (span.start - trace.start) / 1e6
        service = f"{redaction.name(span.service)} " if span.service else ""
        lasted = f"at {start:.1f} ms for {span.duration / 1e6:.1f} ms"
        yield f"  {evidence.role:<8} {service}{redaction.name(span.name)}  {lasted}"
    if violation.span_total > len(violation.evidence):
        yield f"  and {violation.span_total - len(violation.evidence)} more spans"
    if violation.missing:
        yield f"  missing  {', '.join(violation.missing)}"
    if verdict.truncated:
        yield "  truncated: there may be more violations in this trace"
    yield ""
