"""Reads OTLP as it comes over the wire: protobuf, and JSON with its hexadecimal ids."""

import base64
import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_ID_KEYS = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)


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
    """Read a protobuf request; WireError when it is none, or a foreign one that looks like an empty one."""
    try:
        request = ExportTraceServiceRequest.FromString(data)
    except DecodeError as problem:
        raise WireError("malformed", f"not an OTLP protobuf message: {problem}") from None
    if data and not request.resource_spans:
        raise WireError("not_otlp", "a protobuf message, but not OTLP traces")
    return request


def request_of_json(data: bytes) -> ExportTraceServiceRequest:
    """Read a JSON request; WireError says what is wrong with it."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as problem:
        raise WireError("malformed", f"not JSON: {problem}") from None
    if not isinstance(value, dict):
        raise WireError("not_otlp", "OTLP/JSON is an object with resourceSpans")
    request = ExportTraceServiceRequest()
    try:
        json_format.ParseDict(_with_base64_ids(value), request, ignore_unknown_fields=True)
    except (json_format.ParseError, RecursionError) as problem:
        raise WireError("malformed", f"not OTLP/JSON: {problem}") from None
    if not request.resource_spans:
        raise WireError("not_otlp", "JSON, but without resourceSpans")
    return request


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


def _with_base64_ids(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _base64(v) if k in _ID_KEYS else _with_base64_ids(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in value]
    return value


def _base64(value: Any) -> Any:
    try:
        return base64.b64encode(bytes.fromhex(value)).decode()
    except (ValueError, TypeError):
        return ""
