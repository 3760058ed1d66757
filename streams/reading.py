"""Reads one input record: its spans by trace, or why it has none; for the worker and for `betrace replay`."""

from collections.abc import Iterator
from typing import Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams.config import Encoding
from streams.fragment import Fragment
from streams.kinds import Kinds
from streams.otlp import WireError, request_of_json
from streams.split import Malformed, Split, cut, split

REASONS: Final = (
    "malformed",
    "not_otlp",
    "no_spans",
    "bad_trace_id",
    "bad_span_id",
    "bad_parent_id",
    "malformed_span",
    "span_too_large",
)
"""Why a record (the first three) or a span is not judged."""

_MARGIN = 1024  # bytes of a block that are not spans


def read(encoding: Encoding, value: bytes, *, signatures: bool = False, known: Kinds | None = None) -> Split:
    """Cut a record by trace; WireError for one that holds no spans. An empty record is no error.

    `known` are kinds that earlier records had.
    """
    try:
        parts = _split(encoding, value, signatures, known)
    except Malformed as problem:
        raise WireError("malformed", f"not an OTLP protobuf message: {problem}") from None
    if value and not parts.received:
        raise WireError("no_spans", "a message without spans, or one that only looks like OTLP")
    return parts


def pieces(parts: Split, block_bytes: int) -> Iterator[tuple[bytes, Fragment]]:
    """Each trace's spans in pieces that fit in a block; a span that alone does not is rejected in `parts`."""
    limit = block_bytes - _MARGIN
    if parts.most < limit:
        yield from parts.fragments.items()
        return
    room = limit - parts.common
    for trace_id, fragment in parts.fragments.items():
        if fragment.size < room:
            yield trace_id, fragment
            continue
        fitting, too_large = cut(parts, fragment, limit)
        if too_large:
            parts.rejected.setdefault("span_too_large", []).extend(too_large)
        for piece in fitting:
            yield trace_id, piece


def _split(encoding: Encoding, value: bytes, signatures: bool, known: Kinds | None) -> Split:
    if encoding == "otlp_json":
        request = request_of_json(value) if value.strip() else ExportTraceServiceRequest()
        return split(request.SerializeToString(), request=request, signatures=signatures, known=known)
    return split(value, signatures=signatures, known=known)
