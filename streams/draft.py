"""Judgements of one tick that are not written yet: of traces that are done, and of those that came again."""

import json
from dataclasses import dataclass, field
from typing import NamedTuple

from dsl.trace import Trace
from streams.activity import Activity, day_of
from streams.group import Due
from streams.judge import Judge, Outcome, Rules
from streams.revise import opened, revised
from streams.state import Finding, Judged, JudgedTrace
from streams.upheld import Upheld, again


class Earlier(NamedTuple):
    """The last judgement of a trace that late spans reopened."""

    trace: JudgedTrace
    findings: list[Finding]
    upheld: list[Upheld]


@dataclass(slots=True)
class Draft:
    """Judgements by the rules in force at one clock (ms)."""

    clock: int
    rules: Rules
    size: int = 0  # bytes, about
    _spans: int = 0
    _duplicates: int = 0
    _traces: list[JudgedTrace] = field(default_factory=list)
    _findings: list[Finding] = field(default_factory=list)
    _upheld: list[Upheld] = field(default_factory=list)
    _activity: Activity = field(init=False)

    def __post_init__(self) -> None:
        self._activity = Activity(self.rules.offset, day_of(self.clock))

    def add(self, due: Due, trace: Trace, judge: Judge, earlier: Earlier | None) -> None:
        """Judge a trace; `earlier` if it was judged before."""
        activity = Activity() if earlier else self._activity  # a trace counts once
        result = judge.judge(trace, due.reason, self.rules.rules, activity)
        if earlier is None:
            findings = [opened(found) for found in result.violations]
            self._hold(result.upheld)
            self._put(due, result, findings, self.clock, 0, 0)
        else:
            findings = revised(earlier.findings, result.violations, result.decides, judge.now())
            broken = frozenset(json.loads(each.value)["ruleId"] for each in earlier.findings)
            self._hold(again(earlier.upheld, result.upheld, broken))
            before = earlier.trace
            self._put(due, result, findings, before.first, before.spans, before.duplicates)

    def judged(self) -> Judged | None:
        """What there is to write."""
        if not self._traces:
            return None
        counts = self.clock, self._spans, self._duplicates
        return Judged(*counts, self._traces, self._findings, self._activity, self._upheld)

    def _hold(self, found: list[Upheld]) -> None:
        self._upheld += found
        self.size += 250 * len(found)

    def _put(
        self, due: Due, result: Outcome, findings: list[Finding], first: int, spans: int, duplicates: int
    ) -> None:
        """Take in a judged trace, of which so many spans and duplicates were counted before."""
        at = due.trace.at
        self._traces.append(
            JudgedTrace(due.trace_id, due.reason, first, result.spans, result.duplicates, len(findings), at)
        )
        self._findings += findings
        self._spans += result.spans - spans
        self._duplicates += result.duplicates - duplicates
        self.size += 40 + len(at) + sum(len(finding.value) + 48 for finding in findings)
