"""How each rule does, for Prometheus: what it came to, how long it took, when it was evaluated last."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dsl.compile import RuleSet
from streams.activity import Activity, Counts, Version

_OUTCOMES: tuple[tuple[str, Callable[[int, Counts], int]], ...] = (
    ("satisfied", lambda evaluated, c: c.applied - c.violated),
    ("violated", lambda evaluated, c: c.violated),
    ("error", lambda evaluated, c: c.errors),
    ("skipped", lambda evaluated, c: c.skipped),
    ("not_applicable", lambda evaluated, c: evaluated - c.applied - c.errors - c.skipped),
)


@dataclass(slots=True, eq=False)  # a registry of metrics hashes it
class Health(Collector):
    """Counts of the rules that this process judges by; those of a rule that is gone are dropped."""

    offended: Callable[[Version, int, float], None] = lambda version, count, now: None  # told of cut-offs
    _rules: RuleSet | None = None
    _traces: int = 0
    _last: float = 0.0
    _since: dict[str, int] = field(default_factory=dict)  # traces judged when the rule came into force
    _counts: dict[str, Counts] = field(default_factory=dict)

    def judges_by(self, rules: RuleSet) -> None:
        """These rules are in force from now on."""
        if rules is not self._rules:
            self._rules = rules
            ids = {rule.id for rule in rules.rules}
            self._since = {rule_id: self._since.get(rule_id, self._traces) for rule_id in ids}
            self._counts = {rule_id: self._counts.get(rule_id, Counts()) for rule_id in ids}

    def add(self, activity: Activity, now: int) -> None:
        """Add what was judged, at `now` (Unix ns)."""
        self._traces += activity.traces
        self._last = now / 1e9
        for version, counts in activity.counts.items():
            if version.rule_id in self._counts:
                self._counts[version.rule_id].add(counts)
                if counts.cut_off:
                    self.offended(version, counts.cut_off, self._last)

    def collect(self) -> Iterator[Metric]:
        """The metrics now."""
        verdicts = CounterMetricFamily(
            "betrace_rule_evaluations", "Verdicts of a rule, by outcome", labels=["rule_id", "outcome"]
        )
        mismatches = CounterMetricFamily(
            "betrace_rule_type_mismatches", "Comparisons of values that do not compare", labels=["rule_id"]
        )
        cut_offs = CounterMetricFamily(
            "betrace_rule_cut_offs",
            "Traces on which a rule took too many steps or too long",
            labels=["rule_id"],
        )
        seconds = CounterMetricFamily(
            "betrace_rule_evaluation_seconds", "Time that a rule took, from samples", labels=["rule_id"]
        )
        last = GaugeMetricFamily(
            "betrace_rule_last_evaluated_timestamp_seconds",
            "When a trace was judged last",
            labels=["rule_id"],
        )
        for rule_id, counts in self._counts.items():
            evaluated = self._traces - self._since[rule_id]
            for outcome, of in _OUTCOMES:
                verdicts.add_metric([rule_id, outcome], of(evaluated, counts))
            mismatches.add_metric([rule_id], counts.mismatches)
            cut_offs.add_metric([rule_id], counts.cut_off)
            seconds.add_metric([rule_id], counts.micros / 1e6)
            if evaluated:
                last.add_metric([rule_id], self._last)
        yield from (verdicts, mismatches, cut_offs, seconds, last, self._exercised())

    def _exercised(self) -> CounterMetricFamily:
        """How often each control was exercised by the rules that name it."""
        counts: Counter[tuple[str, str, str]] = Counter()
        for rule in self._rules.rules if self._rules else ():
            came = self._counts[rule.id]
            for control in set(rule.compliance) if rule.mode != "shadow" else ():
                counts[(*control, "success")] += came.applied - came.violated
                counts[(*control, "failure")] += came.violated
        metric = CounterMetricFamily(
            "betrace_compliance_evaluations",
            "Traces on which a control was exercised, a rule and trace, by outcome",
            labels=["framework", "control", "outcome"],
        )
        for labels, count in counts.items():
            metric.add_metric(labels, count)
        return metric
