import base64
import contextlib
import json
import math
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from streams.otlp import WireError, json_of_request, request_of_json, request_of_proto, span_problem

TRACE, SPAN = "5B8EFFF798038103D269B633813FC60C", "EEE19B7EC3C1B174"


def span_of(**fields: Any) -> Span:
    """The one span of a request with these JSON fields."""
    request = request_of_json(as_json({"traceId": TRACE, "spanId": SPAN} | fields))
    return request.resource_spans[0].scope_spans[0].spans[0]


def as_json(span: dict[str, Any]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def value_of(value: Any) -> AnyValue:
    """What an attribute's JSON value is read as."""
    return span_of(attributes=[{"key": "k", "value": value}]).attributes[0].value


def refused(data: bytes) -> tuple[str, str]:
    """The reason and text with which a JSON request is refused."""
    with pytest.raises(WireError) as problem:
        request_of_json(data)
    return problem.value.reason, str(problem.value)


@pytest.mark.parametrize("spell", [str.lower, str.upper])
def test_ids_are_hexadecimal_in_any_case(spell: Any) -> None:
    span = span_of(traceId=spell(TRACE), spanId=spell(SPAN), parentSpanId=spell(SPAN))
    assert span.trace_id == bytes.fromhex(TRACE)
    assert span.span_id == span.parent_span_id == bytes.fromhex(SPAN)


@pytest.mark.parametrize(
    "bad", ["ABC", "xyz", "AB CD", "0x12", "W47/95gDgQPSabYzgT/GDA==", "ä", 5, True, [], {}]
)
def test_an_id_that_is_not_hexadecimal_has_only_its_span_refused(bad: object) -> None:
    for key, reason in (
        ("traceId", "bad_trace_id"),
        ("spanId", "bad_span_id"),
        ("parentSpanId", "bad_parent_id"),
    ):
        span = span_of(**{key: bad})
        assert span_problem(span.trace_id, span.span_id, span.parent_span_id) == reason


def test_a_short_id_keeps_its_bytes() -> None:
    assert span_of(spanId="abcd").span_id == b"\xab\xcd"


@pytest.mark.parametrize("none", ["", None, "0000000000000000"])
def test_a_parent_that_is_empty_null_or_zero_is_no_parent(none: object) -> None:
    span = span_of(parentSpanId=none)
    assert not any(span.parent_span_id)
    assert span_problem(span.trace_id, span.span_id, span.parent_span_id) is None


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 0, 2**53 + 1])
def test_64_bit_integers_are_strings_or_numbers(number: int) -> None:
    assert value_of({"intValue": number}).int_value == number
    assert value_of({"intValue": str(number)}).int_value == number
    time = abs(number)
    assert span_of(startTimeUnixNano=time, endTimeUnixNano=str(time)).start_time_unix_nano == time


def test_a_whole_number_with_a_decimal_point_is_an_integer() -> None:
    assert value_of({"intValue": 200.0}).int_value == 200


def test_enums_are_numbers_or_names_and_unknown_numbers_are_kept() -> None:
    assert span_of(kind=3, status={"code": 2}).kind == Span.SPAN_KIND_CLIENT
    span = span_of(kind="SPAN_KIND_CLIENT", status={"code": "STATUS_CODE_ERROR", "message": "no"})
    assert (span.kind, span.status.code, span.status.message) == (3, 2, "no")
    assert span_of(kind=77).kind == 77


def test_values_of_every_type_are_read() -> None:
    assert value_of({"stringValue": "ä\u2028"}).string_value == "ä\u2028"
    assert value_of({"boolValue": False}).WhichOneof("value") == "bool_value"
    assert value_of({"doubleValue": "0.25"}).double_value == 0.25
    assert value_of({"doubleValue": 3}).double_value == 3
    assert math.isnan(value_of({"doubleValue": "NaN"}).double_value)
    assert value_of({"doubleValue": "-Infinity"}).double_value == -math.inf
    assert (
        value_of({"bytesValue": "_-8"}).bytes_value
        == value_of({"bytesValue": "/+8="}).bytes_value
        == b"\xff\xef"
    )
    assert value_of({}).WhichOneof("value") is None
    assert value_of({"stringValue": None}).WhichOneof("value") is None


