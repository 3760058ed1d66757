"""The bytes that a span's signature authenticates, in the format otel-span-signature/v1.

`collector/spec/otel-span-signature-v1.md` is the specification, `collector/spansignature` the same in Go.
"""

import hashlib
import hmac
import math
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntFlag

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

MAX_DEPTH = 32
MAX_BYTES = 2**20
ALGORITHM = "HMAC-SHA256"
TAG = "span.signature"
VERIFIED = "span.signature.verified"
"""What a verifier in the Collector says of a span."""

_MAGIC = b"otel-span-signature/v1\0"
_NAN = bytes.fromhex("7ff8000000000000")


class Coverage(IntFlag):
    """The parts of a span that a signature covers."""

    CORE = 1
    ATTRIBUTES = 2
    EVENTS = 4
    LINKS = 8
    RESOURCE = 16
    SCOPE = 32
    TRACE_STATE = 64
    DROPPED = 128
    FLAGS = 256
    SCHEMA = 512


STORAGE = Coverage(0x3F)
FULL = Coverage(0x3FF)
PROFILES = {"core": Coverage.CORE, "storage": STORAGE, "full": FULL}


class Unsignable(ValueError):
    """A span that no signature can cover; the text is its code."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is covered, keys in order of bytes. `resource_keys` is None for all attributes of the resource."""

    coverage: int = STORAGE
    resource_keys: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """What a signature says of itself."""

    key_id: str
    timestamp: int
    selection: Selection = Selection()
    algorithm: str = ALGORITHM


@dataclass(frozen=True, slots=True)
class Place:
    """Where a span stands: its resource and scope, and their schema URLs."""

    resource: Resource
    scope: InstrumentationScope
    resource_schema: str = ""
    scope_schema: str = ""


def is_reserved(key: str) -> bool:
    """Whether an attribute belongs to the signature, and so is not covered by it."""
    return key == TAG or key.startswith(f"{TAG}.")


def message(header: Header, place: Place, span: Span) -> bytes:
    """What the tag authenticates; Unsignable where the format has no bytes for a span."""
    selection = header.selection
    parts = [_MAGIC, _text(header.algorithm), _text(header.key_id), struct.pack(">q", header.timestamp)]
    parts.append(_u32(selection.coverage))
    parts.append(b"\0" if selection.resource_keys is None else b"\1" + _texts(selection.resource_keys))
    parts.append(_texts(selection.exclude))
    covered = Coverage(selection.coverage)
    parts += _place(covered, selection, place)
    parts += _core(span)
    parts += _rest(covered, selection, span)
    data = b"".join(parts)
    if len(data) > MAX_BYTES:
        raise Unsignable("too_large")
    return data


def tag(secret: bytes, data: bytes) -> bytes:
    """The 32 bytes of HMAC-SHA256."""
    return hmac.digest(secret, data, "sha256")


def legacy_message(span: Span) -> bytes:
    """What a signature of the older format (BeTrace's decision record 24) is of."""
    return f"{span.trace_id.hex()}:{span.span_id.hex()}:{span.name}:{span.start_time_unix_nano}".encode()


def key_info(tenant: str, epoch: str, version: str = "v1") -> bytes:
    """The message whose MAC under a provider's key is the key of a tenant and epoch."""
    return f"otel-span-signature/{version}/kdf".encode() + b"\0" + _text(tenant) + _text(epoch)


def derived(master: bytes, info: bytes) -> bytes:
    """The key of a tenant and epoch below a master."""
    return hmac.new(master, info, hashlib.sha256).digest()


def _place(covered: Coverage, selection: Selection, place: Place) -> Iterable[bytes]:
    if Coverage.RESOURCE in covered:
        only = selection.resource_keys
        kept = [each for each in place.resource.attributes if only is None or each.key in only]
        yield b"\x01" + _attributes(kept, ())
    if Coverage.SCOPE in covered:
        yield b"\x02" + _text(place.scope.name) + _text(place.scope.version)
        yield _map(place.scope.attributes)
    if Coverage.SCHEMA in covered:
        yield b"\x03" + _text(place.resource_schema) + _text(place.scope_schema)


