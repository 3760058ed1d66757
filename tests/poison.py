"""Poison: what real OTLP messages become on a bad day, from a seed."""

import gzip
import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cramjam
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

from streams.config import Encoding
from streams.otlp import json_of_request
from streams.trace_files import TracesPiece, read

DATA = Path(__file__).parent / "data"
_SPANS = 6  # of a message: small ones, so that many can be tried
_DEPTHS = (45, 47, 48, 49, 60, 500)  # about as deep as protobuf reads, and far deeper


class Poison(NamedTuple):
    """A value for a topic of that encoding, and what was done to it."""

    kind: str
    encoding: Encoding
    value: bytes | None


def poison(seed: int, count: int, folder: Path = DATA) -> Iterator[Poison]:
    """That many values: each kind of mutation in turn, of any message, in both encodings."""
    rng = random.Random(seed)
    known = messages(folder)
    for number in range(count):
        kind, mutate = _MUTATIONS[number // 2 % len(_MUTATIONS)]
        encoding: Encoding = ("otlp_proto", "otlp_json")[number % 2]
        yield Poison(kind, encoding, mutate(rng, rng.choice(known), encoding))


def messages(folder: Path = DATA) -> list[ExportTraceServiceRequest]:
    """Small messages of real spans, of the files in a folder."""
    found: list[ExportTraceServiceRequest] = []
    for path in sorted(
        path for path in folder.rglob("*") if path.suffix in (".json", ".jsonl", ".gz", ".pb")
    ):
        pieces = [piece.request for piece in read(str(path)) if isinstance(piece, TracesPiece)]
        found += [small for request in pieces[:3] for small in _small(request)]
    return found


def serialised(request: ExportTraceServiceRequest, encoding: Encoding) -> bytes:
    """A message as a record's value."""
    return json_of_request(request) if encoding == "otlp_json" else request.SerializeToString()


def deep(spans: Sequence[Span], depth: int, spoilt: bool) -> bytes:
    """These spans, the first with a value that many arrays deep; spoilt by one more, which is not UTF-8.

    Nested by hand, as protobuf writes only what it would read.
    """
    value = b"\x0a\x01x"
    for _ in range(depth):
        value = _field(0x2A, _field(0x0A, value))
    first = spans[0].SerializeToString() + _field(0x4A, _field(0x0A, b"k") + _field(0x12, value))
    fields = [_field(0x12, first)] + [_field(0x12, span.SerializeToString()) for span in spans[1:]]
    if spoilt:
        fields.append(_field(0x12, spans[0].SerializeToString() + _field(0x2A, b"\xff")))
    return _field(0x0A, _field(0x12, b"".join(fields)))


def _small(request: ExportTraceServiceRequest) -> Iterator[ExportTraceServiceRequest]:
    for group in request.resource_spans:
        for scope_spans in group.scope_spans:
            for at in range(0, len(scope_spans.spans), _SPANS):
                made = ExportTraceServiceRequest()
                resource_spans = made.resource_spans.add(resource=group.resource)
                resource_spans.scope_spans.append(
                    ScopeSpans(scope=scope_spans.scope, spans=scope_spans.spans[at : at + _SPANS])
                )
                yield made


_Mutation = Callable[[random.Random, ExportTraceServiceRequest, Encoding], bytes | None]


def _bytes(change: Callable[[random.Random, bytearray, int], object]) -> _Mutation:
    """A mutation of the serialised bytes, at some place in them."""

    def mutate(rng: random.Random, request: ExportTraceServiceRequest, encoding: Encoding) -> bytes:
        data = bytearray(serialised(request, encoding))
        change(rng, data, rng.randrange(len(data)))
        return bytes(data)

    return mutate


def _spans(change: Callable[[random.Random, Span], object]) -> _Mutation:
    """A mutation of one span of the message."""

    def mutate(rng: random.Random, request: ExportTraceServiceRequest, encoding: Encoding) -> bytes:
        changed = ExportTraceServiceRequest.FromString(request.SerializeToString())
        change(rng, rng.choice(changed.resource_spans[0].scope_spans[0].spans))
        return serialised(changed, encoding)

    return mutate


def _flip(rng: random.Random, data: bytearray, at: int) -> None:
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _cut(rng: random.Random, data: bytearray, at: int) -> None:
    del data[at:]


def _remove(rng: random.Random, data: bytearray, at: int) -> None:
    del data[at : at + rng.randint(1, 20)]


def _repeat(rng: random.Random, data: bytearray, at: int) -> None:
    data[at:at] = data[at : at + rng.randint(1, 40)]


def _noise(rng: random.Random, data: bytearray, at: int) -> None:
    data[at:at] = rng.randbytes(rng.randint(1, 20))


def _huge_varint(rng: random.Random, data: bytearray, at: int) -> None:
    data[at : at + 1] = b"\xff" * rng.randint(4, 11) + b"\x01"


def _wrong_byte(rng: random.Random, data: bytearray, at: int) -> None:
    data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _text(rng: random.Random, request: ExportTraceServiceRequest, encoding: Encoding) -> bytes:
    return rng.choice(_TEXTS)


def _other_encoding(rng: random.Random, request: ExportTraceServiceRequest, encoding: Encoding) -> bytes:
    return serialised(request, "otlp_json" if encoding == "otlp_proto" else "otlp_proto")


def _compressed(rng: random.Random, request: ExportTraceServiceRequest, encoding: Encoding) -> bytes:
    data = serialised(request, encoding)
    for _ in range(rng.randint(1, 2)):
        zstd = rng.random() < 0.5
        data = bytes(cramjam.zstd.compress(data)) if zstd else gzip.compress(data, mtime=0)
    return data


def _framed(rng: random.Random, request: ExportTraceServiceRequest, encoding: Encoding) -> bytes:
    return b"\0" + rng.randrange(2**31).to_bytes(4, "big") + serialised(request, encoding)


def _foreign(rng: random.Random, request: ExportTraceServiceRequest, encoding: Encoding) -> bytes:
    """Metrics or logs, whose messages have the same shape."""
    metrics, logs = ExportMetricsServiceRequest(), ExportLogsServiceRequest()
    for number in range(3):
        name = "http.server.req" if number else "sixteen.letters."
        metric = (
            metrics.resource_metrics.add().scope_metrics.add().metrics.add(name=name, description="eight-le")
        )
        metric.gauge.data_points.add(as_double=rng.random())
        record = logs.resource_logs.add().scope_logs.add().log_records.add(severity_text="INFO")
        record.body.string_value = "a line"
        record.trace_id, record.span_id = rng.randbytes(16), rng.randbytes(8)
    return rng.choice((metrics, logs)).SerializeToString()


def _ids(rng: random.Random, span: Span) -> None:
    name = rng.choice(("trace_id", "span_id", "parent_span_id"))
    setattr(span, name, rng.choice((b"", bytes(8), bytes(16), rng.randbytes(rng.randint(1, 40)))))


def _times(rng: random.Random, span: Span) -> None:
    for name in ("start_time_unix_nano", "end_time_unix_nano"):
        setattr(span, name, rng.choice((0, 1, 2**63, 2**64 - 1, rng.getrandbits(64))))


def _odd_values(rng: random.Random, span: Span) -> None:
    span.name = rng.choice(("", "\0", "\u202e" * 9, "x" * 9000, span.name))
    values = [span.attributes.add(key=key).value for key in ("", "a", "a", "amount", "http.method")]
    values[1].double_value = rng.choice((float("nan"), float("inf"), 5e-324))
    values[2].int_value = rng.choice((-(2**63), 2**63 - 1))
    values[3].bytes_value = rng.randbytes(9)
    values[4].kvlist_value.values.add(key="k")


def _nested(rng: random.Random, request: ExportTraceServiceRequest, encoding: Encoding) -> bytes:
    changed = ExportTraceServiceRequest.FromString(request.SerializeToString())
    spans = changed.resource_spans[0].scope_spans[0].spans
    if encoding == "otlp_json":
        for _ in range(rng.randint(1, 60)):
            spans[0].attributes.add(key="k").value.array_value.values.add()
        text = json_of_request(changed)
        return text.replace(b'"values":[{}]', b'"values":' + b"[" * 9 + b"]" * 9).replace(
            b"[[", b"[" * rng.choice((2, 2000)), 1
        )
    return deep(spans, rng.choice(_DEPTHS), rng.random() < 0.5)


def _twice(rng: random.Random, request: ExportTraceServiceRequest, encoding: Encoding) -> bytes:
    """A span whose ids stand in it twice: the last ones count."""
    span = request.resource_spans[0].scope_spans[0].spans[0]
    again = Span(trace_id=rng.randbytes(16), span_id=rng.randbytes(8)).SerializeToString()
    inner = _field(0x12, span.SerializeToString() + again)
    data = _field(0x0A, _field(0x12, inner))
    return data if encoding == "otlp_proto" else json_of_request(ExportTraceServiceRequest.FromString(data))


def _not_utf8(rng: random.Random, request: ExportTraceServiceRequest, encoding: Encoding) -> bytes:
    data = serialised(request, encoding)
    name = rng.choice(request.resource_spans[0].scope_spans[0].spans).name.encode()
    return data.replace(name, b"\xff" + name[1:], 1) if name else data


def _odd_json(rng: random.Random, request: ExportTraceServiceRequest, encoding: Encoding) -> bytes:
    """JSON that is not what its fields take; in a protobuf topic it is only text."""
    text = json_of_request(request).decode()
    value = rng.choice(('"\\ud800"', "1e999", "NaN", "-1", "9" * 5000, "{}", "[]", "null", '"zz"', "true"))
    key = rng.choice(('"traceId":', '"spanId":', '"name":', '"startTimeUnixNano":', '"spans":', '"key":'))
    before, found, after = text.partition(key)
    return (
        f"{before}{key}{value},{found}{after}" if rng.random() < 0.5 else _instead(text, key, value)
    ).encode()


def _instead(text: str, key: str, value: str) -> str:
    """The first such key's value replaced, where it is a text."""
    before, found, after = text.partition(key + '"')
    return f"{before}{key}{value}{after[after.index(chr(34)) + 1 :]}" if found else text


def _base64_ids(rng: random.Random, request: ExportTraceServiceRequest, encoding: Encoding) -> bytes:
    """Ids as protobuf's own JSON has them."""
    value = json.loads(json_of_request(request))
    for span in value["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        span["traceId"], span["spanId"] = "W47/ldbAbXHyQvOPvyDLZQ==", "7Yp5C1R+Wkg="
    return json.dumps(value).encode()


def _nothing(rng: random.Random, request: ExportTraceServiceRequest, encoding: Encoding) -> bytes | None:
    return rng.choice((None, b"", b" \n", b"\0", b"\0" * 100, b"{}", b"[]", b"null"))


def _field(tag: int, value: bytes) -> bytes:
    return bytes((tag,)) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes((value,))


_TEXTS = (
    b"hello",
    b"time,level,text\n2026-01-01,INFO,started\n",
    b"<html><body>502 Bad Gateway</body></html>",
    "für Elise".encode("utf-16"),
    b'{"level": "info", "msg": "started"}',
    b"\n\x0bhello world",
    # a java.util.HashMap as Java's serialisation writes it
    bytes.fromhex("aced0005737200116a6176612e7574696c2e486173684d61700507dac1c31660d10300024600"),
    b"\x4f\x62\x6a\x01\x04\x14avro.codec\x08null\x16avro.schema",
)
_MUTATIONS: tuple[tuple[str, _Mutation], ...] = (
    ("bits flipped", _bytes(_flip)),
    ("bits flipped", _bytes(_flip)),
    ("cut short", _bytes(_cut)),
    ("a part removed", _bytes(_remove)),
    ("a part repeated", _bytes(_repeat)),
    ("noise put in", _bytes(_noise)),
    ("huge varint", _bytes(_huge_varint)),
    ("a wrong byte or length", _bytes(_wrong_byte)),
    ("a wrong byte or length", _bytes(_wrong_byte)),
    ("text", _text),
    ("the other encoding", _other_encoding),
    ("compressed", _compressed),
    ("schema registry frame", _framed),
    ("metrics or logs", _foreign),
    ("wrong ids", _spans(_ids)),
    ("odd times", _spans(_times)),
    ("odd values", _spans(_odd_values)),
    ("nested", _nested),
    ("ids twice", _twice),
    ("not UTF-8", _not_utf8),
    ("odd JSON", _odd_json),
    ("ids in base64", _base64_ids),
    ("nothing", _nothing),
)
