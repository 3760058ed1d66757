"""What bytes look like that are not what their topic says: a hint for people, on which nothing depends."""

from typing import Final, NamedTuple

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from streams.config import Encoding
from streams.otlp import WireError, json_value
from streams.otlp_json import kind_of, shortened
from streams.reading import read

_MOST = 2**20  # bytes of a text that are looked at
_MAGIC: Final = (
    (b"\x1f\x8b", "gzip: it was compressed by more than Kafka"),
    (b"\x28\xb5\x2f\xfd", "zstd: it was compressed by more than Kafka"),
    (b"\x04\x22\x4d\x18", "lz4: it was compressed by more than Kafka"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy: it was compressed by more than Kafka"),
    (b"\xac\xed\x00\x05", "an object that Java serialised"),
    (b"Obj\x01", "an Avro file"),
)
_ENCODINGS: Final[tuple[tuple[Encoding, str], ...]] = (
    ("otlp_proto", "OTLP traces in protobuf"),
    ("otlp_json", "OTLP traces in JSON"),
)


class Looks(NamedTuple):
    """What it looks like; `encoding` if it can be read as that."""

    text: str
    encoding: Encoding | None = None


def what_it_looks_like(value: bytes) -> Looks | None:
    """A guess, or None."""
    for magic, text in _MAGIC:
        if value.startswith(magic):
            return Looks(text)
    for encoding, text in _ENCODINGS:
        if _has_good_spans(encoding, value):
            return Looks(text, encoding)
    if value[:1] == b"\0" and len(value) > 5:
        return Looks("a record of a Schema Registry: its first five bytes are not its own")
    return _telemetry(value) or _text(value)


def _has_good_spans(encoding: Encoding, value: bytes) -> bool:
    try:
        return bool(read(encoding, value).fragments)
    except WireError:
        return False


def _telemetry(value: bytes) -> Looks | None:
    metrics, logs = ExportMetricsServiceRequest(), ExportLogsServiceRequest()
    if _parses(metrics, value) and any(
        metric.WhichOneof("data")
        for group in metrics.resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
    ):
        return Looks("OTLP metrics in protobuf")
    if _parses(logs, value) and any(
        record.HasField("body") or record.time_unix_nano
        for group in logs.resource_logs
        for scope in group.scope_logs
        for record in scope.log_records
    ):
        return Looks("OTLP logs in protobuf")
    return None


def _parses(message: Message, value: bytes) -> bool:
    try:
        message.ParseFromString(value)
    except DecodeError:
        return False
    return True


def _text(value: bytes) -> Looks | None:
    try:
        text = value[:_MOST].decode()
    except UnicodeDecodeError:
        return None
    try:
        found = json_value(value[:_MOST])
    except WireError:
        shown = " ".join(text[:60].split())
        return Looks(f"text: {shown}") if shown.isprintable() and shown else None
    return Looks(
        f"JSON, {kind_of(found)}"
        + (f" with {shortened(', '.join(found))}" if isinstance(found, dict) else "")
    )
