from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from dsl.attributes import find, plain

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
