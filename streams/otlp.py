"""Reads OTLP as it comes over the wire: protobuf, and JSON with its hexadecimal ids."""

import base64
import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams.otlp_json import Wrong, fields_of, kind_of, shortened

_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)
_ID_KEYS = frozenset({"traceId", "spanId", "parentSpanId"})
_KEYS = ("resourceSpans", "resource_spans")
_TEMPO_KEY = "batches"


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
        text = data.decode("utf-8-sig")
        return json.loads(text, parse_int=_integer if "-0" in text else None)
    except UnicodeDecodeError as problem:
        raise WireError("malformed", f"not UTF-8: byte {problem.start}") from None
    except json.JSONDecodeError as problem:
        line = f"line {problem.lineno}, " if problem.lineno > 1 else ""
        raise WireError("malformed", f"not JSON: {problem.msg}: {line}column {problem.colno}") from None
    except RecursionError:
        raise WireError("malformed", "JSON nested too deeply") from None
    except ValueError:
        raise WireError("malformed", "not JSON: a number with too many digits") from None


def _integer(digits: str) -> int | float:
    """The number, -0 as the double that it was written from: signatures tell it from 0."""
    return -0.0 if digits == "-0" else int(digits)


def request_of_value(value: object) -> ExportTraceServiceRequest:
    """Read a request from its parsed JSON, as `request_of_json` does.

    So is what the query APIs answer of Tempo (`batches` or `trace`, ids in base64) and Jaeger (`result`).
    """
    if not isinstance(value, dict):
        raise WireError("not_otlp", f"{kind_of(value)}, but OTLP/JSON is an object with resourceSpans")
    inner, tempo = _unwrapped(value)
    key = next((key for key in (*_KEYS, _TEMPO_KEY) if key in inner), None)
    if key is None and inner:
        raise WireError("not_otlp", f"JSON without resourceSpans; its keys: {shortened(', '.join(inner))}")
    try:
        fields = fields_of({"resourceSpans": inner[key]} if key else {}, tempo=tempo)
    except Wrong as problem:
        path = problem.path.replace(".resourceSpans", key or "", 1)
        raise WireError("malformed", f"not OTLP/JSON: {path}: {problem}") from None
    return ExportTraceServiceRequest(**fields)


def _unwrapped(value: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The object with the spans, and whether Tempo wrote it."""
    if any(key in value for key in _KEYS):
        return value, False
    if isinstance(value.get("result"), dict):
        return value["result"], False
    if isinstance(value.get("trace"), dict):
        return value["trace"], True
    return value, _TEMPO_KEY in value


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
