"""Attributes as the messages of `dsl.messages` have them: each value is read when it is asked for."""

import struct
from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

_STRING, _INT, _DOUBLE = 0x0A, 0x18, 0x21  # tags of an AnyValue's fields
_DOUBLE_VALUE = struct.Struct("<xd")


def find(attributes: Mapping[str, bytes], key: str) -> Any:
    """The value of the attribute of that key; None if there is none or it has no value."""
    value = attributes.get(key)
    return None if value is None else plain(value)


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
