"""OTLP's outer messages with spans left as bytes: protobuf cuts them out faster than Python can.

Fields that these messages do not have are kept as they are, and stand in what is serialised.
"""

from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "betrace.frames"


def _pool() -> DescriptorPool:
    file = FileDescriptorProto(name="frames", package=_PACKAGE, syntax="proto3")
    for name, field, number, kind in (
        ("Scope", "spans", 2, ""),
        ("Resource", "scope_spans", 2, "Scope"),
        ("Traces", "resource_spans", 1, "Resource"),
    ):
        added = file.message_type.add(name=name).field.add(
            name=field, number=number, label=FieldDescriptorProto.LABEL_REPEATED
        )
        if kind:
            added.type, added.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
        else:
            added.type = FieldDescriptorProto.TYPE_BYTES
    pool = DescriptorPool()
    pool.Add(file)
    return pool


Traces: Any = GetMessageClass(_pool().FindMessageTypeByName(f"{_PACKAGE}.Traces"))


def framed(tag: int, data: bytes) -> bytes:
    """A field of that tag: 0x0a for `resource_spans` of a TracesData, 0x12 for `scope_spans` and `spans`."""
    size = len(data)
    return (SPANS[size] if tag == _SPANS and size < USUAL else head(tag, size)) + data


def head(tag: int, size: int) -> bytes:
    """What stands before the value of a field of that size."""
    out = bytearray((tag,))
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    out.append(size)
    return bytes(out)


_SPANS = 0x12
USUAL = 4096  # bytes of a span, at most
SPANS: Final = [head(_SPANS, size) for size in range(USUAL)]
"""What stands before a span in a ScopeSpans, by its size."""


def without(message: Any, field: str) -> bytes:
    """A message of `Traces` serialised, but for one field, which it loses."""
    message.ClearField(field)
    return bytes(message.SerializeToString())
