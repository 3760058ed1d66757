"""Reads OTLP as it comes over the wire: protobuf, and JSON with its hexadecimal ids."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_ID_KEYS = frozenset({"traceId", "spanId", "parentSpanId"})
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)
_DEEPEST = 100  # messages within one another, at which protobuf's own readers stop
_WRAPPERS = ("result", "trace")  # of Jaeger's and Tempo's query APIs
_KEYS = ("resourceSpans", "resource_spans", "batches")  # the last is Tempo's
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"-?[0-9]{1,20}")

_Reader = Callable[[Any, int], Any]
"""From a JSON value, that many messages deep, to what protobuf's classes take."""


class WireError(Exception):
    """Bytes that are no OTLP traces. `reason` is a short code for headers and metrics."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def span_problem(trace_id: bytes, span_id: bytes, parent_id: bytes) -> str | None:
    """Why these ids make no span, as a reason code; None if they do. A parent of zeros is no parent."""
    if len(trace_id) != 16 or trace_id == _NO_TRACE:
        return "bad_trace_id"
    if len(span_id) != 8 or span_id == _NO_SPAN:
        return "bad_span_id"
    return "bad_parent_id" if len(parent_id) not in (0, 8) else None


def request_of_proto(data: bytes) -> ExportTraceServiceRequest:
    """Read a protobuf request; WireError when it is none, or foreign and only looks like an empty one."""
    try:
        request = ExportTraceServiceRequest.FromString(data)
    except DecodeError as problem:
        raise WireError("malformed", f"not an OTLP protobuf message: {problem}") from None
    if data and not request.resource_spans:
        raise WireError("not_otlp", "a protobuf message, but not OTLP traces")
    return request


def request_of_json(data: bytes) -> ExportTraceServiceRequest:
    """Read an OTLP/JSON request.

    As the OTLP specification says: ids are hexadecimal in any case, 64-bit integers are strings or numbers,
    keys are camelCase (snake_case is read too), unknown keys and nulls are passed over. An id that is not
    hexadecimal is read as one that `span_problem` refuses, so that its span is refused alone. WireError says
    what is wrong, and where.
    """
    return request_of_value(json_value(data))


def json_value(data: bytes) -> object:
    """The value that a JSON text states; WireError says where it is none."""
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as problem:
        raise WireError("malformed", f"not UTF-8: byte {problem.start}") from None
    except json.JSONDecodeError as problem:
        line = f"line {problem.lineno}, " if problem.lineno > 1 else ""
        raise WireError("malformed", f"not JSON: {problem.msg}: {line}column {problem.colno}") from None
    except RecursionError:
        raise WireError("malformed", "JSON nested too deeply") from None
    except ValueError:
        raise WireError("malformed", "not JSON: a number with too many digits") from None


def request_of_value(value: object) -> ExportTraceServiceRequest:
    """Read a request from its parsed JSON, as `request_of_json` does."""
    if not isinstance(value, dict):
        raise WireError("not_otlp", f"{_kind(value)}, but OTLP/JSON is an object with resourceSpans")
    value = _unwrapped(value)
    key = _key(value)
    if key is None and value:
        raise WireError("not_otlp", f"JSON without resourceSpans; its keys: {_shortened(', '.join(value))}")
    try:
        read = _REQUEST({"resourceSpans": value[key]} if key else {}, 0)
    except _Wrong as problem:
        path = problem.path.replace(".resourceSpans", key or "", 1)
        raise WireError("malformed", f"not OTLP/JSON: {path}: {problem}") from None
    return ExportTraceServiceRequest(**read)


def _unwrapped(value: dict[str, Any]) -> dict[str, Any]:
    wrapped = (value[key] for key in _WRAPPERS if isinstance(value.get(key), dict))
    return value if _key(value) else next(wrapped, value)


def _key(value: dict[str, Any]) -> str | None:
    return next((key for key in _KEYS if key in value), None)


class _Wrong(ValueError):
    """A JSON value that is not what its field takes; the path is put together on the way out."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.path = ""

    def under(self, step: str) -> "_Wrong":
        self.path = step + self.path
        return self


def _kind(value: object) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "null")


_KINDS: Final = (
    (bool, "a boolean"),
    (int | float, "a number"),
    (str, "a string"),
    (list, "an array"),
    (dict, "an object"),
)


def _shortened(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _wrong(value: object, wanted: str) -> _Wrong:
    shown = f" ({_shortened(str(value))})" if isinstance(value, int | float | str) else ""
    return _Wrong(f"{_kind(value)}{shown} instead of {wanted}")


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
            raise _Wrong(f"{_shortened(str(value))} is not between {least} and {greatest}")
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


def _id(value: Any, _: int) -> bytes:
    """The bytes that hexadecimal digits state; none, if they are not that."""
    try:
        return binascii.unhexlify(value)
    except (ValueError, TypeError):
        return b""


def _parent_id(value: Any, depth: int) -> bytes:
    """As `_id`, but never none by mistake, for that would make its span a root."""
    return _id(value, depth) or (b"" if value == "" else b"\0")


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
        except _Wrong as problem:
            raise problem.under(f"[{len(found)}]") from None
        return [each for each in found if each is not None]

    return read


def _object(fields: Mapping[str, tuple[str, _Reader]]) -> _Reader:
    def read(value: Any, depth: int) -> dict[str, Any]:
        if type(value) is not dict:
            raise _wrong(value, "an object")
        if depth > _DEEPEST:
            raise _Wrong("nested too deeply")
        found = {}
        key = ""
        try:
            for key, item in value.items():
                if item is not None and key in fields:
                    name, reader = fields[key]
                    found[name] = reader(item, depth + 1)
        except _Wrong as problem:
            raise problem.under(f".{key}") from None
        return found

    return read


def _message(descriptor: Descriptor) -> _Reader:
    """A reader of JSON objects that state such a message; one for each kind, since some hold themselves."""
    known = _MESSAGES.get(descriptor.full_name)
    if known is not None:
        return known
    fields: dict[str, tuple[str, _Reader]] = {}
    _MESSAGES[descriptor.full_name] = read = _object(fields)
    for field in descriptor.fields:
        reader = _list(_field(field)) if field.is_repeated else _field(field)
        fields[field.name] = fields[field.json_name] = (field.name, reader)
    return read


def _field(field: FieldDescriptor) -> _Reader:
    if field.message_type is not None:
        return _message(field.message_type)
    if field.enum_type is not None:
        return _enum(field.enum_type)
    return _IDS.get(field.name) or _SCALARS[field.type]


_MESSAGES: Final[dict[str, _Reader]] = {}
_IDS: Final[Mapping[str, _Reader]] = {"trace_id": _id, "span_id": _id, "parent_span_id": _parent_id}
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
_REQUEST = _message(ExportTraceServiceRequest.DESCRIPTOR)


def json_of_request(request: ExportTraceServiceRequest) -> bytes:
    """OTLP/JSON, with ids as hex and enums as numbers."""
    value = json_format.MessageToDict(request, use_integers_for_enums=True)
    return json.dumps(_with_hex_ids(value), separators=(",", ":")).encode()


def _with_hex_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: base64.b64decode(v).hex() if k in _ID_KEYS else _with_hex_ids(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_hex_ids(item) for item in value]
    return value
