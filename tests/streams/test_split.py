import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from streams.fragment import NO_PARENT
from streams.own_spans import EVIDENCE_ID, evidence_span_id
from streams.split import Malformed, cut, joined, split
from tests.streams.spans import request, span


def spans_of(data: bytes) -> list[tuple[str, str, bytes]]:
    """(service, schema, span) of serialised TracesData, in a stable order."""
    found = [
        (rs.resource.attributes[0].value.string_value, ss.schema_url, s.SerializeToString())
        for rs in TracesData.FromString(data).resource_spans
        for ss in rs.scope_spans
        for s in ss.spans
    ]
    return sorted(found)


numbers = st.integers(1, 3)
services = st.sampled_from(["shop", "pay", "a" * 200])
generated = st.lists(
    st.tuples(
        services, st.lists(st.builds(span, numbers, st.integers(1, 99), st.integers(0, 9)), max_size=6)
    ),
    max_size=5,
)


@given(generated, st.sampled_from(["", "https://schema"]))
def test_every_span_keeps_its_bytes_its_resource_and_its_scope(
    groups: list[tuple[str, list[Span]]], schema: str
) -> None:
    data = request(*groups, schema=schema).SerializeToString()
    parts = split(data)
    together = b"".join(spans for _, spans in parts.traces())
    assert spans_of(together) == spans_of(data)
    assert parts.received == sum(len(spans) for _, spans in groups)


@given(generated)
def test_a_fragment_holds_one_trace_with_the_ids_of_its_spans(groups: list[tuple[str, list[Span]]]) -> None:
    parts = split(request(*groups).SerializeToString())
    for trace_id, spans in parts.traces():
        fragment = parts.fragments[trace_id]
        found = [Span.FromString(data) for _, _, data in spans_of(spans)]
        assert {s.trace_id for s in found} == {trace_id}
        assert sorted(fragment.ids) == sorted(s.span_id + (s.parent_span_id or NO_PARENT) for s in found)


def test_ids_are_found_behind_a_trace_state_and_in_any_order_of_fields() -> None:
    with_state = span(1, 2, 3)
    with_state.trace_state = "vendor=1"
    plain = span(1, 4, 5)
    ids, rest = plain.SerializeToString()[:38], plain.SerializeToString()[38:]
    reordered = rest + ids[28:38] + ids[18:28] + ids[:18]
    data = request(("shop", [with_state])).SerializeToString()
    scope = b"\x12" + bytes((len(reordered),)) + reordered
    inner = b"\x12" + bytes((len(scope),)) + scope
    data += b"\x0a" + bytes((len(inner),)) + inner
    (fragment,) = split(data).fragments.values()
    assert fragment.ids == [bytes(7) + b"\2" + bytes(7) + b"\3", bytes(7) + b"\4" + bytes(7) + b"\5"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Span(trace_id=bytes(16), span_id=b"12345678"), "bad_trace_id"),
        (Span(trace_id=b"short", span_id=b"12345678"), "bad_trace_id"),
        (Span(trace_id=b"x" * 16, span_id=bytes(8)), "bad_span_id"),
        (Span(trace_id=b"x" * 16), "bad_span_id"),
        (Span(trace_id=b"x" * 16, span_id=b"12345678", parent_span_id=b"abc"), "bad_parent_id"),
        (Span(), "bad_trace_id"),
    ],
)
def test_a_span_with_a_bad_id_is_rejected_alone(bad: Span, reason: str) -> None:
    parts = split(request(("shop", [span(1, 1), bad, span(1, 2)])).SerializeToString())
    assert [len(fragment.ids) for fragment in parts.fragments.values()] == [2]
    assert {key: len(spans) for key, spans in parts.rejected.items()} == {reason: 1}
    assert parts.received == 3


def test_a_span_that_does_not_parse_is_rejected_alone() -> None:
    good = request(
        ("shop", [span(1, 1, name="good")]), ("pay", [span(1, 2, name="evil")])
    ).SerializeToString()
    data = good.replace(b"evil", b"\xff\xfe\xfd\xfc")  # a name that is not UTF-8
    parts = split(data)
    assert [len(fragment.ids) for fragment in parts.fragments.values()] == [1]
    assert {key: len(spans) for key, spans in parts.rejected.items()} == {"malformed_span": 1}


@given(st.binary(max_size=200))
def test_any_bytes_are_split_or_refused(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        split(data)


@given(generated, st.data())
def test_a_message_that_is_cut_short_is_split_or_refused(
    groups: list[tuple[str, list[Span]]], draw: st.DataObject
) -> None:
    data = request(*groups).SerializeToString()
    data = data[: draw.draw(st.integers(0, len(data)))]
    with contextlib.suppress(Malformed):
        split(data)


def test_own_spans_are_dropped_only_if_scope_and_id_agree() -> None:
    own = span(1, 1, name="betrace.violation")
    own.attributes.add(key=EVIDENCE_ID).value.string_value = "abc"
    own.span_id = evidence_span_id("abc", "betrace.violation")
    foreign = span(1, 2, name="betrace.violation")
    foreign.attributes.add(key=EVIDENCE_ID).value.string_value = "abc"
    parts = split(request(("betrace", [own, foreign]), scope="betrace").SerializeToString())
    assert (parts.own, parts.received) == (1, 2)
    elsewhere = split(request(("betrace", [own]), scope="other").SerializeToString())
    assert elsewhere.own == 0


def test_a_large_fragment_is_cut_between_spans_and_a_larger_span_is_told() -> None:
    spans = [span(1, n, name="x" * 100) for n in range(1, 20)] + [span(1, 20, name="y" * 5000)]
    parts = split(request(("shop", spans)).SerializeToString())
    (fragment,) = parts.fragments.values()
    pieces, too_large = cut(parts, fragment, 1000)
    assert len(too_large) == 1
    assert [id_ for piece in pieces for id_ in piece.ids] == fragment.ids[:-1]
    assert all(len(joined(piece.runs())) < 1200 for piece in pieces)
    assert len(pieces) > 2


def test_an_empty_message_has_no_spans() -> None:
    assert split(b"").received == 0
    assert split(ExportTraceServiceRequest().SerializeToString()).fragments == {}


def test_spans_that_no_verifier_has_found_good_are_counted_if_asked_for() -> None:
    spans = [span(1, number) for number in range(1, 6)]
    for index, marks in enumerate(([True], [False], [True, False], [])):
        for mark in marks:
            spans[index].attributes.add(key="span.signature.verified").value.bool_value = mark
    spans[4].attributes.add(key="said").value.string_value = "span.signature.verified"
    data = request(("shop", spans)).SerializeToString()
    counted = split(data, signatures=True)
    assert (counted.denied, counted.unmarked) == (2, 2)
    assert (split(data).denied, split(data).unmarked) == (0, 0)
