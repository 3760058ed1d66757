"""What has to come out: `betrace check` of what was sent, with the rules that were in force."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.check import Totals, check
from app.traces import Traces
from dsl.compile import compile_rules
from dsl.rule import Rule
from dsl.trace import Trace
from dsl.verdict import Verdict
from streams.activity import Version
from streams.violation import violation_json

_ITS_OWN = ("detectedAt", "updatedAt", "history", "revision", "decisionReason", "status")


@dataclass(slots=True)
class Expected:
    """What the phases so far come to."""

    violations: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id
    traces: dict[bytes, int] = field(default_factory=dict)  # with their phase
    spans: int = 0
    duplicates: int = 0
    evaluated: dict[Version, int] = field(default_factory=dict)

    def add(self, number: int, file: Path, rules: Iterable[Rule]) -> None:
        """Judge a phase's file by the rules of that phase, as `betrace check` does."""
        check(compile_rules(rules), Traces([str(file)]), _Form(self, number), every=True)


@dataclass(slots=True)
class _Form:
    """Takes the verdicts as they are told."""

    expected: Expected
    number: int

    def verdict(self, trace: Trace, verdict: Verdict) -> None:
        into = self.expected
        if trace.trace_id not in into.traces:
            into.traces[trace.trace_id] = self.number
            into.spans += len(trace.spans)
            into.duplicates += trace.duplicates
        version = Version(verdict.rule.id, verdict.rule.version)
        into.evaluated[version] = into.evaluated.get(version, 0) + 1
        for violation in verdict.violations:
            told = violation_json(trace, verdict, violation, "", 0)
            into.violations[violation.id] = comparable(json.loads(json.dumps(told)))

    def end(self, totals: Totals, errors: list[str]) -> None:
        """Spans without ids were sent on purpose; anything else is an error of this harness."""
        assert all("refused" in error for error in errors), errors
        assert not totals.erred, "a rule erred"


def comparable(violation: dict[str, Any]) -> dict[str, Any]:
    """A violation without what depends on when it was judged."""
    return {key: value for key, value in violation.items() if key not in _ITS_OWN}
