"""Evaluates the traces that are done: their bytes and the rules give verdicts, and those violations."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from prometheus_client import Counter

from dsl.compile import RuleSet
from dsl.trace import Trace
from streams import metrics
from streams.group import Reason
from streams.violation import records

_LIMITS: frozenset[Reason] = frozenset({"span_limit", "size_limit", "memory"})


class Rules(NamedTuple):
    """The rules in force, and the offset up to which their log had been read."""

    rules: RuleSet
    offset: int


class JudgedBytes(NamedTuple):
    """What one trace came to."""

    spans: int
    duplicates: int
    violations: list[tuple[str, bytes]]


@cache
def _counter(rule_id: str, outcome: str) -> Counter:
    """Kept, as finding a metric by its labels costs as much as a rule."""
    return metrics.EVALUATIONS.labels(rule_id, outcome)


@dataclass(frozen=True, slots=True)
class Judge:
    """The production evaluator over serialised traces. `now` gives Unix ns."""

    rules: Callable[[], Rules]
    now: Callable[[], int]

    def judge(self, traces_data: bytes, reason: Reason, rules: RuleSet) -> JudgedBytes:
        """Judge one trace, given as a serialised TracesData with all its spans."""
        trace = Trace.of(TracesData.FromString(traces_data).resource_spans, cut=reason in _LIMITS)
        now = self.now()
        violations: list[tuple[str, bytes]] = []
        for verdict in rules.judge(trace):
            rule_id = verdict.rule.id
            _counter(rule_id, verdict.outcome).inc()
            if verdict.mismatches:
                metrics.MISMATCHES.labels(rule_id).inc(verdict.mismatches)
            if verdict.violations:
                violations += records(trace, verdict, reason, now)
                metrics.VIOLATIONS.labels(rule_id, verdict.rule.severity).inc(len(verdict.violations))
        return JudgedBytes(len(trace.spans), trace.duplicates, violations)
