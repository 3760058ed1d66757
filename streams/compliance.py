"""Compliance spans: that a control was exercised, one span a pair of framework and control, all scalars."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from dsl.rule import Control
from streams.own_spans import EVIDENCE_ID, Value, attributes, evidence_span_id, own_trace

COMPLIANCE: Final = "compliance.evidence"
JUDGED: Final = "rule.judge"  # the operation of a rule that was broken, or held

Outcome = Literal["success", "failure"]


class Statement(NamedTuple):
    """That an operation exercised a control; `subject` tells it from all others of the kind."""

    operation: str
    outcome: Outcome
    subject: str
    more: Mapping[str, Value] = {}


class Place(NamedTuple):
    """Where a span stands: without a trace id in one of its own. Times are Unix ns."""

    start: int
    end: int
    trace_id: bytes = b""
    parent: bytes = b""
    links: tuple[tuple[bytes, bytes], ...] = ()  # trace ids, span ids


def compliance_spans(statement: Statement, controls: Iterable[Control], place: Place) -> list[Span]:
    """One span for each control; the same for the same statement, whenever it is made."""
    return [_span(statement, control, place) for control in dict.fromkeys(controls)]


def _span(statement: Statement, control: Control, place: Place) -> Span:
    evidence_id = _evidence_id(statement, control)
    values: dict[str, Value] = {
        EVIDENCE_ID: evidence_id,
        "compliance.framework": control.framework,
        "compliance.control": control.control,
        "compliance.operation": statement.operation,
        "compliance.outcome": statement.outcome,
        **statement.more,
    }
    return Span(
        trace_id=place.trace_id or own_trace(evidence_id),
        span_id=evidence_span_id(evidence_id, COMPLIANCE),
        parent_span_id=place.parent,
        name=COMPLIANCE,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=place.start,
        end_time_unix_nano=place.end,
        attributes=attributes(values),
        links=[Span.Link(trace_id=trace_id, span_id=span_id) for trace_id, span_id in place.links],
    )


def _evidence_id(statement: Statement, control: Control) -> str:
    stated = [*control, statement.operation, statement.outcome, statement.subject]
    return hashlib.sha256(json.dumps(stated, separators=(",", ":")).encode()).digest()[:16].hex()
