"""The benchmarks' input is as it says, and the same every time."""

import random
from collections import Counter
from collections.abc import Iterable

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bench import spans as made
from bench.rules import applying, with_others, write_rules
from bench.template import Template, hexadecimal
from bench.train_ticket import TrainTicket
from dsl.compile import compile_rules
from dsl.files import load

ROUNDS = 60  # more than are made before the first comes again


def spans_of(messages: Iterable[bytes]) -> list[Span]:
    requests = map(ExportTraceServiceRequest.FromString, messages)
    return [
        s for each in requests for of in each.resource_spans for scope in of.scope_spans for s in scope.spans
    ]


def test_the_same_seed_gives_the_same_messages() -> None:
    first, again = (list(made.messages(2 * made.ROUND_SPANS, 7, 0)) for _ in range(2))
    assert first == again


def test_traces_have_fresh_ids_when_their_spans_come_again() -> None:
    spans = spans_of(made.messages(ROUNDS * made.ROUND_SPANS, 1, 0))
    assert set(Counter(span.trace_id for span in spans).values()) == {made.TRACE_SPANS}
    assert len(spans) == ROUNDS * made.ROUND_SPANS


def test_each_trace_is_spread_over_four_messages_of_500_spans() -> None:
    messages = list(made.messages(made.ROUND_SPANS, 1, 0))
    parts = [spans_of([message]) for message in messages]
    assert [len(part) for part in parts] == [made.MESSAGE_SPANS] * made.SPREAD
    assert {len({span.trace_id for span in part}) for part in parts} == {len(made.EVEN)}


def test_a_span_takes_about_350_bytes() -> None:
    messages = list(made.messages(made.ROUND_SPANS, 1, 0))
    assert sum(map(len, messages)) / made.ROUND_SPANS == pytest.approx(350, rel=0.05)


def test_mixed_traces_have_3_20_or_200_spans() -> None:
    spans = spans_of(made.messages(made.ROUND_SPANS, 1, 0, made.MIXED))
    sizes = Counter(Counter(span.trace_id for span in spans).values())
    assert sizes == Counter(made.MIXED)


def test_the_large_trace_is_one_trace() -> None:
    spans = spans_of(made.large_trace(1, 0))
    assert (len(spans), len({span.trace_id for span in spans})) == (made.LARGE, 1)
    assert len({span.span_id for span in spans}) == made.LARGE


def test_train_ticket_comes_again_under_other_ids() -> None:
    tickets = TrainTicket()
    spans = spans_of(tickets.messages(2, 1))
    assert len(spans) == 2 * tickets.spans
    assert len({span.trace_id for span in spans}) == 2 * tickets.traces


def test_a_template_puts_ids_as_text_where_they_stood_as_text() -> None:
    old = bytes(range(16))
    template = Template([b'{"a":"%s","b":"%s"}' % (hexadecimal(old), hexadecimal(old))], [old], hexadecimal)
    (message,) = template.fresh(random.Random(1))
    new = random.Random(1).randbytes(16).hex().encode()
    assert message == b'{"a":"%s","b":"%s"}' % (new, new)


@pytest.mark.parametrize("rules", [applying(1), applying(50), with_others(10, 100), TrainTicket().rules(10)])
def test_rules_are_distinct_and_read_without_remarks(rules, tmp_path) -> None:  # type: ignore[no-untyped-def]
    text = write_rules(rules, tmp_path / "rules.yaml").read_text()
    loaded = load([("rules.yaml", text)])
    assert not loaded.diagnostics
    assert len({rule.condition for rule in rules}) == len(rules) == len(compile_rules(loaded.rules).rules)
