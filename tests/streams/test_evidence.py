"""What a violation becomes as a span: in its trace, within its time, the same on every repeat."""

import json
import random
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from dsl.compile import compile_rule
from dsl.judge import judge
from dsl.rule import Control, Rule
from dsl.trace import Trace
from streams.evidence import RETRACTED, VIOLATION, nanoseconds, records, violation_span
from streams.own_spans import EVIDENCE_ID, MAX_BYTES, evidence_span_id, is_own
from streams.split import split
from streams.violation import timestamp, violation_json
from tests.streams.spans import request, span

START = 1_770_000_000 * 10**9
TEXTS = ("shop", "лавка ✓", "x" * 3000, "👍" * 1000, "é" * 1025, "", "a\x00b", "\ud800")


def of(**changes: Any) -> dict[str, Any]:
    """A violation of a trace of 1 s, found 5 s after its end."""
    evidence = {"spanId": "00000000000000aa", "startTime": timestamp(START + 10**8), "durationMs": 20.5}
    return {
        "id": "ab" * 16, "status": "open", "revision": 1, "mode": "enforce", "severity": "high",
        "ruleId": "r", "ruleName": "Rule", "ruleVersion": 3, "service": "shop", "message": "no check",
        "traceId": "cd" * 16,
        "spans": [evidence], "parentSpanId": "00000000000000aa", "complete": True, "decisionReason": "root",
        "traceStart": timestamp(START), "traceEnd": timestamp(START + 10**9),
        "detectedAt": timestamp(START + 6 * 10**9), "updatedAt": timestamp(START + 6 * 10**9),
        "compliance": [], "history": [{"status": "open"}],
    } | changes  # fmt: skip


def retracted(after: int, **changes: Any) -> dict[str, Any]:
    """The same, retracted so many seconds after the end of its trace."""
    history = [{"status": "open"}, {"status": "retracted"}]
    at = timestamp(START + (1 + after) * 10**9)
    return of(status="retracted", revision=2, updatedAt=at, history=history) | changes


def attributes(made: Any) -> dict[str, Any]:
    def plain(value: AnyValue) -> Any:
        kind = str(value.WhichOneof("value"))
        return [plain(v) for v in value.array_value.values] if kind == "array_value" else getattr(value, kind)

    return {a.key: plain(a.value) for a in made.attributes}


def spans_in(found: list[tuple[str, bytes]]) -> list[Any]:
    """The spans of records, each of which holds one."""
    return [
        ExportTraceServiceRequest.FromString(data).resource_spans[0].scope_spans[0].spans[0]
        for _, data in found
    ]


def test_a_violation_stands_in_its_trace_under_its_first_evidence_and_within_its_time() -> None:
    made = violation_span(of(compliance=[{"framework": "soc2", "control": "CC6.1"}]))
    assert made is not None
    assert (made.trace_id.hex(), made.parent_span_id.hex()) == ("cd" * 16, "00000000000000aa")
    assert (made.name, made.kind, made.status.code, len(made.links)) == (VIOLATION, 1, 0, 0)
    assert made.start_time_unix_nano == START + 10**8
    assert made.end_time_unix_nano == START + 10**8 + 20_500_000
    assert attributes(made) == {
        "betrace.violation": True,
        "betrace.evidence.id": "ab" * 16,
        "betrace.violation.id": "ab" * 16,
        "betrace.violation.rule_id": "r",
        "betrace.violation.rule_name": "Rule",
        "betrace.violation.rule_version": 3,
        "betrace.violation.severity": "high",
        "betrace.violation.message": "no check",
        "betrace.violation.service": "shop",
        "betrace.violation.trace_id": "cd" * 16,
        "betrace.violation.detected_at": of()["detectedAt"],
        "betrace.trace.complete": True,
        "betrace.trace.decision_reason": "root",
        "betrace.evidence.span_ids": ["00000000000000aa"],
        "compliance.framework": "soc2",
        "compliance.control": "CC6.1",
    }


def test_several_controls_are_lists() -> None:
    pairs = [{"framework": "soc2", "control": c} for c in ("CC6.1", "CC6.7")]
    made = attributes(violation_span(of(compliance=pairs)))
    assert (made["compliance.framework"], made["compliance.control"]) == ("soc2", ["CC6.1", "CC6.7"])


@pytest.mark.parametrize("late", [of(updatedAt=timestamp(START + 92 * 10**9)), of()])
def test_what_is_found_late_or_replayed_has_a_trace_of_its_own_with_links(late: dict[str, Any]) -> None:
    made = violation_span(late, replayed=late == of())
    assert made is not None
    assert (made.parent_span_id, len(made.trace_id)) == (b"", 16)
    assert made.trace_id.hex() != "cd" * 16
    assert [(link.trace_id.hex(), link.span_id.hex()) for link in made.links] == [
        ("cd" * 16, "00000000000000aa")
    ]


def test_without_evidence_it_hangs_on_the_span_that_is_told_and_lasts_as_long_as_the_trace() -> None:
    made = violation_span(of(spans=[], parentSpanId="00000000000000bb"))
    assert made is not None
    assert made.parent_span_id.hex() == "00000000000000bb"
    assert (made.start_time_unix_nano, made.end_time_unix_nano) == (START, START + 10**9)


