"""Where bytes stop being an OTLP protobuf message, for people."""

from collections import Counter
from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_DEEPEST = 100  # messages within one another that protobuf reads
_BYTES = 2  # the wire type of texts, bytes and messages


class _Malformed(Exception):
    """The bytes are no fields."""


class _Fault(Exception):
    def __init__(self, at: int, path: str, text: str) -> None:
        super().__init__(f"byte {at:,}: {path or 'the message'}: {text}")


def fault(data: bytes) -> str | None:
    """The first byte that is wrong, the field that it stands in, and what is wrong; None if nothing is."""
    try:
        _walk(data, (0, len(data)), ExportTraceServiceRequest.DESCRIPTOR, "", 1)
    except _Fault as found:
        return str(found)
    return None


def _walk(data: bytes, bounds: tuple[int, int], message: Descriptor, path: str, depth: int) -> None:
    at = bounds[0]
    if depth > _DEEPEST:
        raise _Fault(at, path.split(".", 4)[0], "nested too deeply")
    counts: Counter[str] = Counter()
    try:
        for tag, start, stop in _fields(data, *bounds):
            if not tag >> 3:
                raise _Malformed("a field has the number 0")
            field = message.fields_by_number.get(tag >> 3)
            if field is not None and tag & 7 == _BYTES:
                place = f"[{counts[field.name]}]" if field.is_repeated else ""
                counts[field.name] += 1
                step = f"{path}.{field.name}{place}".lstrip(".")
                _look(data, (start, stop), field, step, depth)
            at = stop
    except _Malformed as problem:
        raise _Fault(at, path, str(problem)) from None


def _look(data: bytes, bounds: tuple[int, int], field: FieldDescriptor, path: str, depth: int) -> None:
    if field.message_type is not None:
        _walk(data, bounds, field.message_type, path, depth + 1)
    elif field.type == FieldDescriptor.TYPE_STRING:
        try:
            data[slice(*bounds)].decode()
        except UnicodeDecodeError as problem:
            raise _Fault(bounds[0] + problem.start, path, "not UTF-8") from None


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Tag, start and end of the value of each field in data[at:end]; _Malformed when one runs over."""
    try:
        while at < end:
            tag = data[at]
            at += 1
            if tag > 0x7F:
                tag, at = _read_varint(data, at - 1)
            if tag & 7 == 2:
                size = data[at]
                at += 1
                if size > 0x7F:
                    more = data[at]
                    if more > 0x7F:
                        size, at = _read_varint(data, at - 1)
                    else:  # as of most spans
                        size, at = size & 0x7F | more << 7, at + 1
                stop = at + size
            else:
                stop = _skip(data, at, tag & 7)
            if stop > end:
                break
            yield tag, at, stop
            at = stop
        else:
            return
    except IndexError:
        pass
    raise _Malformed("a field runs over the end of its message")


def _skip(data: bytes, at: int, wire_type: int) -> int:
    if wire_type == 0:
        return _read_varint(data, at)[1]
    if wire_type == 1:
        return at + 8
    if wire_type == 5:
        return at + 4
    raise _Malformed(f"wire type {wire_type} does not occur in OTLP")


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise _Malformed("a number is longer than 64 bits")
