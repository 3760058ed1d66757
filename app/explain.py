"""`betrace explain`: why a rule gave its verdict on a trace, clause by clause, over a picture of it."""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from app.errors import UserError
from dsl.compile import compile_rule
from dsl.condition import Came
from dsl.judge import ClauseCame, Compiled, explain, judge
from dsl.rule import Rule
from dsl.trace import Span, Trace
from dsl.verdict import Verdict
from streams.redaction import DEFAULT, Redaction

WIDTH = 80
_BAR = 24  # characters of the picture's time line
_MARK = {True: "yes", False: "no ", None: " - "}
_SHOWN = 40  # spans of the picture; of more, those that matter


@dataclass(frozen=True, slots=True)
class Explained:
    """A verdict, what its conditions came to, and how many traces there were to choose from."""

    trace: Trace
    verdict: Verdict
    clauses: tuple[ClauseCame, ...]
    traces: int
    violated: int
    redaction: Redaction = DEFAULT


def explained(rule: Rule, traces: Iterable[Trace], trace_id: str | None, max_steps: int) -> Explained:
    """The verdict on the trace of that id, else on the first that is violated, else on the first."""
    compiled = compile_rule(rule)
    chosen: tuple[Trace, Verdict] | None = None
    count = violated = 0
    for trace in traces:
        if trace_id is not None and trace.trace_id.hex() != trace_id.lower():
            continue
        verdict = judge(compiled, trace, max_steps)
        count += 1
        violated += verdict.outcome == "violated"
        if chosen is None or (verdict.outcome == "violated" and chosen[1].outcome != "violated"):
            chosen = trace, verdict
    if chosen is None:
        raise UserError(f"no trace has the id {trace_id}" if trace_id else "the files hold no trace")
    return Explained(*chosen, _clauses(compiled, chosen[0], max_steps), count, violated)


def _clauses(compiled: Compiled, trace: Trace, max_steps: int) -> tuple[ClauseCame, ...]:
    return tuple(explain(compiled, trace, max_steps))


def as_text(found: Explained) -> Iterator[str]:
    """For people: 80 columns, no colour."""
    verdict, trace, redaction = found.verdict, found.trace, found.redaction
    reason = f" ({redaction.text(verdict.reason)})" if verdict.reason else ""
    yield f"{verdict.rule.id}: {verdict.outcome}{reason}"
    for violation in verdict.violations[:5]:
        yield from _wrapped(redaction.said(violation.said), "  ")
    whole = "complete" if verdict.complete else "incomplete"
    yield f"trace {trace.trace_id.hex()}, {len(trace)} spans, {whole}"
    if found.traces > 1:
        yield f"(one of {found.traces:,} traces, {found.violated:,} of them violated; another by --trace ID)"
    for clause in found.clauses:
        yield ""
        yield from _clause(clause, found)
    yield ""
    yield from _picture(found)


def _clause(clause: ClauseCame, found: Explained) -> Iterator[str]:
    names = ", ".join(f"{alias} = {_span(span, found)}" for alias, span in clause.bound)
    yield from _wrapped(f"{clause.kind}{f', for {names}' if names else ''}", "")
    yield from _came(clause.came, 1, found.redaction)


def _came(came: Came, depth: int, redaction: Redaction) -> Iterator[str]:
    indent = "  " * depth
    text = came.text if not came.parts else _joint(came)
    yield from _wrapped(f"{_MARK[came.holds]}  {text}", indent, "     ")
    if came.why and not came.parts:
        yield from _wrapped(redaction.said(came.why), f"{indent}       ")
    for part in came.parts:
        yield from _came(part, depth + 1, redaction)


def _joint(came: Came) -> str:
    """What joins the parts, as these are told below."""
    word = {"And": "all of", "Or": "any of", "Not": "not"}.get(type(came.node).__name__)
    return word or came.text


def _wrapped(text: str, indent: str, hanging: str = "") -> Iterator[str]:
    yield from textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent + hanging, break_on_hyphens=False
    )


def _span(span: Span, found: Explained) -> str:
    return f"{found.redaction.name(span.name)} at {(span.start - found.trace.start) / 1e6:.1f} ms"