def _core(span: Span) -> Iterable[bytes]:
    yield b"\x10" + _id(span.trace_id, 16) + _id(span.span_id, 8) + _id(span.parent_span_id, 8)
    yield _text(span.name)
    yield struct.pack(
        ">iQQi", span.kind, span.start_time_unix_nano, span.end_time_unix_nano, span.status.code
    )
    yield _text(span.status.message)


def _rest(covered: Coverage, selection: Selection, span: Span) -> Iterable[bytes]:
    if Coverage.TRACE_STATE in covered:
        yield b"\x11" + _text(span.trace_state)
    if Coverage.FLAGS in covered:
        yield b"\x12" + _u32(span.flags)
    if Coverage.DROPPED in covered:
        dropped = (span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count)
        yield b"\x13" + struct.pack(">III", *dropped)
    if Coverage.ATTRIBUTES in covered:
        yield b"\x14" + _attributes(span.attributes, selection.exclude)
    if Coverage.EVENTS in covered:
        yield b"\x15" + _u32(len(span.events)) + b"".join(map(_event, span.events))
    if Coverage.LINKS in covered:
        flags = Coverage.FLAGS in covered
        yield b"\x16" + _u32(len(span.links)) + b"".join(_link(link, flags) for link in span.links)


def _event(event: Span.Event) -> bytes:
    return struct.pack(">Q", event.time_unix_nano) + _text(event.name) + _map(event.attributes)


def _link(link: Span.Link, flags: bool) -> bytes:
    head = _id(link.trace_id, 16) + _id(link.span_id, 8) + _text(link.trace_state)
    return head + (_u32(link.flags) if flags else b"") + _map(link.attributes)


def _attributes(attributes: Iterable[KeyValue], exclude: Sequence[str]) -> bytes:
    return _map([each for each in attributes if not is_reserved(each.key) and each.key not in exclude])


def _map(pairs: Sequence[KeyValue], depth: int = 1) -> bytes:
    """Keys are sorted by their bytes in UTF-8, which is the order of Python's strings."""
    parts = [_u32(len(pairs))]
    last: str | None = None
    for pair in sorted(pairs, key=lambda each: each.key):
        if pair.key == last:
            raise Unsignable("duplicate_key")
        last = pair.key
        parts += (_text(pair.key), _value(pair.value, depth))
    return b"".join(parts)


def _value(value: AnyValue, depth: int) -> bytes:
    """A value; an attribute's own is at depth 1."""
    if depth > MAX_DEPTH:
        raise Unsignable("too_deep")
    kind = value.WhichOneof("value")
    return _VALUES[kind](value, depth) if kind in _VALUES else b"\x00"


def _double(number: float) -> bytes:
    return _NAN if math.isnan(number) else struct.pack(">d", number)


def _array(values: Sequence[AnyValue], depth: int) -> bytes:
    return _u32(len(values)) + b"".join(_value(each, depth + 1) for each in values)


_VALUES: dict[str | None, Callable[[AnyValue, int], bytes]] = {
    "string_value": lambda value, _: b"\x01" + _text(value.string_value),
    "bool_value": lambda value, _: b"\x02" + bytes((value.bool_value,)),
    "int_value": lambda value, _: b"\x03" + struct.pack(">q", value.int_value),
    "double_value": lambda value, _: b"\x04" + _double(value.double_value),
    "array_value": lambda value, depth: b"\x05" + _array(value.array_value.values, depth),
    "kvlist_value": lambda value, depth: b"\x06" + _map(value.kvlist_value.values, depth + 1),
    "bytes_value": lambda value, _: b"\x07" + _u32(len(value.bytes_value)) + value.bytes_value,
}


def _id(value: bytes, length: int) -> bytes:
    if len(value) not in (0, length):
        raise Unsignable("bad_id")
    return value or bytes(length)


def _text(text: str) -> bytes:
    data = text.encode()
    return _u32(len(data)) + data


def _texts(texts: Sequence[str]) -> bytes:
    return _u32(len(texts)) + b"".join(map(_text, texts))


def _u32(value: int) -> bytes:
    return struct.pack(">I", value)
