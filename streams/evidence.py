"""How BeTrace's own spans are told from everybody else's."""

import hashlib

from opentelemetry.proto.trace.v1.trace_pb2 import Span

SCOPE = "betrace"
EVIDENCE_ID = "betrace.evidence.id"


def evidence_span_id(evidence_id: str, name: str) -> bytes:
    """The 8-byte span id of an emitted span: the first 8 bytes of SHA-256 of its evidence id and its name."""
    return hashlib.sha256((evidence_id + name).encode()).digest()[:8]


def is_own(scope_name: str, span: Span | None) -> bool:
    """Whether BeTrace emitted this span: the scope alone is not enough, its id must derive as ours do."""
    if scope_name != SCOPE or span is None:
        return False
    ids = (a.value.string_value for a in span.attributes if a.key == EVIDENCE_ID)
    return any(span.span_id == evidence_span_id(evidence_id, span.name) for evidence_id in ids)