def test_arrays_and_maps_are_read_within_one_another() -> None:
    inner = {"kvlistValue": {"values": [{"key": "a", "value": {"intValue": "1"}}]}}
    value = value_of({"arrayValue": {"values": [inner, {"boolValue": True}, None]}})
    first, second = value.array_value.values
    assert first.kvlist_value.values[0].value.int_value == 1
    assert second.bool_value
    assert value_of({"arrayValue": {}}).WhichOneof("value") == "array_value"


def test_everything_around_a_span_is_read_too() -> None:
    request = request_of_json(
        b"""{"resourceSpans": [{"schemaUrl": "r", "resource": {"droppedAttributesCount": 1}, "scopeSpans": [
        {"schemaUrl": "t", "scope": {"name": "n", "attributes": [{"key": "a", "value": {"intValue": 1}}]},
        "spans": [{"traceState": "x=y", "flags": 257, "droppedEventsCount": 2,
        "events": [{"timeUnixNano": "5", "name": "e", "attributes": [{"key": "f"}]}],
        "links": [{"traceId": "0A", "spanId": "0b", "flags": 1}]}]}]}]}"""
    )
    (resource_spans,) = request.resource_spans
    (scope_spans,) = resource_spans.scope_spans
    (span,) = scope_spans.spans
    assert (resource_spans.schema_url, scope_spans.schema_url) == ("r", "t")
    assert resource_spans.resource.dropped_attributes_count == 1
    assert scope_spans.scope.attributes[0].value.int_value == 1
    assert (span.trace_state, span.flags, span.dropped_events_count) == ("x=y", 257, 2)
    assert (span.events[0].name, span.events[0].time_unix_nano, span.events[0].attributes[0].key) == (
        "e",
        5,
        "f",
    )
    assert (span.links[0].trace_id, span.links[0].span_id, span.links[0].flags) == (b"\n", b"\v", 1)


def test_snake_case_unknown_keys_and_nulls_are_read_as_the_specification_says() -> None:
    request = request_of_json(
        b"""{"resource_spans": [null, {"resource": null, "scope_spans": [{"spans": [
        {"trace_id": "0A", "start_time_unix_nano": 7, "name": null, "new": {"deep": [1]}}]}]}], "other": 1}"""
    )
    (resource_spans,) = request.resource_spans
    (span,) = resource_spans.scope_spans[0].spans
    assert (span.trace_id, span.start_time_unix_nano, span.name) == (b"\n", 7, "")


def test_a_surrogate_cut_in_half_becomes_the_replacement_character() -> None:
    assert span_of(name="caf\u00e9 \ud83d").name == "caf\u00e9 \ufffd"
    assert (
        request_of_json(as_json({"name": "\U0001f600"})).resource_spans[0].scope_spans[0].spans[0].name
        == "😀"
    )


@pytest.mark.parametrize(
    "text",
    [
        b'{"batches": [{"scopeSpans": [{"spans": [{"name": "x"}]}]}]}',
        b'{"result": {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "x"}]}]}]}}',
        b'{"trace": {"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "x"}]}]}]}}',
        b'\xef\xbb\xbf{"resourceSpans": [{"scopeSpans": [{"spans": [{"name": "x"}]}]}], "trace": {}}',
    ],
)
def test_what_tempo_and_jaeger_export_is_read(text: bytes) -> None:
    assert request_of_json(text).resource_spans[0].scope_spans[0].spans[0].name == "x"


@pytest.mark.parametrize("envelope", ['{"batches": %s}', '{"trace": {"resourceSpans": %s}}'])
def test_ids_may_be_base64_only_where_tempo_answers(envelope: str) -> None:
    ids = [base64.b64encode(bytes.fromhex(id_)).decode() for id_ in (TRACE, SPAN, SPAN)]
    fields = dict(zip(("traceId", "spanId", "parentSpanId"), ids, strict=True))
    spans = json.dumps([{"scopeSpans": [{"spans": [fields, {"traceId": TRACE, "spanId": "?"}]}]}])
    span, hexadecimal = request_of_json((envelope % spans).encode()).resource_spans[0].scope_spans[0].spans
    assert (span.trace_id, span.span_id) == (bytes.fromhex(TRACE), span.parent_span_id)
    assert (hexadecimal.trace_id, hexadecimal.span_id) == (span.trace_id, b"")
    assert span_of(**fields).trace_id == b""


