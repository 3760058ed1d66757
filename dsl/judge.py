"""Judges one trace by one compiled rule."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dsl.clause import Clause
from dsl.condition import Came, holds
from dsl.fields import field_of
from dsl.format import formatted
from dsl.guard import Guard
from dsl.rule import Rule
from dsl.run import Deadline, Env, LimitReached, Run
from dsl.said import Said, Shown, joined
from dsl.selector import in_order
from dsl.trace import Span, Trace
from dsl.verdict import MAX_EVIDENCE, MAX_VIOLATIONS, Evidence, Verdict, Violation, violation_id

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
TRACE_PLACEHOLDERS = ("trace.duration", "trace.span_count")


@dataclass(frozen=True, slots=True)
class Compiled:
    """One rule, ready to judge."""

    rule: Rule
    clauses: tuple[Clause, ...]
    keys: tuple[str, ...]  # attributes that the rule names
    names: tuple[str, ...]  # spans that it names
    needs: frozenset[str] | None  # span names of which one must be there for the rule to apply
    guard: Guard | None = None  # what has to hold for the rule to apply
    _clauses: dict[str, Clause] = field(init=False)
    _quiet: tuple[Verdict, Verdict] = field(init=False)  # on a trace that is incomplete, complete

    def __post_init__(self) -> None:
        object.__setattr__(self, "_clauses", {clause.kind: clause for clause in self.clauses})
        quiet = tuple(Verdict(self.rule, "not_applicable", complete) for complete in (False, True))
        object.__setattr__(self, "_quiet", quiet)

    def clause(self, kind: str) -> Clause | None:
        """The clause of that kind, if it has one."""
        return self._clauses.get(kind)

    def quiet(self, complete: bool) -> Verdict:
        """Of a trace to which the rule does not apply, with nothing else to be told."""
        return self._quiet[complete]

    def not_applicable(self, run: Run) -> Verdict:
        """What most rules come to on most traces; the same verdict where nothing else is to be told."""
        complete = run.trace.complete
        if not run.mismatches:
            return self.quiet(complete)
        return Verdict(self.rule, "not_applicable", complete, mismatches=run.mismatches)


@dataclass(frozen=True, slots=True)
class ClauseCame:
    """What a clause came to, for one binding of the spans that `when` names."""

    kind: str
    bound: tuple[tuple[str, Span], ...]
    came: Came


def judge(compiled: Compiled, trace: Trace, max_steps: int, deadline: Deadline | None = None) -> Verdict:
    """The verdict; a rule that raises or is cut off without an answer harms no other."""
    rule = compiled.rule
    if rule.on_incomplete == "skip" and not trace.complete:
        return Verdict(rule, "skipped", trace.complete)
    judging = _Judging(compiled, Run(trace, max_steps, deadline))
    try:
        return judging.verdict()
    except LimitReached as limit:
        return judging.outcome("error", reason="limit", cut_off=limit.what)
    except Exception as problem:  # a rule that raises harms no other
        return judging.outcome("error", reason=f"{type(problem).__name__}: {problem}")


def explain(compiled: Compiled, trace: Trace, max_steps: int) -> list[ClauseCame]:
    """What every condition came to, as far as the limits allow: the others for each binding of `when`."""
    found: list[ClauseCame] = []
    with contextlib.suppress(LimitReached):
        found.extend(_Judging(compiled, Run(trace, max_steps)).came())
    return found


@dataclass(slots=True)
class _Judging:
    compiled: Compiled
    run: Run

    def verdict(self) -> Verdict:
        pattern = self.compiled.clause("pattern")
        return self._pattern(pattern) if pattern is not None else self._invariant()

    def _pattern(self, pattern: Clause) -> Verdict:
        if not holds(pattern.condition, self.run, {}):
            return self.compiled.not_applicable(self.run)
        spans = self._evidence(pattern, {})
        return self.outcome("violated", (self._make("pattern", {}, [("pattern", s) for s in spans], ()),))

    def _invariant(self) -> Verdict:
        found: list[Violation] = []
        cut_off: str | None = None
        applied = cut = False
        try:
            for env in self._bindings():
                applied = True
                broken = [kind for kind in ("always", "never") if self._breaks(kind, env)]
                if broken and len(found) == MAX_VIOLATIONS:
                    cut = True
                    break
                if broken:
                    found.append(self._violation(env, broken))
        except LimitReached as limit:
            if not found:
                raise
            cut, cut_off = True, limit.what
        if found:
            return self.outcome("violated", tuple(found), truncated=cut, cut_off=cut_off)
        return self.outcome("satisfied") if applied else self.compiled.not_applicable(self.run)

    def _bindings(self) -> Iterator[Env]:
        """What `when` names, in every way in which it holds: once if it names nothing."""
        when = self.compiled.clause("when")
        assert when is not None
        ways = when.condition.solve(self.run, {})
        if when.named:
            yield from ways
        elif next(ways, None) is not None:
            yield {}

    def _breaks(self, kind: str, env: Env) -> bool:
        clause = self.compiled.clause(kind)
        return clause is not None and holds(clause.condition, self.run, env) is (kind == "never")

    def _violation(self, env: Env, broken: list[str]) -> Violation:
        when = self.compiled.clause("when")
        assert when is not None
        spans = [(alias, env[alias]) for alias in when.named]
        spans = spans or [("when", span) for span in self._evidence(when, {})]
        missing: list[str] = []
        for kind in broken:
            clause = self.compiled.clause(kind)
            assert clause is not None
            if kind == "always":
                missing = self._missing(clause, env)
            else:
                spans += [("never", span) for span in self._evidence(clause, env)]
        return self._make(broken[0], env, spans, tuple(missing))

    def _evidence(self, clause: Clause, env: Env) -> list[Span]:
        """The spans that made a clause hold; none if finding them is too much work."""
        counted = self.run.mismatches
        try:
            return in_order(clause.condition.spans(self.run, env))
        except LimitReached:
            return []
        finally:
            self.run.mismatches = counted

    def _missing(self, clause: Clause, env: Env) -> list[str]:
        counted = self.run.mismatches
        try:
            return list(dict.fromkeys(clause.condition.missing(self.run, env)))
        except LimitReached:
            return [formatted(clause.condition.node)]
        finally:
            self.run.mismatches = counted

    def _make(
        self, clause: str, env: Env, spans: list[tuple[str, Span]], missing: tuple[str, ...]
    ) -> Violation:
        rule = self.compiled.rule
        bound = [(alias, span.span_id) for alias, span in env.items()]
        evidence = tuple(Evidence(span, role, self._attributes(span)) for role, span in spans[:MAX_EVIDENCE])
        said = self._message(env) if rule.message else _sentence(clause, evidence, missing)
        key = violation_id(rule.id, self.run.trace.trace_id, bound)
        return Violation(key, clause, evidence, len(spans), missing, said)

    def _attributes(self, span: Span) -> dict[str, Any]:
        found = ((key, span.attribute(key)) for key in self.compiled.keys)
        return {key: value for key, value in found if value is not None}

    def _message(self, env: Env) -> Said:
        parts = PLACEHOLDER.split(self.compiled.rule.message or "")  # words and placeholders in turn
        return tuple(self._value(part, env) if number % 2 else part for number, part in enumerate(parts))

    def _value(self, placeholder: str, env: Env) -> str | Shown:
        trace = self.run.trace
        if placeholder == "trace.duration":
            return Shown("", trace.end - trace.start, "duration")
        if placeholder == "trace.span_count":
            return f"{len(trace)}"
        first, _, rest = placeholder.partition(".")
        known = field_of(rest)
        assert known is not None, rest
        found = known.read(env[first], trace)
        return "?" if found is None else Shown(known.key or rest, found, known.unit)

    def came(self) -> Iterator[ClauseCame]:
        """What every condition came to."""
        when = self.compiled.clause("when")
        bindings: list[Env] = [{}]
        if when is not None:
            bindings = [env for env, _ in zip(self._bindings(), range(MAX_VIOLATIONS), strict=False)]
        for clause in self.compiled.clauses:
            for env in bindings if clause.kind in ("always", "never") else [{}]:
                bound = tuple(env.items())
                yield ClauseCame(clause.kind, bound, clause.condition.came(self.run, env))

    def outcome(
        self,
        outcome: str,
        violations: tuple[Violation, ...] = (),
        *,
        truncated: bool = False,
        reason: str | None = None,
        cut_off: str | None = None,
    ) -> Verdict:
        """A verdict with what is known of the trace and the run."""
        rule, run = self.compiled.rule, self.run
        complete = run.trace.complete
        return Verdict(rule, outcome, complete, violations, reason, truncated, run.mismatches, cut_off)


def _sentence(clause: str, evidence: tuple[Evidence, ...], missing: tuple[str, ...]) -> Said:
    first = evidence[0] if evidence else None
    what: Said = ("the trace",)
    if first is not None:
        values = joined((f"{key} ", Shown(key, value)) for key, value in first.attributes.items())
        what = (Shown("", first.span.name), *((" (", *values, ")") if values else ()))
    if missing:
        return *what, f" without {', '.join(missing)}"
    if clause == "never":
        others = _names(e.span for e in evidence if e.role == "never")
        return (*what, " with ", *others) if others else (*what, " with what must never be")
    return what if evidence else ("the trace has what must not be",)


def _names(spans: Iterable[Span]) -> Said:
    return joined((Shown("", name),) for name in dict.fromkeys(span.name for span in spans))