def _picture(found: Explained) -> Iterator[str]:
    """The trace as a tree with times; what the verdict names is marked."""
    trace, roles = found.trace, _roles(found)
    rows = list(_tree(trace))
    if len(rows) > _SHOWN:
        matter = {
            s.span_id for span, _ in rows if span.span_id in roles for s in [span, *trace.ancestors(span)]
        }
        near = [row for row in rows if row[0].span_id in matter or row[1] < 1][:_SHOWN]
        left, rows = len(rows) - len(near), near
    else:
        left = 0
    yield f"{'':<{WIDTH - _BAR - 12}}0 ms{f'{(trace.end - trace.start) / 1e6:.1f} ms':>{_BAR - 4}}"
    for span, depth in rows:
        parent = trace.parent(span)
        service = "" if parent is not None and parent.service == span.service else span.service
        of = f"{found.redaction.name(service)}: " if service else ""
        name = " " * depth + of + found.redaction.name(span.name)
        role = " " + ",".join(roles[span.span_id]) if span.span_id in roles else ""
        bar = f"|{_bar(span, trace)}|{_cut(role, 11)}"
        yield f"{_cut(name, WIDTH - _BAR - 14):<{WIDTH - _BAR - 13}}{bar}"
    if left:
        yield f"and {left:,} more spans"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _bar(span: Span, trace: Trace) -> str:
    whole = max(1, trace.end - trace.start)
    first = min(_BAR - 1, (span.start - trace.start) * _BAR // whole)
    last = max(first + 1, min(_BAR, -(-(span.end - trace.start) * _BAR // whole)))
    return " " * first + "=" * (last - first) + " " * (_BAR - last)


def _roles(found: Explained) -> dict[bytes, list[str]]:
    """The roles of the spans that bear the verdict out; of one without, the spans that conditions found."""
    roles: dict[bytes, list[str]] = {}
    for violation in found.verdict.violations:
        for evidence in violation.evidence:
            names = roles.setdefault(evidence.span.span_id, [])
            if evidence.role not in names:
                names.append(evidence.role)
    return roles


def _tree(trace: Trace) -> Iterator[tuple[Span, int]]:
    """Spans in the order of the tree, with their depth; those without a present parent stand first."""
    shown: set[bytes] = set()
    tops = [span for span in trace.spans if trace.parent(span) is None]
    for top in [*tops, *trace.spans]:  # the second time for what only a cycle holds
        stack = [(top, 0)]
        while stack:
            span, depth = stack.pop()
            if span.span_id in shown:
                continue
            shown.add(span.span_id)
            yield span, depth
            stack += [(child, depth + 1) for child in reversed(trace.children.get(span.span_id, []))]


def as_json(found: Explained) -> dict[str, Any]:
    """For machines."""
    trace, verdict, roles, redaction = found.trace, found.verdict, _roles(found), found.redaction
    return {
        "ruleId": verdict.rule.id,
        "traceId": trace.trace_id.hex(),
        "verdict": verdict.outcome,
        "reason": verdict.reason and redaction.text(verdict.reason),
        "complete": verdict.complete,
        "truncated": verdict.truncated,
        "messages": [redaction.said(violation.said) for violation in verdict.violations],
        "clauses": [
            {
                "clause": clause.kind,
                "bound": {alias: span.span_id.hex() for alias, span in clause.bound},
                "condition": _came_json(clause.came, redaction),
            }
            for clause in found.clauses
        ],
        "spans": [
            {
                "spanId": span.span_id.hex(),
                "parentId": span.parent_id.hex() or None,
                "name": redaction.name(span.name),
                "service": redaction.name(span.service),
                "startMs": (span.start - trace.start) / 1e6,
                "durationMs": span.duration / 1e6,
                "depth": depth,
                "roles": roles.get(span.span_id, []),
            }
            for span, depth in _tree(trace)
        ],
    }


def _came_json(came: Came, redaction: Redaction) -> dict[str, Any]:
    return {
        "text": came.text,
        "start": came.node.start,
        "end": came.node.end,
        "holds": came.holds,
        "why": redaction.said(came.why),
        "spans": [span.span_id.hex() for span in came.spans[:20]],
        "parts": [_came_json(part, redaction) for part in came.parts],
    }
