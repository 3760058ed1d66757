import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.shop import requests
from dsl.compile import compile_rules
from dsl.files import load
from dsl.rule import Rule
from dsl.testing import run_tests
from dsl.trace import Trace
from streams.otlp import span_problem

RULES = Path(__file__).parents[2] / "deploy" / "rules" / "shop.yaml"
NOW = 1_700_000_000 * 10**9


def rules() -> tuple[Rule, ...]:
    loaded = load([(RULES.name, RULES.read_text())])
    assert loaded.diagnostics == ()
    return loaded.rules


def made(count: int, seed: int = 1) -> list[ExportTraceServiceRequest]:
    """The shop's first requests; each time that it asks, another second has passed."""
    seconds = itertools.count()
    return list(itertools.islice(requests(seed, lambda: NOW + next(seconds) * 10**9), count))


def traces(count: int) -> Iterator[Trace]:
    """The first whole traces, in the order in which they were sent."""
    by_id: dict[bytes, list[ExportTraceServiceRequest]] = {}
    for request in made(count * 3):
        by_id.setdefault(request.resource_spans[0].scope_spans[0].spans[0].trace_id, []).append(request)
    for parts in itertools.islice(by_id.values(), count):
        yield Trace.of(b"".join(part.SerializeToString() for part in parts))


def test_the_same_seed_makes_the_same_requests() -> None:
    assert made(50) == made(50)
    assert made(50) != made(50, seed=2)


def test_every_trace_is_whole_and_its_ids_are_good() -> None:
    for span in (s for r in made(100) for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans):
        assert span_problem(span.trace_id, span.span_id, span.parent_span_id) is None
    for trace in traces(100):
        assert trace.root is not None
        assert trace.complete
        assert trace.root.end == trace.end <= NOW + 100 * 10**9


def test_a_trace_comes_in_two_or_three_requests_of_six_services_in_all() -> None:
    sent = Counter(request.resource_spans[0].scope_spans[0].spans[0].trace_id for request in made(297))
    assert set(list(sent.values())[:-1]) == {2, 3}
    assert len({service for trace in traces(50) for service in trace.services}) == 6


def test_its_rules_pass_their_own_tests() -> None:
    results = list(run_tests(rules()))
    assert {result.rule.id for result in results} == {rule.id for rule in rules()}
    assert [(r.rule.id, r.test.name, r.problem) for r in results if r.problem] == []


def test_one_of_the_first_traces_breaks_a_rule_and_most_break_none() -> None:
    judged_by = compile_rules(rules())
    broken = [{v.rule.id for v in judged_by.judge(trace) if v.violations} for trace in traces(300)]
    assert any(broken[:3])
    assert 10 < sum(1 for each in broken if each) < 90
    assert set.union(*broken) == {
        "charge-without-fraud-check",
        "personal-data-without-audit",
        "a-query-for-each-price",
    }
