"""Traces out of blocks, whose spans are read only as far as rules ask, are judged as any other."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dsl.compile import compile_rules
from dsl.files import rule_of
from dsl.messages import ScopeSpans
from dsl.trace import Trace
from streams.block import Block, Builder, Position, trace_of
from streams.split import split
from streams.tick import Source
from tests.dsl.cases import TRACES, Printer, message, rules
from tests.dsl.oracle import Oracle, Span, Tree
from tests.dsl.test_oracle import judged

PAIRS = int(os.environ.get("BETRACE_STORED_PAIRS", "1000"))


def stored(spans: list[Span], every: int) -> Trace:
    """The trace out of two blocks, `every` so many spans in a record."""
    builders = Builder(), Builder()
    for offset in range(0, len(spans), every):
        request = ExportTraceServiceRequest(resource_spans=map(message, spans[offset : offset + every]))
        builder = builders[offset // every % 2]
        builder.section(Source("spans", 0), Position(offset, 0), 1)
        for trace_id, fragment in split(request.SerializeToString()).fragments.items():
            builder.add(trace_id, fragment)
    blocks = [Block(builder.encode()) for builder in builders]
    places = [(b, entry.at) for b in blocks for section in b.sections() for entry in section.entries]
    return trace_of(b"\1" * 16, places)


@settings(
    max_examples=PAIRS, deadline=None, suppress_health_check=list(HealthCheck), derandomize=PAIRS < 10_000
)
@given(rule=rules(), spans=TRACES.filter(len), every=st.integers(1, 3))
def test_a_stored_trace_is_judged_as_the_oracle_says(
    rule: dict[str, Tree], spans: list[Span], every: int
) -> None:
    text = Printer().rule(rule)
    assert judged(text, stored(spans, every)) == Oracle(spans).judge(rule, Printer().condition), text


def test_only_spans_that_rules_ask_for_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    class Counted:
        @staticmethod
        def FromString(data: bytes) -> Any:
            found = ScopeSpans.FromString(data)
            read.extend([1] * len(found.spans))
            return found

    monkeypatch.setattr("streams.block.ScopeSpans", Counted)
    names = ["a", "b", "a", "c"]
    spans = [Span(bytes(7) + bytes((n,)), b"", name, 1, 2, [("n", n)]) for n, name in enumerate(names, 1)]
    trace = stored(spans, 2)
    texts = ["a.where(n > 5)", "b.where(n > 5)", "d", "c.where(n == 4)"]
    made = [rule_of({"id": f"r{n}", "condition": t}, version=1, source="api")[0] for n, t in enumerate(texts)]
    chosen = compile_rules([rule for rule in made if rule]).chosen(trace)
    assert [each.rule.id for each in chosen] == ["r3"]
    assert not read
    trace.expect(["c"])
    assert [span.name for span in trace.named("c")] == ["c"]
    assert len(read) == 1
    assert len(trace.spans) == len(read) == 4
