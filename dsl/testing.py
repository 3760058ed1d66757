"""Runs the tests inside rule files with the production evaluator, and tells what they never tried."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from dsl.compile import compile_rule
from dsl.judge import ClauseCame, Compiled, explain, judge
from dsl.rule import Rule, Test
from dsl.short import ShortFormError, trace_of
from dsl.trace import Trace
from dsl.verdict import Verdict

_STEPS = 1_000_000


@dataclass(frozen=True, slots=True)
class Result:
    """One test; `problem` is None when it passed. Without a trace that can be read there is no verdict."""

    rule: Rule
    test: Test
    problem: str | None
    trace: Trace | None = None
    verdict: Verdict | None = None
    clauses: tuple[ClauseCame, ...] = ()


def run_tests(rules: Iterable[Rule], read: Callable[[Rule, str], Trace] | None = None) -> Iterator[Result]:
    """Run every test of every rule; `read` reads a rule's `traceFile`."""
    for rule in rules:
        compiled = compile_rule(replace(rule, enabled=True))
        for test in rule.tests:
            yield _run(compiled, test, read)


def _run(compiled: Compiled, test: Test, read: Callable[[Rule, str], Trace] | None) -> Result:
    rule = compiled.rule
    try:
        trace = read(rule, test.trace_file) if test.trace_file and read else trace_of(test.trace)
    except ShortFormError as problem:
        return Result(rule, test, str(problem))
    verdict = judge(compiled, trace, _STEPS)
    wanted = (
        ("the verdict", test.expect, verdict.outcome),
        ("the number of violations", test.violations, len(verdict.violations)),
        ("the clause", test.clause, verdict.clause),
        ("what is missing", test.missing, verdict.missing),
    )
    wrong = [(what, want, got) for what, want, got in wanted if want not in (None, got)]
    told = "; ".join(f"{what} is {_said(got)}, not {_said(want)}" for what, want, got in wrong)
    clauses = tuple(explain(compiled, trace, _STEPS))
    return Result(rule, test, told or None, trace, verdict, clauses)


def _said(value: object) -> str:
    return ", ".join(map(str, value)) or "nothing" if isinstance(value, tuple) else f"{value}"


def untried(results: Iterable[Result], rules: Iterable[Rule]) -> Iterator[str]:
    """For each clause that no test made true, or none false, a line that says so."""
    seen: dict[tuple[str, str], set[bool]] = {}
    for result in results:
        for each in result.clauses:
            if each.came.holds is not None:
                seen.setdefault((result.rule.id, each.kind), set()).add(each.came.holds)
    for rule in rules:
        for clause in compile_rule(rule).clauses:
            lacking = {True, False} - seen.get((rule.id, clause.kind), set())
            if lacking:
                words = " and ".join(str(value).lower() for value in sorted(lacking, reverse=True))
                yield f"{rule.id}: no test makes '{clause.kind}' {words}"