@pytest.mark.parametrize("text", [b"{}", b'{"resourceSpans": []}', b'{"resourceSpans": null}'])
def test_a_request_without_spans_is_empty(text: bytes) -> None:
    assert not request_of_json(text).resource_spans


@pytest.mark.parametrize(
    ("span", "where"),
    [
        (
            {"attributes": [{}, {"key": "k", "value": {"intValue": str(2**63)}}]},
            "attributes[1].value.intValue",
        ),
        ({"attributes": [{"value": {"intValue": "1.5"}}]}, "attributes[0].value.intValue"),
        ({"attributes": [{"value": {"intValue": True}}]}, "attributes[0].value.intValue"),
        ({"attributes": [{"value": {"stringValue": 5}}]}, "attributes[0].value.stringValue"),
        ({"attributes": [{"value": {"boolValue": "true"}}]}, "attributes[0].value.boolValue"),
        ({"attributes": [{"value": {"doubleValue": "x"}}]}, "attributes[0].value.doubleValue"),
        ({"attributes": [{"value": {"doubleValue": 10**400}}]}, "attributes[0].value.doubleValue"),
        ({"attributes": [{"value": {"bytesValue": "?"}}]}, "attributes[0].value.bytesValue"),
        ({"attributes": [{"value": {"bytesValue": "A"}}]}, "attributes[0].value.bytesValue"),
        (
            {"attributes": [{"value": {"arrayValue": {"values": [{}, {"intValue": ""}]}}}]},
            "values[1].intValue",
        ),
        ({"attributes": [{"value": "bare"}]}, "attributes[0].value"),
        ({"attributes": {"a": 1}}, "attributes"),
        ({"events": [{"timeUnixNano": -1}]}, "events[0].timeUnixNano"),
        ({"startTimeUnixNano": "soon"}, "startTimeUnixNano"),
        ({"startTimeUnixNano": 2**64}, "startTimeUnixNano"),
        ({"flags": 2**32}, "flags"),
        ({"kind": "SERVER"}, "kind"),
        ({"status": 2}, "status"),
        ({"name": ["x"]}, "name"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(span: dict[str, Any], where: str) -> None:
    reason, text = refused(as_json({"name": "good"}).replace(b'{"name": "good"}', json.dumps(span).encode()))
    assert reason == "malformed"
    assert text.startswith("not OTLP/JSON: resourceSpans[0].scopeSpans[0].spans[0].")
    assert f"{where}: " in text


@pytest.mark.parametrize(
    ("text", "reason", "says"),
    [
        (b"", "malformed", "not JSON: Expecting value: column 1"),
        (b'{\n  "a": }', "malformed", "line 2, column 8"),
        (b'{"name": "\xff"}', "malformed", "not UTF-8: byte 10"),
        ("{}".encode("utf-16"), "malformed", "not UTF-8: byte 0"),
        (b"[" * 100_000, "malformed", "nested too deeply"),
        (b"1" * 5000, "malformed", "too many digits"),
        (b"[]", "not_otlp", "an array, but OTLP/JSON is an object"),
        (b"null", "not_otlp", "null, but OTLP/JSON is an object"),
        (b'{"invalid": "not otlp json"}', "not_otlp", "its keys: invalid"),
        (b'{"resourceLogs": []}', "not_otlp", "its keys: resourceLogs"),
        (b'{"resourceSpans": {}}', "malformed", "resourceSpans: an object instead of an array"),
        (b'{"batches": [5]}', "malformed", "batches[0]: a number (5) instead of an object"),
    ],
)
def test_what_is_no_json_request_is_refused_with_the_reason(text: bytes, reason: str, says: str) -> None:
    code, message = refused(text)
    assert code == reason
    assert says in message


def nested(levels: int) -> bytes:
    value: dict[str, Any] = {"intValue": 1}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}
    return as_json({"attributes": [{"key": "deep", "value": value}]})


def test_values_are_nested_as_deeply_as_protobuf_can_read_back() -> None:
    deepest = max(levels for levels in range(100) if not too_deep(nested(levels)))
    data = request_of_json(nested(deepest)).SerializeToString()
    assert request_of_proto(data).SerializeToString() == data
    assert deepest > 40


def too_deep(data: bytes) -> bool:
    try:
        request_of_json(data)
    except WireError as problem:
        return "nested too deeply" in str(problem)
    return False


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
scalars = st.one_of(
    st.builds(lambda v: AnyValue(string_value=v), texts),
    st.builds(lambda v: AnyValue(int_value=v), st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda v: AnyValue(double_value=v), st.floats(allow_nan=False)),
    st.builds(lambda v: AnyValue(bool_value=v), st.booleans()),
    st.builds(lambda v: AnyValue(bytes_value=v), st.binary(max_size=5)),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3).map(lambda v: AnyValue(array_value=ArrayValue(values=v))),
    max_leaves=5,
)


@given(values, texts, st.integers(0, 2**64 - 1), st.integers(0, 5))
def test_what_protobuf_writes_as_json_is_read_back(value: AnyValue, name: str, time: int, kind: int) -> None:
    span = Span(name=name, start_time_unix_nano=time, kind=kind)  # type: ignore[arg-type]
    span.attributes.add(key="k").value.CopyFrom(value)
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.append(span)
    for style in (False, True):
        text = json_format.MessageToJson(request, preserving_proto_field_name=style)
        assert request_of_json(text.encode()) == request


@given(values, st.binary(max_size=20), st.integers(0, 5))
def test_what_is_written_as_json_is_read_back(value: AnyValue, id_: bytes, kind: int) -> None:
    span = Span(trace_id=id_, span_id=id_, parent_span_id=id_, kind=kind)  # type: ignore[arg-type]
    span.links.add(trace_id=id_, span_id=id_)
    span.attributes.add(key="traceId").value.CopyFrom(value)
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.append(span)
    assert request_of_json(json_of_request(request)) == request


keys = [
    "resourceSpans",
    "scopeSpans",
    "spans",
    "attributes",
    "key",
    "value",
    "arrayValue",
    "values",
    "intValue",
]
anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(keys), inner),
)


