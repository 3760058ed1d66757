"""Attributes as the messages of `dsl.messages` have them: each value is read when it is asked for."""

import struct
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

_STRING, _INT, _DOUBLE = 0x0A, 0x18, 0x21  # tags of an AnyValue's fields
_DOUBLE_VALUE = struct.Struct("<xd")
_ATTRIBUTE, _KEY, _VALUE = 0x4A, 0x0A, 0x12  # tags of a span's attributes, and of what is in one
_LONG = 0x80  # bytes, whose number takes two

Sought = Callable[[bytes, int, int], bool | None]
"""Whether the attribute of the span from one place to another holds; None if that takes parsing."""


def find(attributes: Mapping[str, bytes], key: str) -> Any:
    """The value of the attribute of that key; None if there is none or it has no value."""
    value = attributes.get(key)
    return None if value is None else plain(value)


def sought(key: str, holds: Callable[[Any], bool]) -> Sought | None:
    """Tells whether the attribute of that key holds, in the bytes of a span; None for an unlikely key.

    The key stands in the span if the attribute does. What is around it looks like that of an attribute,
    unless fields stand in another order, or are not as short as may be; or the key stands there again.
    A text that holds what looks like the attribute is taken for it where there is no such attribute.
    """
    text = key.encode()
    if not 0 < len(text) < _LONG:
        return None
    field = bytes((_KEY, len(text))) + text + bytes((_VALUE,))
    width = len(field)

    def look(data: bytes, start: int, end: int) -> bool | None:
        at = data.find(field, start, end)
        if at < 0:
            return None if data.find(text, start, end) >= 0 else False
        value = at + width
        size = data[value]
        stop = value + size + 1
        if (
            data[at - 1] != stop - at
            or data[at - 2] != _ATTRIBUTE
            or stop - at >= _LONG
            or at < start + 2
            or stop > end
            or data.find(text, stop, end) >= 0
        ):
            return None
        if size == 3 and data[value + 1] == _INT:
            return holds(data[value + 2] & 0x7F | data[value + 3] << 7)
        try:
            return holds(plain(data[value + 1 : stop]))
        except (DecodeError, UnicodeDecodeError):  # it only looks like a value
            return None

    return look


def plain(value: bytes) -> Any:
    """A well-formed AnyValue as Python has it: str, bool, int, float, bytes, list or dict; None if empty.

    What most are, short texts and numbers, is read here: protobuf takes twice as long.
    """
    size = len(value)
    if size > 1:
        tag = value[0]
        if tag == _STRING:
            if value[1] == size - 2 and size < 0x82:
                return value[2:].decode()
        elif tag == _INT:
            if size == 3:
                return value[1] & 0x7F | value[2] << 7
            if size == 2:
                return value[1]
        elif tag == _DOUBLE and size == _DOUBLE_VALUE.size:
            return _DOUBLE_VALUE.unpack(value)[0]
    return _plain(AnyValue.FromString(value))


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _plain(item.value) for item in value.kvlist_value.values}
    return getattr(value, kind)