@pytest.mark.parametrize(("after", "inside"), [(20, True), (200, False)])
def test_a_retraction_has_its_own_id_and_a_link_to_what_it_takes_back(after: int, inside: bool) -> None:
    first, made = violation_span(of()), violation_span(retracted(after))
    assert first is not None
    assert made is not None
    assert (made.name, made.span_id == first.span_id) == (RETRACTED, False)
    assert (made.links[-1].trace_id, made.links[-1].span_id) == (first.trace_id, first.span_id)
    assert (made.trace_id == first.trace_id) is inside
    assert len(made.links) == (1 if inside else 2)


def test_an_amended_violation_and_one_of_a_shadow_rule_write_no_span() -> None:
    twice = [{"status": "open"}] * 2
    assert violation_span(of(revision=2, history=twice)) is None
    assert violation_span(of(mode="shadow")) is None


def test_a_violation_that_is_open_again_writes_a_span_of_another_id() -> None:
    history = [{"status": s} for s in ("open", "retracted", "open")]
    made, first = violation_span(of(revision=3, history=history)), violation_span(of())
    assert made is not None
    assert first is not None
    assert (made.name, made.span_id == first.span_id) == (VIOLATION, False)


def test_a_repeat_is_the_same_and_own_spans_are_known_when_they_come_back() -> None:
    values = [json.dumps(each).encode() for each in (of(), retracted(3), retracted(300), of(mode="shadow"))]
    found = records(values)
    assert found == records(values)
    assert [key for key, _ in found][:2] == ["cd" * 16] * 2
    assert len(found) == 3
    for _, data in found:
        assert split(data).own == 1


def test_what_is_judged_of_a_trace_is_written_into_it_also_without_evidence_or_a_root() -> None:
    spans = [span(7, 2, parent=9, name="b", start=3, end=8), span(7, 3, parent=9, name="a", start=1, end=5)]
    trace = Trace.of(request(("shop", spans)).SerializeToString())
    rule = Rule("r", "trace.span_count > 1", "r", compliance=(Control("gdpr", "art. 5"),))
    verdict = judge(compile_rule(rule), trace, 1000)
    made = violation_span(violation_json(trace, verdict, verdict.violations[0], "timeout", 10**9))
    assert made is not None
    assert made.trace_id == trace.trace_id
    assert made.parent_span_id == (3).to_bytes(8, "big")
    assert (made.start_time_unix_nano, made.end_time_unix_nano) == (trace.start, trace.end)


def random_violation(rnd: random.Random) -> dict[str, Any]:
    start = rnd.randrange(1, 2**62)
    length = rnd.choice([0, 1, rnd.randrange(10**12)])
    at = start + length + rnd.randrange(-(10**12), 10**12)
    spans = [
        {
            "spanId": f"{rnd.randrange(1, 2**64):016x}",
            "startTime": timestamp(start + (begin := rnd.randint(0, length))),
            "durationMs": rnd.randint(0, length - begin) / 1e6,
        }
        for _ in range(rnd.choice([0, 1, 1, 3, 20]))
    ]
    status = rnd.choice(["open", "retracted"])
    pairs = [{"framework": rnd.choice(TEXTS), "control": rnd.choice(TEXTS)} for _ in range(rnd.randrange(4))]
    return of(
        id=f"{rnd.getrandbits(128):032x}", traceId=f"{rnd.randrange(1, 2**128):032x}", status=status,
        revision=2 if status == "retracted" else 1, spans=spans, compliance=pairs,
        parentSpanId=spans[0]["spanId"] if spans else f"{rnd.randrange(1, 2**64):016x}",
        ruleName=rnd.choice(TEXTS), message=rnd.choice(TEXTS) * rnd.randrange(3), complete=rnd.random() < 0.5,
        traceStart=timestamp(start), traceEnd=timestamp(start + length), updatedAt=timestamp(max(at, 0)),
        detectedAt=timestamp(max(at - rnd.randrange(10**11), 0)),
        history=[{"status": "open"}, *([{"status": status}] if status == "retracted" else [])],
    )  # fmt: skip


def test_10_000_random_violations_are_spans_that_every_store_takes() -> None:
    rnd = random.Random(8)
    inside = 0
    for _ in range(10_000):
        violation = random_violation(rnd)
        made = violation_span(violation, replayed=rnd.random() < 0.1)
        assert made is not None
        again = ExportTraceServiceRequest.FromString(records([json.dumps(violation).encode()])[0][1])
        assert is_own("betrace", again.resource_spans[0].scope_spans[0].spans[0])
        assert (len(made.trace_id), len(made.span_id)) == (16, 8)
        assert any(made.trace_id)
        assert any(made.span_id)
        start, end = (nanoseconds(violation[key]) for key in ("traceStart", "traceEnd"))
        assert start <= made.start_time_unix_nano <= made.end_time_unix_nano <= end
        if made.trace_id.hex() == violation["traceId"]:
            inside += 1
            assert len(made.parent_span_id) == 8
            assert made.parent_span_id != made.span_id
        else:
            assert made.parent_span_id == b""
            assert made.links
        assert all(len(link.trace_id) == 16 and len(link.span_id) == 8 for link in made.links)
        assert made.span_id == evidence_span_id(attributes(made)[EVIDENCE_ID], made.name)
        for value in attributes(made).values():
            for text in value if isinstance(value, list) else [value]:
                assert not isinstance(text, str) or len(text.encode()) <= MAX_BYTES
    assert 2_000 < inside < 9_000
