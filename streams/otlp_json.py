"""From the parsed JSON of OTLP to what protobuf's classes take, by protobuf's own descriptors."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_DEEPEST = 100  # messages within one another, at which protobuf's own readers stop
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"-?[0-9]{1,20}")

_Reader = Callable[[Any, int], Any]
"""From a JSON value, that many messages deep, to what protobuf's classes take."""


def fields_of(value: dict[str, Any], *, tempo: bool) -> dict[str, Any]:
    """The fields of a request; Wrong if a value is not what its field takes.

    An id that is not hexadecimal (or base64, as Tempo has it) is read as one that is not of its length.
    """
    read: dict[str, Any] = (_TEMPO if tempo else _OTLP).read(value, 0)
    return read


class Wrong(ValueError):
    """A JSON value that is not what its field takes; the path is put together on the way out."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.path = ""

    def under(self, step: str) -> "Wrong":
        self.path = step + self.path
        return self


def kind_of(value: object) -> str:
    """What JSON calls such a value, with its article."""
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "null")


_KINDS: Final = (
    (bool, "a boolean"),
    (int | float, "a number"),
    (str, "a string"),
    (list, "an array"),
    (dict, "an object"),
)


def shortened(text: str) -> str:
    """A text that fits in a message."""
    return text if len(text) <= 60 else f"{text[:59]}…"


def _wrong(value: object, wanted: str) -> Wrong:
    shown = f" ({shortened(str(value))})" if isinstance(value, int | float | str) else ""
    return Wrong(f"{kind_of(value)}{shown} instead of {wanted}")


def _string(value: Any, _: int) -> str:
    """A text. Half of a surrogate pair, which a text cut short in JavaScript ends with, becomes U+FFFD."""
    if type(value) is not str:
        raise _wrong(value, "a string")
    return value if value.isascii() else _HALF_PAIR.sub("\ufffd", value)


def _boolean(value: Any, _: int) -> bool:
    if type(value) is not bool:
        raise _wrong(value, "true or false")
    return value


def _integer(least: int, greatest: int) -> _Reader:
    def read(value: Any, _: int) -> int:
        number = value
        if type(value) is str and _INTEGER.fullmatch(value):
            number = int(value)
        if type(value) is float and value.is_integer():
            number = int(value)
        if type(number) is not int:
            raise _wrong(value, "an integer")
        if not least <= number <= greatest:
            raise Wrong(f"{shortened(str(value))} is not between {least} and {greatest}")
        return number

    return read


def _double(value: Any, _: int) -> float:
    try:
        if type(value) in (float, int, str):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise _wrong(value, "a number")


def _base64(value: Any, _: int) -> bytes:
    try:
        text = value.replace("-", "+").replace("_", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (AttributeError, ValueError):
        raise _wrong(value, "base64") from None


def _hexadecimal(value: Any, _: int) -> bytes:
    """The bytes of an id; none, if it is not hexadecimal."""
    try:
        return binascii.unhexlify(value)
    except (ValueError, TypeError):
        return b""


def _hexadecimal_or_base64(value: Any, depth: int) -> bytes:
    """The bytes of an id. In base64 an id of 8 or 16 bytes ends with `=`, so that it is never hexadecimal."""
    try:
        return _hexadecimal(value, depth) or _base64(value, depth)
    except Wrong:
        return b""


def _parent(id_: _Reader) -> _Reader:
    """As an id, but never none by mistake, for that would make its span a root."""
    return lambda value, depth: id_(value, depth) or (b"" if value == "" else b"\0")


def _enum(descriptor: EnumDescriptor) -> _Reader:
    numbers = {value.name: value.number for value in descriptor.values}
    number = _integer(-(2**31), 2**31 - 1)

    def read(value: Any, depth: int) -> Any:
        named = numbers.get(value) if type(value) is str else None
        return number(value, depth) if named is None else named

    return read


def _list(item: _Reader) -> _Reader:
    def read(value: Any, depth: int) -> list[Any]:
        if type(value) is not list:
            raise _wrong(value, "an array")
        found: list[Any] = []
        try:
            for each in value:
                found.append(None if each is None else item(each, depth))
        except Wrong as problem:
            raise problem.under(f"[{len(found)}]") from None
        return [each for each in found if each is not None]

    return read


def _object(fields: Mapping[str, tuple[str, _Reader]]) -> _Reader:
    def read(value: Any, depth: int) -> dict[str, Any]:
        if type(value) is not dict:
            raise _wrong(value, "an object")
        if depth > _DEEPEST:
            raise Wrong("nested too deeply")
        found = {}
        key = ""
        try:
            for key, item in value.items():
                if item is not None and key in fields:
                    name, reader = fields[key]
                    found[name] = reader(item, depth + 1)
        except Wrong as problem:
            raise problem.under(f".{key}") from None
        return found

    return read


class _Form:
    """Readers of every kind of message, by protobuf's own descriptors; what an id looks like may differ."""

    def __init__(self, id_: _Reader) -> None:
        self._ids = {"trace_id": id_, "span_id": id_, "parent_span_id": _parent(id_)}
        self._messages: dict[str, _Reader] = {}
        self.read = self._message(ExportTraceServiceRequest.DESCRIPTOR)

    def _message(self, descriptor: Descriptor) -> _Reader:
        """The one reader of such messages, as some hold themselves."""
        known = self._messages.get(descriptor.full_name)
        if known is not None:
            return known
        fields: dict[str, tuple[str, _Reader]] = {}
        self._messages[descriptor.full_name] = read = _object(fields)
        for field in descriptor.fields:
            reader = _list(self._field(field)) if field.is_repeated else self._field(field)
            fields[field.name] = fields[field.json_name] = (field.name, reader)
        return read

    def _field(self, field: FieldDescriptor) -> _Reader:
        if field.message_type is not None:
            return self._message(field.message_type)
        if field.enum_type is not None:
            return _enum(field.enum_type)
        return self._ids.get(field.name) or _SCALARS[field.type]


_SCALARS: Final[Mapping[int, _Reader]] = {
    FieldDescriptor.TYPE_STRING: _string,
    FieldDescriptor.TYPE_BYTES: _base64,
    FieldDescriptor.TYPE_BOOL: _boolean,
    FieldDescriptor.TYPE_DOUBLE: _double,
    FieldDescriptor.TYPE_INT32: _integer(-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_INT64: _integer(-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT32: _integer(0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: _integer(0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED64: _integer(0, 2**64 - 1),
}
_OTLP: Final = _Form(_hexadecimal)
_TEMPO: Final = _Form(_hexadecimal_or_base64)
