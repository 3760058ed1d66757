"""Messages that are cut in machine code, held to those that protobuf parses."""

import gzip
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

import streams.split
from streams.frames import framed
from streams.kinds import Kinds
from streams.otlp import request_of_json
from streams.signature import VERIFIED
from streams.split import Malformed, Split, split
from tests.poison import deep, messages, poison
from tests.streams.spans import request, span

scan = pytest.importorskip("streams.scan", reason="not compiled: make install says why").scan

TRAIN_TICKET = Path(__file__).parent.parent / "data" / "train-ticket"
NEVER_SENT = {"string_value_strindex", "key_strindex"}  # of profiles: left to protobuf


def parsed(data: bytes, *, signatures: bool = False) -> Split:
    """What protobuf makes of a message."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams.split, "scan", None)
        return split(data, signatures=signatures)


def described(parts: Split) -> dict[str, Any]:
    """All that a split says."""
    fragments = {
        trace_id: [
            (ids, span, kind.prefix, kind.name, kind.field, head)
            for ids, span, kind, head in zip(
                fragment.ids, fragment.spans, fragment.kinds, fragment.heads, strict=True
            )
        ]
        for trace_id, fragment in parts.fragments.items()
    }
    named = ("rejected", "received", "own", "size", "common", "denied", "unmarked")
    return {"fragments": list(fragments.items())} | {name: getattr(parts, name) for name in named}


def is_scanned(data: bytes) -> bool:
    """Whether a message is plain; if so, nothing differs from what protobuf makes of it."""
    if scan(data, Kinds()) is None:
        return False
    assert described(split(data)) == described(parsed(data))
    return True


def real() -> Iterator[bytes]:
    for message in messages():
        yield message.SerializeToString()
    for name in ("normal.jsonl.gz", "faults.jsonl.gz"):
        for line in gzip.decompress((TRAIN_TICKET / name).read_bytes()).splitlines():
            yield request_of_json(line).SerializeToString()


def test_real_messages_are_scanned_and_cut_as_protobuf_has_them() -> None:
    found = [data for data in real() if parsed(data).rejected == {}]
    assert len(found) > 100
    assert all(is_scanned(data) for data in found)


def test_poisoned_messages_are_cut_as_protobuf_has_them() -> None:
    values = [each.value for each in poison(7, 4000) if each.encoding == "otlp_proto" and each.value]
    assert any([is_scanned(value) for value in values if not breaks(value)])


def breaks(data: bytes) -> bool:
    """Whether a message has no bounds, which scanning must see too."""
    try:
        parsed(data)
    except Malformed:
        assert scan(data, Kinds()) is None
        return True
    return False


def test_bytes_that_are_changed_at_random_are_cut_as_protobuf_has_them() -> None:
    draw = random.Random(11)
    base = [data for data in real() if len(data) < 4000]
    taken = 0
    for _ in range(20_000):
        data = bytearray(draw.choice(base))
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(data))
            match draw.randrange(4):
                case 0:
                    data[at] = draw.randrange(256)
                case 1:
                    data[at] ^= 1 << draw.randrange(8)
                case 2:
                    data.insert(at, draw.choice((0, 1, 0x80, 0xFF, draw.randrange(256))))
                case _:
                    del data[at : at + draw.randint(1, 3)]
        value = bytes(data)
        taken += not breaks(value) and is_scanned(value)
    assert taken > 2000  # what is changed is often a value


def filled(descriptor: Descriptor, depth: int = 0) -> Any:
    """A message with every field that there is, and values that have the most bytes."""
    made = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if (
            field.name in NEVER_SENT
            or field.containing_oneof is not None
            or (depth > 6 and field.message_type)
        ):
            continue
        put(made, field, depth)
    for oneof in descriptor.oneofs:
        which = [field for field in oneof.fields if field.name not in NEVER_SENT]
        put(made, which[depth % len(which)], depth)
    return made


def put(message: Any, field: FieldDescriptor, depth: int) -> None:
    values = {
        FieldDescriptor.CPPTYPE_STRING: "zoë 李"
        if field.type == FieldDescriptor.TYPE_STRING
        else b"\xff" * 8,
        FieldDescriptor.CPPTYPE_INT32: -1,
        FieldDescriptor.CPPTYPE_INT64: -(2**63),
        FieldDescriptor.CPPTYPE_UINT32: 2**32 - 1,
        FieldDescriptor.CPPTYPE_UINT64: 2**64 - 1,
        FieldDescriptor.CPPTYPE_DOUBLE: 0.1,
        FieldDescriptor.CPPTYPE_BOOL: True,
        FieldDescriptor.CPPTYPE_ENUM: 1,
    }
    if field.message_type is not None:
        inner = filled(field.message_type, depth + 1)
        if field.is_repeated:
            getattr(message, field.name).extend([inner, inner])
        else:
            getattr(message, field.name).CopyFrom(inner)
    elif field.is_repeated:
        getattr(message, field.name).extend([values[field.cpp_type]] * 2)
    else:
        value = values[field.cpp_type]
        setattr(message, field.name, b"\1" * 16 if field.name == "trace_id" else value)


def test_every_field_that_otlp_has_is_known() -> None:
    message = filled(ExportTraceServiceRequest.DESCRIPTOR)
    assert is_scanned(message.SerializeToString())


def of_span(data: bytes) -> bytes:
    """A message with one span, serialised by hand."""
    return framed(0x0A, framed(0x12, framed(0x12, data)))


IDS = framed(0x0A, b"\1" * 16) + framed(0x12, b"\2" * 8)


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        framed(0x22, b""),
        framed(0x22, b"\3" * 8),
        framed(0x22, bytes(8)),
        framed(0x2A, b"name"),
        framed(0x2A, b""),
        framed(0x22, b"\3" * 8) + framed(0x2A, b"name"),
        framed(0x2A, b"name") + framed(0x22, b"\3" * 8),
        b"\x2a\x84\x00name",
        b"\x22\x88\x00" + b"\3" * 8 + b"\x2a\x04name",
        framed(0x1A, b"state") + framed(0x2A, b"name"),
        framed(0x2A, b"x" * 100),
        framed(0x2A, b"x" * 200),
        b"\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x85\x01abcd",
        framed(0x4A, b"\x0a\x01k\x12\x02\x0a\x00"),
    ],
)
def test_a_plain_span_is_scanned_however_it_is_written(rest: bytes) -> None:
    assert is_scanned(of_span(IDS + rest))
    assert is_scanned(of_span(rest + IDS))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        framed(0x0A, b"\1" * 16),
        framed(0x0A, b"\1" * 15) + framed(0x12, b"\2" * 8),
        framed(0x0A, bytes(16)) + framed(0x12, b"\2" * 8),
        framed(0x0A, b"\1" * 16) + framed(0x12, bytes(8)),
        IDS + framed(0x22, b"\3" * 7),
        IDS + framed(0x12, b"\3" * 8),  # the later one counts
        IDS + framed(0x2A, b"one") + framed(0x2A, b"two"),
        IDS + framed(0x2A, b"\xff"),
        IDS + framed(0x2A, b"\xed\xa0\x80"),  # a surrogate
        IDS + framed(0x2A, b"\xc0\x80"),  # a zero that is too long
        IDS + framed(0x7A, b"\x0a\x00"),  # a reserved field
        IDS + b"\x32\x01x",  # a number as a text
        IDS + b"\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        IDS + b"\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        IDS + b"\x30",
        IDS + b"\x39abc",
        IDS + b"\x4a\x05abc",
        IDS + b"\x0b\x0c",  # a group
        IDS + b"\xf8\x07\x01",  # a field that is not known
        IDS + b"\x00",
        IDS + b"\x8a\x00\x00",  # a tag that is longer than need be
    ],
)
def test_whatever_else_a_span_may_be_is_left_to_protobuf(data: bytes) -> None:
    assert not is_scanned(of_span(data))
    breaks(of_span(data))


def test_values_are_scanned_to_a_depth_that_protobuf_reads() -> None:
    scanned = [
        depth for depth in (1, 5, 18, 19, 20, 45, 60, 500) if is_scanned(deep([span(1, 1)], depth, False))
    ]
    assert scanned == [1, 5, 18, 19]


def test_spans_of_betrace_itself_are_left_to_protobuf() -> None:
    assert not is_scanned(request(("betrace", [span(1, 1)]), scope="betrace").SerializeToString())


def test_spans_that_a_verifier_may_have_marked_are_left_to_protobuf() -> None:
    marked = Span()
    marked.CopyFrom(span(1, 2))
    marked.attributes.add(key=VERIFIED).value.bool_value = False
    for spans in ([span(1, 1)], [span(1, 1), marked]):
        data = request(("shop", spans)).SerializeToString()
        assert described(split(data, signatures=True)) == described(parsed(data, signatures=True))
    assert (split(data, signatures=True).denied, split(data, signatures=True).unmarked) == (1, 1)


def test_kinds_that_earlier_messages_had_are_the_same() -> None:
    known = Kinds()
    data = request(("shop", [span(1, 1)])).SerializeToString()
    first, second = (split(data, known=known).fragments[b"\0" * 15 + b"\1"].kinds for _ in range(2))
    assert first[0] is second[0]
