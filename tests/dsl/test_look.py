"""What rules ask first, looked for in bytes: in machine code where that is compiled, and in Python."""

from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dsl import look as python
from dsl.attributes import plain
from dsl.look import within
from dsl.messages import ScopeSpans
from tests.dsl.test_attributes import VALUES, any_value

peek = pytest.importorskip("dsl.peek", reason="not compiled: make says why")

KINDS = pytest.mark.parametrize("look", [python.Look, peek.Look], ids=["python", "compiled"])
KEYS = st.sampled_from(["amount", "a", "amounts", "mount", "b" * 127])
LIKELY = st.integers(0, 300) | st.sampled_from(["a", "amount", "J\x0a\n\x06amount\x12\x02\x18\x05"])
LITERALS = st.integers(-2, 300) | st.floats(allow_nan=False) | st.sampled_from(["", "a", "amount", "7"])
OPERATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def attributes(given: list[tuple[str, Any]]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in given]


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Attributes may stand twice, and in events and values too."""
    several = st.lists(st.tuples(KEYS, LIKELY | VALUES), max_size=4)
    span = Span(name="work", attributes=attributes(draw(several)))
    if draw(st.booleans()):
        span.events.add(name="amount", attributes=attributes(draw(several)))
    if draw(st.booleans()):
        inner = KeyValue(key="amount", value=any_value(draw(LIKELY)))
        span.attributes.add(key="c").value.bytes_value = b"J%c" % inner.ByteSize() + inner.SerializeToString()
    if draw(st.booleans()):
        span.flags = 1
        span.start_time_unix_nano = 2**63
    return span


@KINDS
@given(spans(), KEYS, OPERATORS, LITERALS, st.binary(max_size=4), st.binary(max_size=4))
def test_an_attribute_is_found_in_bytes_as_it_is_read(
    look: Any, span: Span, key: str, op: str, literal: Any, before: bytes, after: bytes
) -> None:
    data = span.SerializeToString()
    found = look(key, op, literal)(before + data + after, len(before), len(before) + len(data))
    values = [each.value.SerializeToString() for each in span.attributes if each.key == key]
    truth = within(op, literal)(plain(values[-1]) if values else None)
    if look is peek.Look:
        assert found is truth
    else:
        assert found in (truth, None) or not values


@KINDS
@pytest.mark.parametrize(
    ("key", "least", "truth"),
    [("amount", 7, True), ("amount", 8, False), ("name", 0, False), ("b", 300, True), ("b", 301, False)],
)
def test_an_attribute_that_stands_plainly_in_bytes_is_found_without_parsing(
    look: Any, key: str, least: int, truth: bool
) -> None:
    data = Span(attributes=attributes([("b", 300), ("amount", 7), ("text", "x")])).SerializeToString()
    assert look(key, ">=", least)(data, 0, len(data)) is truth


@pytest.mark.parametrize(
    "data",
    [
        b"J\x0b\x12\x01\x18\n\x06amount",  # the value first, and only looks like one
        b"J\x0c\x12\x02\x18\x05\n\x06amount",
        b"J\x8d\x00\n\x06amount\x12\x03\x18\xac\x02",  # a length of two bytes where one would do
        b"J\x0e\n\x86\x00amount\x12\x03\x18\xac\x02",
        b"J\x0f\n\x06amount\x12\x01\x18\x12\x02\x18\x05",  # two values
        b"J\x12\n\x06amount\n\x04else\x12\x02\x18\x05",  # two keys
        b"J\x12\n\x04else\n\x06amount\x12\x02\x18\x05",
        b"J\x0e\n\x06amount\x12\x02\x18\x05\x18\x01",  # something after them
        b"J\x08\n\x06amount",  # no value
        b"J\x0a\n\x06amount\x12\x00",
        b"J\x0c\n\x06amount\x12\x02\x18\x05J\x08\n\x06amount",  # again, without
        b"\xa2\x06\x01xJ\x0c\n\x06amount\x12\x02\x18\x05",  # behind a field of a large number
        b"J\x0e\n\x06amount\x12\x04\x18\xac\x02\x18",
    ],
)
def test_unusual_bytes_are_left_to_parsing_or_read_as_it_does(data: bytes) -> None:
    try:
        (span,) = ScopeSpans.FromString(b"\x12" + bytes((len(data),)) + data).spans
        value = span.attributes.get("amount")
        truth = within(">=", 5)(None if value is None else plain(value))
    except DecodeError:
        truth = None
    for look in (python.Look, peek.Look):
        assert look("amount", ">=", 5)(data, 0, len(data)) in (truth, None)


@pytest.mark.parametrize(
    "data",
    [
        b"J",
        b"J\x80",
        b"J\x05abc",
        b"J\x02\n\x06",
        b"\x39abc",
        b"\x08\x80",
        b"\x0b\x0c",
        b"\x80\x80\x01",
        b"\x3d\1",
    ],
)
def test_bytes_that_are_no_span_are_left_to_parsing(data: bytes) -> None:
    assert peek.Look("amount", ">=", 5)(data, 0, len(data)) is None


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (3, 2), (0, 100), (50, 60)])
def test_places_outside_of_the_bytes_are_left_to_parsing(start: int, end: int) -> None:
    assert peek.Look("amount", ">=", 5)(b"J\x02\n\0", start, end) is None
