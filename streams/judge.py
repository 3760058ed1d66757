"""Evaluates the traces that are done: the rules give verdicts, and those violations."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from dsl.compile import RuleSet
from dsl.judge import judge
from dsl.run import Deadline
from dsl.trace import Trace
from dsl.verdict import Verdict
from streams.activity import Activity, Version
from streams.group import Reason
from streams.health import Health
from streams.redaction import DEFAULT, Redaction
from streams.upheld import Sampling, Upheld, upheld
from streams.violation import Found, records
from streams.vocabulary import Vocabulary

LIMITS: Final[frozenset[Reason]] = frozenset({"span_limit", "size_limit", "memory"})
"""Reasons why a trace is judged before it may be whole."""

_TOO_LONG = 10.0  # seconds of CPU time that a rule may take on a trace, whatever its steps
_SAMPLED = 16  # traces, of which one is timed


class Rules(NamedTuple):
    """The rules in force, and the offset up to which their log had been read."""

    rules: RuleSet
    offset: int


class Outcome(NamedTuple):
    """What one trace came to."""

    spans: int
    duplicates: int
    violations: list[Found]
    decides: Callable[[str], bool]  # whether it stands against an earlier violation of a rule
    upheld: list[Upheld]


@dataclass(slots=True)
class Judge:
    """The production evaluator. `now` gives Unix ns, `timer` seconds of any origin.

    `in_force_at` gives the versions that were judged by when the rules log had been read up to an offset.
    """

    rules: Callable[[], Rules]
    in_force_at: Callable[[int], list[Version]]
    now: Callable[[], int]
    health: Health = field(default_factory=Health)
    redaction: Redaction = DEFAULT
    sampling: Sampling = field(default_factory=Sampling)
    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    timer: Callable[[], float] = time.perf_counter
    deadline: Deadline = field(default_factory=lambda: Deadline(_TOO_LONG, time.thread_time))
    progress: int = 0  # moves on while it judges
    _turn: int = 0

    def judge(self, trace: Trace, reason: Reason, rules: RuleSet, activity: Activity) -> Outcome:
        """Judge one trace with all its spans, and add it to the activity."""
        cut = reason in LIMITS
        now = self.now()
        violations: list[Found] = []
        held: list[Upheld] = []
        undecided: set[str] = set()
        self.vocabulary.look(trace, now // 10**6)
        activity.traces += 1
        self.progress += 1
        for verdict in self._verdicts(trace, rules, activity):
            self.progress += 1
            rule = verdict.rule
            if verdict.outcome != "not_applicable" or verdict.mismatches:
                activity.came(Version(rule.id, rule.version)).count(verdict)
            if verdict.violations:
                violations += records(trace, verdict, reason, now, self.redaction)
            elif rule.compliance and not cut and self.sampling.takes(verdict, now):
                held.append(upheld(trace, verdict, now, self.redaction))
            if verdict.truncated or verdict.outcome == "error":
                undecided.add(rule.id)
        return Outcome(
            len(trace),
            trace.duplicates,
            violations,
            lambda rule_id: not cut and rule_id in rules.ids and rule_id not in undecided,
            held,
        )

    def _verdicts(self, trace: Trace, rules: RuleSet, activity: Activity) -> Iterable[Verdict]:
        """The verdicts of the rules that may apply; on one trace in so many each is timed."""
        self._turn = (self._turn + 1) % _SAMPLED
        if not self._turn:
            return self._timed(trace, rules, activity)
        return (judge(each, trace, rules.max_steps, self.deadline) for each in rules.chosen(trace))

    def _timed(self, trace: Trace, rules: RuleSet, activity: Activity) -> Iterator[Verdict]:
        for compiled in rules.chosen(trace):
            start = self.timer()
            verdict = judge(compiled, trace, rules.max_steps, self.deadline)
            took = (self.timer() - start) * _SAMPLED
            activity.came(Version(compiled.rule.id, compiled.rule.version)).micros += round(took * 1e6)
            yield verdict
