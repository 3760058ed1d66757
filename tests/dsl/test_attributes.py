from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dsl.attributes import find, plain, sought

INTS = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 300) | st.integers(2**13, 2**22)
SCALARS = (
    st.text()
    | st.text(max_size=2).map(lambda text: text * 64)
    | st.booleans()
    | INTS
    | st.floats(allow_nan=False)
    | st.binary()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def any_value(value: Any) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case str():
            return AnyValue(string_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=map(any_value, value)))
        case _:
            items = (KeyValue(key=key, value=any_value(item)) for key, item in value.items())
            return AnyValue(kvlist_value=KeyValueList(values=items))


@given(VALUES)
def test_a_value_is_read_as_it_was_written(value: Any) -> None:
    read = plain(any_value(value).SerializeToString())
    assert (type(read), read) == (type(value), value)


@given(SCALARS, SCALARS)
def test_of_a_value_that_is_set_twice_the_last_counts(first: Any, last: Any) -> None:
    data = any_value(first).SerializeToString() + any_value(last).SerializeToString()
    assert plain(data) == last


def test_an_empty_value_is_none() -> None:
    assert plain(b"") is None
    assert find({"a": b""}, "a") is None
    assert find({}, "a") is None


KEYS = st.sampled_from(["amount", "a", "amounts", "mount", "", "b" * 127, "b" * 128])
LIKELY = st.integers(0, 300) | st.sampled_from(["a", "amount", "J\x0a\n\x06amount\x12\x02\x18\x05"])


def attributes(given: list[tuple[str, Any]]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in given]


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Attributes may stand twice, and in events and values too."""
    several = st.lists(st.tuples(KEYS, LIKELY), max_size=4)
    span = Span(name="work", attributes=attributes(draw(several)))
    if draw(st.booleans()):
        span.events.add(name="amount", attributes=attributes(draw(several)))
    if draw(st.booleans()):
        inner = KeyValue(key="amount", value=any_value(draw(LIKELY)))
        span.attributes.add(key="c").value.bytes_value = b"J%c" % inner.ByteSize() + inner.SerializeToString()
    return span


@given(spans(), KEYS, st.integers(0, 300), st.binary(max_size=4), st.binary(max_size=4))
def test_an_attribute_is_found_in_bytes_as_it_is_read(
    span: Span, key: str, least: int, before: bytes, after: bytes
) -> None:
    def holds(value: Any) -> bool:
        return value >= least if isinstance(value, int) else value is not None

    look = sought(key, holds)
    assert (look is None) == (key in ("", "b" * 128))
    if look is None:
        return
    data = span.SerializeToString()
    found = look(before + data + after, len(before), len(before) + len(data))
    values = [each.value.SerializeToString() for each in span.attributes if each.key == key]
    truth = holds(plain(values[-1])) if values else False
    assert found in (truth, None) or not values


@pytest.mark.parametrize(
    ("key", "least", "truth"),
    [("amount", 7, True), ("amount", 8, False), ("name", 0, False), ("b", 300, True), ("b", 301, False)],
)
def test_an_attribute_that_stands_plainly_in_bytes_is_found_without_parsing(
    key: str, least: int, truth: bool
) -> None:
    data = Span(attributes=attributes([("b", 300), ("amount", 7), ("text", "x")])).SerializeToString()
    look = sought(key, lambda value: value >= least)
    assert look is not None
    assert look(data, 0, len(data)) is truth


@pytest.mark.parametrize(
    "data",
    [
        b"J\x0b\x12\x01\x18\n\x06amount",  # the value first
        b"J\x8d\x00\n\x06amount\x12\x03\x18\xac\x02",  # a length of two bytes where one would do
        b"J\x0e\n\x86\x00amount\x12\x03\x18\xac\x02",
        b"J\x0f\n\x06amount\x12\x01\x18\x12\x02\x18\x05",  # two values
        b"J\x08\n\x06amount",  # no value
    ],
)
def test_unusual_bytes_take_parsing(data: bytes) -> None:
    look = sought("amount", lambda value: True)
    assert look is not None
    assert look(data, 0, len(data)) is None
