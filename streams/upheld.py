"""Rules that name a control and held on a trace: which of them are told, and the spans that tell them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from dsl.rule import Control
from dsl.trace import Trace
from dsl.verdict import Verdict
from streams.compliance import JUDGED, Place, Statement, compliance_spans
from streams.config import Held
from streams.own_spans import Value, in_time, record
from streams.redaction import Redaction

_SAMPLE = 60 * 10**9  # ns in which one trace of a rule is told, a partition


class Upheld(NamedTuple):
    """A rule that held on a trace, by JSON's types; times are Unix ns. `publish`: it was not told before."""

    rule_id: str
    version: int
    controls: Sequence[Sequence[str]]
    trace_id: str
    parent: str
    service: str
    complete: bool
    start: int
    end: int
    at: int
    publish: bool = True


@dataclass(slots=True)
class Sampling:
    """Of a partition: which traces on which a rule held are told."""

    held: Held = "sample"
    _told: dict[tuple[str, int], int] = field(default_factory=dict)

    def takes(self, verdict: Verdict, now: int) -> bool:
        """Whether this one, of a rule that names a control, is told at `now` (Unix ns)."""
        rule = verdict.rule
        if self.held == "off" or verdict.outcome != "satisfied" or rule.mode == "shadow":
            return False
        turn = now // _SAMPLE
        if self.held == "sample" and self._told.get((rule.id, rule.version)) == turn:
            return False
        self._told[(rule.id, rule.version)] = turn
        return True


def upheld(trace: Trace, verdict: Verdict, now: int, redaction: Redaction) -> Upheld:
    """As it is kept; it hangs on the root, else on the first span of the trace."""
    span = trace.root or min(trace.spans, key=lambda each: (each.start, each.span_id))
    rule = verdict.rule
    return Upheld(
        rule.id, rule.version, [list(control) for control in rule.compliance], trace.trace_id.hex(),
        span.span_id.hex(), redaction.name(span.service), verdict.complete, trace.start, trace.end, now,
    )  # fmt: skip


def again(before: Iterable[Upheld], found: Iterable[Upheld], broken: frozenset[str]) -> list[Upheld]:
    """All that is told of a trace that was judged again.

    Not anew what was told before, nor of rules that were `broken`: their retraction tells that they hold.
    """
    kept = [each._replace(publish=False) for each in before]
    told = {(each.rule_id, each.version) for each in kept}
    new = [each for each in found if (each.rule_id, each.version) not in told and each.rule_id not in broken]
    return kept + new


def records(found: Iterable[Upheld]) -> list[tuple[str, bytes]]:
    """What goes to the evidence topic: trace ids (hex) and requests."""
    return [record(span) for each in found for span in _spans(each)]


def _spans(found: Upheld) -> list[OtlpSpan]:
    more: dict[str, Value] = {
        "betrace.rule.id": found.rule_id,
        "betrace.rule.version": found.version,
        "betrace.trace.id": found.trace_id,
        "betrace.trace.complete": found.complete,
        "betrace.service": found.service,
    }
    statement = Statement(JUDGED, "success", f"{found.rule_id} {found.version} {found.trace_id}", more)
    home, parent = bytes.fromhex(found.trace_id), bytes.fromhex(found.parent)
    place = (
        Place(found.start, max(found.start, found.end), home, parent)
        if in_time(found.end, found.at)
        else Place(found.start, max(found.start, found.end), links=((home, parent),))
    )
    return compliance_spans(statement, [Control(*pair) for pair in found.controls], place)
