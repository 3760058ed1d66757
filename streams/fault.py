"""Where bytes stop being an OTLP protobuf message, for people."""

from collections import Counter

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams.split import Malformed, fields

_DEEPEST = 100  # messages within one another that protobuf reads
_BYTES = 2  # the wire type of texts, bytes and messages


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
        for tag, start, stop in fields(data, *bounds):
            if not tag >> 3:
                raise Malformed("a field has the number 0")
            field = message.fields_by_number.get(tag >> 3)
            if field is not None and tag & 7 == _BYTES:
                place = f"[{counts[field.name]}]" if field.is_repeated else ""
                counts[field.name] += 1
                step = f"{path}.{field.name}{place}".lstrip(".")
                _look(data, (start, stop), field, step, depth)
            at = stop
    except Malformed as problem:
        raise _Fault(at, path, str(problem)) from None


def _look(data: bytes, bounds: tuple[int, int], field: FieldDescriptor, path: str, depth: int) -> None:
    if field.message_type is not None:
        _walk(data, bounds, field.message_type, path, depth + 1)
    elif field.type == FieldDescriptor.TYPE_STRING:
        try:
            data[slice(*bounds)].decode()
        except UnicodeDecodeError as problem:
            raise _Fault(bounds[0] + problem.start, path, "not UTF-8") from None
