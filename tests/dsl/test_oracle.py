import os

from hypothesis import HealthCheck, event, given, settings
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from dsl.compile import compile_rules
from dsl.files import rule_of
from dsl.trace import Trace
from tests.dsl.cases import TRACES, Printer, message, rules
from tests.dsl.oracle import Breach, Oracle, Span, Tree

PAIRS = int(os.environ.get("BETRACE_ORACLE_PAIRS", "3000"))


def found(text: str, spans: list[Span]) -> tuple[str, set[Breach]]:
    """The verdict and violations by the production evaluator."""
    return judged(text, Trace.of(TracesData(resource_spans=map(message, spans)).SerializeToString()))


def judged(text: str, trace: Trace) -> tuple[str, set[Breach]]:
    """What a trace comes to."""
    rule, problems = rule_of({"id": "r", "condition": text}, version=1, source="api")
    assert rule is not None, (text, problems)
    (verdict,) = compile_rules([rule]).judge(trace, every=True)
    assert verdict.reason is None, (text, verdict.reason)
    assert not verdict.truncated
    breaches = {
        Breach(v.clause, frozenset((e.role, e.span.span_id) for e in v.evidence), v.missing)
        for v in verdict.violations
    }
    quick = compile_rules([rule]).judge(trace)
    assert [v.outcome for v in quick] in ([verdict.outcome], []), text
    assert quick or verdict.outcome == "not_applicable", text
    return verdict.outcome, breaches


@settings(
    max_examples=PAIRS, deadline=None, suppress_health_check=list(HealthCheck), derandomize=PAIRS < 10_000
)
@given(rule=rules(), spans=TRACES)
def test_the_evaluator_says_what_the_oracle_says(rule: dict[str, Tree], spans: list[Span]) -> None:
    text = Printer().rule(rule)
    wanted = Oracle(spans).judge(rule, Printer().condition)
    event(wanted[0])
    assert found(text, spans) == wanted, text