@given(anything)
def test_any_json_is_read_or_refused(value: object) -> None:
    with contextlib.suppress(WireError):
        request_of_json(json.dumps(value).encode()).SerializeToString()


def test_protobuf_is_read_and_what_is_none_is_refused() -> None:
    request = request_of_json(as_json({"name": "x"}))
    assert request_of_proto(request.SerializeToString()) == request
    assert not request_of_proto(b"").resource_spans
    for data, reason in ((b"\xff\xff\xff", "malformed"), (b"\x12\x03abc", "not_otlp")):
        with pytest.raises(WireError) as problem:
            request_of_proto(data)
        assert problem.value.reason == reason


@pytest.mark.parametrize(
    ("trace_id", "span_id", "parent_id", "problem"),
    [
        (b"t" * 16, b"s" * 8, b"", None),
        (b"t" * 16, b"s" * 8, b"p" * 8, None),
        (b"t" * 16, b"s" * 8, bytes(8), None),
        (bytes(16), b"s" * 8, b"", "bad_trace_id"),
        (b"t" * 24, b"s" * 8, b"", "bad_trace_id"),
        (b"t" * 16, bytes(8), b"", "bad_span_id"),
        (b"t" * 16, b"", b"", "bad_span_id"),
        (b"t" * 16, b"s" * 8, b"p", "bad_parent_id"),
        (b"t" * 16, b"s" * 8, bytes(16), "bad_parent_id"),
    ],
)
def test_ids_have_their_lengths_and_are_not_zero(
    trace_id: bytes, span_id: bytes, parent_id: bytes, problem: str | None
) -> None:
    assert span_problem(trace_id, span_id, parent_id) == problem


def test_minus_zero_stays_what_it_was() -> None:
    span = {"attributes": [{"key": "a", "value": {"doubleValue": "ZERO"}}]}
    text = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).replace('"ZERO"', "-0")
    read = request_of_json(text.encode()).resource_spans[0].scope_spans[0].spans[0]
    assert str(read.attributes[0].value.double_value) == "-0.0"
