"""Compiles rules, and judges traces by them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from dsl import nodes as n
from dsl.condition import Condition, condition, holds
from dsl.fields import field_of
from dsl.parse import parse
from dsl.predicate import Env, LimitReached, Problem, Run, Scope
from dsl.rule import Rule
from dsl.trace import Span, Trace
from dsl.verdict import MAX_EVIDENCE, Came, Evidence, Verdict, Violation, violation_id

MAX_COMBINATIONS = 10_000
MAX_VIOLATIONS = 100
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class RuleError(ValueError):
    """A rule that does not compile; `load` would have said so with its place."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """One rule, ready to judge."""

    rule: Rule
    clauses: tuple[tuple[str, Condition], ...]
    named: tuple[str, ...]  # aliases bound in `when`
    keys: tuple[str, ...]  # attributes that the rule names
    needs: frozenset[str] | None  # span names of which one must be there for the rule to apply

    def clause(self, kind: str) -> Condition | None:
        return next((condition for name, condition in self.clauses if name == kind), None)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules in force."""

    compiled: tuple[Compiled, ...]
    max_steps: int
    by_name: dict[str, list[int]] = field(default_factory=dict)
    always: tuple[int, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Those it judges by."""
        return tuple(each.rule for each in self.compiled)

    def judge(self, trace: Trace, *, every: bool = False, recorded: bool = False) -> list[Verdict]:
        """One verdict a rule; unless `every`, rules none of whose spans is there are left out.

        `recorded` puts into each verdict what every condition came to, for explaining it.
        """
        if every:
            return [_judge(each, trace, self.max_steps, recorded) for each in self.compiled]
        chosen = set(self.always)
        for name in trace.by_name:
            chosen.update(self.by_name.get(name, ()))
        return [_judge(self.compiled[number], trace, self.max_steps, recorded) for number in sorted(chosen)]


def compile_rules(rules: Iterable[Rule], *, max_steps: int = 1_000_000) -> RuleSet:
    """Compile the enabled rules; RuleError for one that has errors."""
    compiled = tuple(compile_rule(rule) for rule in rules if rule.enabled)
    by_name: dict[str, list[int]] = {}
    for number, each in enumerate(compiled):
        for name in each.needs or ():
            by_name.setdefault(name, []).append(number)
    always = tuple(number for number, each in enumerate(compiled) if each.needs is None)
    return RuleSet(compiled, max_steps, by_name, always)


def compile_rule(rule: Rule) -> Compiled:
    """Compile one rule; RuleError if it has errors."""
    parsed = parse(rule.condition)
    compiled, problems = check(rule, parsed)
    if problems:
        raise RuleError(f"rule {rule.id}: {problems[0].message}")
    return compiled


def check(rule: Rule, parsed: n.Condition) -> tuple[Compiled, list[Problem]]:
    """Compile, and say all that is wrong."""
    scope = Scope()
    for let in parsed.lets:
        if let.name in scope.lets:
            scope.wrong(let.value, f"'{let.name}' is named twice")
        scope.lets[let.name] = let.value
    for problem in CHECKS:
        problem(rule, parsed, scope)
    clauses: list[tuple[str, Condition]] = []
    when: tuple[str, ...] = ()
    for kind in ("pattern", "when", "always", "never"):
        node = parsed.pattern if kind == "pattern" else parsed.clause(kind)
        if node is None:
            continue
        inner = Scope(scope.lets, when, scope.problems, scope.keys)
        clauses.append((kind, condition(node, inner)))
        if kind == "when":
            when = inner.aliases
    _check_message(rule, when, scope)
    applies = parsed.pattern or parsed.clause("when")
    needs = _needs(applies, scope.lets) if applies is not None else None
    return Compiled(rule, tuple(clauses), when, tuple(sorted(scope.keys)), needs), scope.problems


def _clauses_fit(rule: Rule, parsed: n.Condition, scope: Scope) -> None:
    kinds = [kind for kind, _ in parsed.clauses]
    if not kinds:
        return
    first = n.Node(parsed.text.find(kinds[0]), parsed.text.find(kinds[0]) + len(kinds[0]))
    for kind in {kind for kind in kinds if kinds.count(kind) > 1}:
        scope.wrong(first, f"'{kind}' stands twice")
    if "when" not in kinds:
        scope.wrong(first, f"a rule with '{kinds[0]}' needs 'when'")
    elif len(set(kinds)) == 1:
        scope.wrong(first, "a rule with 'when' needs 'always' or 'never'")


CHECKS = (_clauses_fit,)


def _check_message(rule: Rule, aliases: tuple[str, ...], scope: Scope) -> None:
    for found in _PLACEHOLDER.finditer(rule.message or ""):
        first, _, rest = found[1].partition(".")
        known = first in aliases and rest and field_of(rest) is not None
        if not known and found[1] not in ("trace.duration", "trace.span_count"):
            node = n.Node(0, 0)
            scope.wrong(node, f"the message names '{found[0]}', which is no field of a span named in 'when'")


def _needs(node: n.Node, lets: dict[str, n.Node]) -> frozenset[str] | None:  # noqa: C901 one case a node
    """Names of which one must be there for the condition to hold; None where that cannot be told."""
    match node:
        case n.Nested() | n.As() | n.Where() | n.Has():
            return _needs(node.item, lets)
        case n.And():
            known = [found for item in node.items if (found := _needs(item, lets)) is not None]
            return min(known, key=len) if known else None
        case n.Or():
            sides = [_needs(item, lets) for item in node.items]
            return None if None in sides else frozenset().union(*(side for side in sides if side is not None))
        case n.Relation():
            found = _needs(node.left, lets)
            return found if found is not None else _needs(node.right, lets)
        case n.Text():
            return frozenset({node.value})
        case n.Name(text=text):
            if text in lets:
                return _needs(lets[text], lets)
            return None if text in ("any", "root") else frozenset({text})
        case n.Compare(left=n.Name(text=text)) if "." in text:
            base = text.rpartition(".")[0]
            return _needs(n.Name(0, 0, base), lets)
    return None


def _judge(compiled: Compiled, trace: Trace, max_steps: int, recorded: bool) -> Verdict:
    rule = compiled.rule
    if rule.on_incomplete == "skip" and not trace.complete:
        return Verdict(rule, "skipped", trace.complete)
    run = Run(trace, max_steps)
    try:
        judging = _Judging(compiled, run)
        verdict = judging.verdict()
        if recorded:
            return replace(verdict, record=tuple(judging.record()))
    except LimitReached:
        return Verdict(rule, "error", trace.complete, reason="limit", mismatches=run.mismatches)
    except Exception as problem:  # a rule that raises harms no other
        return Verdict(rule, "error", trace.complete, reason=f"{type(problem).__name__}: {problem}")
    return verdict


@dataclass(slots=True)
class _Judging:
    compiled: Compiled
    run: Run

    def verdict(self) -> Verdict:
        pattern = self.compiled.clause("pattern")
        if pattern is not None:
            return self._pattern(pattern)
        when = self.compiled.clause("when")
        assert when is not None
        bindings, cut = self._bindings(when)
        if not bindings:
            return self._outcome("not_applicable", ())
        violations: list[Violation] = []
        for env in bindings:
            broken = list(self._broken(env))
            if broken and len(violations) == MAX_VIOLATIONS:
                cut = True
                break
            if broken:
                violations.append(self._violation(when, env, broken))
        if not violations:
            if cut:
                return Verdict(self.compiled.rule, "error", self.run.trace.complete, reason="limit")
            return self._outcome("satisfied", ())
        return self._outcome("violated", tuple(violations), cut)

    def record(self) -> Iterator[Came]:
        """What each condition came to: of `when` and a pattern once, of the others for each binding."""
        when = self.compiled.clause("when")
        bindings = self._bindings(when)[0][:MAX_VIOLATIONS] if when is not None else []
        for kind, clause in self.compiled.clauses:
            for env in bindings if kind in ("always", "never") else [{}]:
                bound = tuple(env.items())
                for text, held in clause.record(self.run, env):
                    yield Came(kind, bound, text, held)

    def _pattern(self, pattern: Condition) -> Verdict:
        if not holds(pattern, self.run, {}):
            return self._outcome("not_applicable", ())
        counted = self.run.mismatches  # finding the evidence looks again
        spans = _distinct(pattern.spans(self.run, {}))
        self.run.mismatches = counted
        return self._outcome("violated", (self._make("pattern", {}, [("pattern", s) for s in spans], ()),))

    def _bindings(self, when: Condition) -> tuple[list[Env], bool]:
        named = self.compiled.named
        seen: dict[tuple[bytes, ...], Env] = {}
        for number, env in enumerate(when.solve(self.run, {})):
            if number >= MAX_COMBINATIONS:
                return list(seen.values()), True
            seen.setdefault(
                tuple(env[alias].span_id for alias in named), {alias: env[alias] for alias in named}
            )
        return list(seen.values()), False

    def _broken(self, env: Env) -> Iterator[str]:
        always, never = self.compiled.clause("always"), self.compiled.clause("never")
        if always is not None and not holds(always, self.run, env):
            yield "always"
        if never is not None and holds(never, self.run, env):
            yield "never"

    def _violation(self, when: Condition, env: Env, broken: list[str]) -> Violation:
        counted = self.run.mismatches  # finding the evidence looks again
        bound = [(alias, env[alias]) for alias in self.compiled.named]
        spans = bound or [("when", span) for span in _distinct(when.spans(self.run, {}))]
        missing: list[str] = []
        for kind in broken:
            clause = self.compiled.clause(kind)
            assert clause is not None
            if kind == "always":
                missing += clause.missing(self.run, env)
            else:
                spans += [("never", span) for span in _distinct(clause.spans(self.run, env))]
        self.run.mismatches = counted
        return self._make(broken[0], env, spans, tuple(missing))

    def _make(
        self, clause: str, env: Env, spans: list[tuple[str, Span]], missing: tuple[str, ...]
    ) -> Violation:
        rule = self.compiled.rule
        bound = [(alias, span.span_id) for alias, span in env.items()]
        evidence = tuple(Evidence(span, role, self._attributes(span)) for role, span in spans[:MAX_EVIDENCE])
        message = self._message(env) if rule.message else _sentence(clause, evidence, missing)
        key = violation_id(rule.id, self.run.trace.trace_id, bound)
        return Violation(key, clause, evidence, len(spans), missing, message)

    def _attributes(self, span: Span) -> dict[str, Any]:
        found = ((key, span.attribute(key)) for key in self.compiled.keys)
        return {key: value for key, value in found if value is not None}

    def _message(self, env: Env) -> str:
        def value(match: re.Match[str]) -> str:
            first, _, rest = match[1].partition(".")
            if first in env and (known := field_of(rest)) is not None:
                found = known.read(env[first])
                return "?" if found is None else _shown(found)
            if match[1] == "trace.duration":
                return f"{(self.run.trace.end - self.run.trace.start) / 1e6:g}ms"
            return f"{len(self.run.trace.spans)}"

        return _PLACEHOLDER.sub(value, self.compiled.rule.message or "")

    def _outcome(self, outcome: str, violations: tuple[Violation, ...], truncated: bool = False) -> Verdict:
        first = violations[0] if violations else None
        return Verdict(
            self.compiled.rule,
            outcome,
            self.run.trace.complete,
            violations,
            clause=first.clause if first else None,
            missing=first.missing if first else (),
            truncated=truncated,
            mismatches=self.run.mismatches,
        )


def _sentence(clause: str, evidence: tuple[Evidence, ...], missing: tuple[str, ...]) -> str:
    first = evidence[0] if evidence else None
    what = "the trace"
    if first is not None:
        shown = ", ".join(f"{key} {_shown(value)}" for key, value in first.attributes.items())
        what = first.span.name + (f" ({shown})" if shown else "")
    if missing:
        return f"{what} without {', '.join(missing)}"
    if clause == "never":
        others = [e.span.name for e in evidence if e.role == "never"]
        return (
            f"{what} with {', '.join(dict.fromkeys(others))}" if others else f"{what} with what must never be"
        )
    return what if evidence else "the trace has what must not be"


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _distinct(spans: Iterable[Span]) -> list[Span]:
    found = {span.span_id: span for span in spans}
    return sorted(found.values(), key=lambda span: (span.start, span.span_id))
