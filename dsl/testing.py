"""Runs the tests inside rule files with the production evaluator."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from dsl.compile import compile_rules
from dsl.rule import Rule, Test
from dsl.short import ShortFormError, trace_of
from dsl.trace import Trace


@dataclass(frozen=True, slots=True)
class Result:
    """One test; `problem` is None when it passed."""

    rule: Rule
    test: Test
    problem: str | None


def run_tests(rules: Iterable[Rule], read: Callable[[str], Trace] | None = None) -> Iterator[Result]:
    """Run every test of every rule; `read` reads a `traceFile`."""
    for rule in rules:
        judged_by = compile_rules([replace(rule, enabled=True)])
        for test in rule.tests:
            try:
                trace = read(test.trace_file) if test.trace_file and read else trace_of(test.trace)
            except ShortFormError as problem:
                yield Result(rule, test, str(problem))
                continue
            (verdict,) = judged_by.judge(trace, every=True)
            wanted = (
                ("verdict", test.expect, verdict.outcome),
                ("violations", test.violations, len(verdict.violations)),
                ("clause", test.clause, verdict.clause),
                ("missing", test.missing, verdict.missing),
            )
            wrong = [f"{what} is {got}, not {want}" for what, want, got in wanted if want not in (None, got)]
            yield Result(rule, test, "; ".join(wrong) or None)
