"""Compiles rules: parses them, checks them, and makes of them what judges traces."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from dsl import nodes as n
from dsl.clause import Clause, clause
from dsl.fields import RESERVED, field_of
from dsl.guard import Guards, guard
from dsl.judge import PLACEHOLDER, TRACE_PLACEHOLDERS, Compiled, judge
from dsl.needs import needs
from dsl.parse import parse
from dsl.rule import Rule
from dsl.scope import Problem, Scope
from dsl.selector import Selector, is_selector, selector
from dsl.trace import Trace
from dsl.verdict import Verdict
from dsl.warn import warnings


class RuleError(ValueError):
    """A rule that does not compile; `load` would have said so with its place."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules in force, by number; found by the names of the spans that they need."""

    compiled: tuple[Compiled, ...]
    max_steps: int
    needing: dict[str, list[int]] = field(default_factory=dict)  # judged wherever such a span is there
    guards: Guards = field(default_factory=Guards)  # what the others ask first
    skipping: dict[str, list[int]] = field(default_factory=dict)  # those of them that skip incomplete traces
    always: tuple[int, ...] = ()  # those that need no name
    ids: frozenset[str] = frozenset()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Those it judges by."""
        return tuple(each.rule for each in self.compiled)

    def judge(self, trace: Trace, *, every: bool = False) -> list[Verdict]:
        """One verdict a rule; unless `every`, rules none of whose spans is there are left out."""
        chosen = self.compiled if every else self.chosen(trace)
        return [judge(each, trace, self.max_steps) for each in chosen]

    def chosen(self, trace: Trace) -> list[Compiled]:
        """The rules that may apply, or are skipped: what each needs and asks first is there."""
        names = trace.names
        found = set(self.always)
        needed = names.keys() & self.needing.keys()
        trace.expect(needed | self.guards.names(trace))
        for name in needed:
            found.update(self.needing[name])
        found.update(self.guards.holding(trace, self.max_steps))
        if self.skipping and not trace.complete:
            for name in names.keys() & self.skipping.keys():
                found.update(self.skipping[name])
        return [self.compiled[number] for number in sorted(found)]


def compile_rules(rules: Iterable[Rule], *, max_steps: int = 1_000_000) -> RuleSet:
    """Compile the enabled rules; RuleError for one that has errors."""
    return rule_set((compile_rule(rule) for rule in rules if rule.enabled), max_steps)


def rule_set(compiled: Iterable[Compiled], max_steps: int) -> RuleSet:
    """The set of rules that are compiled already."""
    rules = tuple(compiled)
    ids = frozenset(each.rule.id for each in rules)
    always = [number for number, each in enumerate(rules) if each.guard is None and each.needs is None]
    made = RuleSet(rules, max_steps, always=tuple(always), ids=ids)
    for number, each in enumerate(rules):
        if each.guard is not None:
            made.guards.add(number, each.guard)
        if each.guard is None or each.rule.on_incomplete == "skip":
            found = made.needing if each.guard is None else made.skipping
            for name in each.needs or ():
                found.setdefault(name, []).append(number)
    return made


def compile_rule(rule: Rule) -> Compiled:
    """Compile one rule; RuleError if it has errors."""
    compiled, problems = check(rule, parse(rule.condition))
    for problem in problems:
        if problem.severity == "error":
            raise RuleError(f"rule {rule.id}: {problem.message}")
    return compiled


def check(rule: Rule, parsed: n.Condition) -> tuple[Compiled, list[Problem]]:
    """Compile, and say all that is wrong or surely not meant."""
    scope = Scope(named=_aliases(parsed))
    for let in parsed.lets:
        _let(let, scope)
    clauses = _clauses(parsed, scope)
    for each in CHECKS:
        each(rule, parsed, clauses, scope)
    applies = parsed.pattern or parsed.clause("when")
    need = needs(applies, parsed.lets, frozenset(scope.named)) if applies is not None else None
    first = next((guard(each.condition) for each in clauses if each.kind in ("pattern", "when")), None)
    compiled = Compiled(rule, clauses, tuple(sorted(scope.keys)), tuple(scope.names), need, first)
    return compiled, scope.problems


def _aliases(parsed: n.Condition) -> dict[str, int]:
    """The aliases of a rule, with where each is first named."""
    named: dict[str, int] = {}
    for node in n.walk(parsed):
        if isinstance(node, n.As):
            named[node.alias] = min(node.end, named.get(node.alias, node.end))
    return named


def _let(let: n.Let, scope: Scope) -> None:
    place = n.Name(let.start, let.end, let.name)
    if let.name in scope.lets:
        scope.wrong(place, f"'{let.name}' is named twice")
    elif let.name in RESERVED:
        scope.wrong(place, f"'{let.name}' is a word of the language: choose another name")
    if is_selector(let.value, scope):
        scope.lets[let.name] = selector(let.value, scope)
    else:
        scope.wrong(let.value, "'let' names a selector: spans, not something that is said about them")
        scope.lets[let.name] = Selector(lambda run, env: ())


def _clauses(parsed: n.Condition, scope: Scope) -> tuple[Clause, ...]:
    """The clauses, compiled; `when` first, as the others see what it names."""
    if parsed.pattern is not None:
        return (clause("pattern", parsed.pattern, scope),)
    found: list[Clause] = []
    for kind in ("when", "always", "never"):
        node = parsed.clause(kind)
        if node is not None:
            inner = scope if kind == "when" else scope.apart()
            found.append(clause(kind, node, inner))
    return tuple(found)


def _clauses_fit(rule: Rule, parsed: n.Condition, clauses: tuple[Clause, ...], scope: Scope) -> None:
    kinds = [kind for kind, _ in parsed.clauses]
    words = [n.Node(at.start, at.start + len(kind)) for kind, at in zip(kinds, parsed.places, strict=True)]
    for number, kind in enumerate(kinds):
        if kind in kinds[:number]:
            scope.wrong(words[number], f"'{kind}' stands twice")
    if kinds and "when" not in kinds:
        scope.wrong(words[0], f"a rule with '{kinds[0]}' needs 'when'")
    elif set(kinds) == {"when"}:
        scope.wrong(words[0], "a rule with 'when' needs 'always' or 'never'")


def _message_fits(rule: Rule, parsed: n.Condition, clauses: tuple[Clause, ...], scope: Scope) -> None:
    aliases = next((each.named for each in clauses if each.kind == "when"), ())
    for found in PLACEHOLDER.finditer(rule.message or ""):
        first, _, rest = found[1].partition(".")
        if first in aliases and rest and field_of(rest) is not None:
            scope.used.add(first)
        elif found[1] not in TRACE_PLACEHOLDERS:
            place = n.Node(0, 1)
            scope.wrong(place, f"the message names '{found[0]}', which is no field of a span named in 'when'")


def _warn(rule: Rule, parsed: n.Condition, clauses: tuple[Clause, ...], scope: Scope) -> None:
    if not any(problem.severity == "error" for problem in scope.problems):
        warnings(parsed, scope)


CHECKS = (_clauses_fit, _message_fits, _warn)
