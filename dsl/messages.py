"""OTLP's messages as traces are judged by: attributes are maps, which find a key without reading all.

The wire format of `map<string, bytes>` is that of `repeated KeyValue`, whose values are read when a rule asks
for them (`dsl.attributes`). Of a key that stands twice, which OTLP forbids, the last value counts.
"""

from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

_ENTRY = "AttributesEntry"


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for module in (common_pb2, resource_pb2, trace_pb2):
        file = FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(file)
        for message in file.message_type:
            _with_maps(message, f".{file.package}.{message.name}")
        pool.Add(file)
    return pool


def _with_maps(message: DescriptorProto, name: str) -> None:
    """Make its attributes, and those of the messages in it, maps."""
    for inner in message.nested_type:
        _with_maps(inner, f"{name}.{inner.name}")
    for field in message.field:
        if field.name == "attributes":
            field.type_name = f"{name}.{_ENTRY}"
            _add_entry(message)


def _add_entry(message: DescriptorProto) -> None:
    entry = message.nested_type.add(name=_ENTRY)
    entry.options.map_entry = True
    one = FieldDescriptorProto.LABEL_OPTIONAL
    entry.field.add(name="key", number=1, label=one, type=FieldDescriptorProto.TYPE_STRING)
    entry.field.add(name="value", number=2, label=one, type=FieldDescriptorProto.TYPE_BYTES)


_POOL: Final = _pool()


def _kind(name: str) -> Any:
    return GetMessageClass(_POOL.FindMessageTypeByName(f"opentelemetry.proto.trace.v1.{name}"))


TracesData: Any = _kind("TracesData")
ResourceSpans: Any = _kind("ResourceSpans")
ScopeSpans: Any = _kind("ScopeSpans")
