"""That a control was exercised is told as spans: by rules that broke or held, and by BeTrace's own acts."""

import json
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from dsl.compile import compile_rule
from dsl.judge import judge
from dsl.rule import Control, Rule
from dsl.trace import Trace
from streams.acts import ACCESS_REFUSED, DATA_REDACTED, Act, Recorded
from streams.compliance import COMPLIANCE
from streams.evidence import records, spans_of
from streams.health import Health
from streams.own_spans import evidence_span_id, in_time, is_own
from streams.redaction import DEFAULT
from streams.split import split
from streams.upheld import Sampling, Upheld, again, upheld
from streams.upheld import records as records_of_upheld
from streams.violation import violation_json
from tests.streams.partitions import Table, apply, block, opened, rules_of, run, tick
from tests.streams.spans import request, span
from tests.streams.test_evidence import attributes, of, retracted, spans_in

PAIRS = [{"framework": "soc2", "control": "CC6.1"}, {"framework": "hipaa", "control": "164.312(b)"}]
RULES = rules_of("""\
rules:
  - id: audited
    condition: "when { access } always { audit }"
    compliance: [{framework: soc2, control: CC6.1}, {framework: hipaa, control: 164.312(b)}]
  - {id: unnamed, condition: "when { access } always { audit }"}
  - id: tried
    mode: shadow
    condition: "when { access } always { audit }"
    compliance: [{framework: soc2, control: CC7.2}]
""")


def test_a_broken_rule_tells_each_pair_beside_its_violation() -> None:
    broken, *told = spans_of(of(compliance=PAIRS))
    assert [(s.name, s.kind, s.status.code) for s in told] == [(COMPLIANCE, 1, 0)] * 2
    for each in told:
        assert (each.trace_id, each.parent_span_id) == (broken.trace_id, broken.parent_span_id)
        assert each.start_time_unix_nano == broken.start_time_unix_nano
        assert each.end_time_unix_nano == broken.end_time_unix_nano
    found = [attributes(each) for each in told]
    assert [(a["compliance.framework"], a["compliance.control"]) for a in found] == [
        ("soc2", "CC6.1"), ("hipaa", "164.312(b)"),
    ]  # fmt: skip
    assert {k: v for k, v in found[0].items() if k not in ("betrace.evidence.id", "compliance.control")} == {
        "compliance.framework": "soc2",
        "compliance.operation": "rule.judge",
        "compliance.outcome": "failure",
        "betrace.rule.id": "r",
        "betrace.rule.version": 3,
        "betrace.trace.id": "cd" * 16,
        "betrace.trace.complete": True,
        "betrace.service": "shop",
        "betrace.violation.id": "ab" * 16,
    }


def test_all_values_are_scalars_and_ids_derive_from_what_is_stated() -> None:
    told = [s for v in (of(compliance=PAIRS), retracted(5, compliance=PAIRS)) for s in spans_of(v)]
    ids = {s.span_id for s in told}
    assert len(ids) == len(told) == 6
    for each in told:
        values = attributes(each)
        assert each.span_id == evidence_span_id(values["betrace.evidence.id"], each.name)
        assert each.name != COMPLIANCE or not [v for v in values.values() if isinstance(v, list)]
    assert records([json.dumps(of(compliance=PAIRS)).encode()]) == records(
        [json.dumps(of(compliance=PAIRS)).encode()]
    )


def test_late_and_replayed_they_stand_under_the_violation_in_its_own_trace() -> None:
    broken, told, _ = spans_of(of(compliance=PAIRS), replayed=True)
    assert (told.trace_id, told.parent_span_id) == (broken.trace_id, broken.span_id)
    assert told.links == broken.links


def test_a_retraction_tells_success_and_what_writes_no_violation_tells_nothing() -> None:
    outcomes = [attributes(s)["compliance.outcome"] for s in spans_of(retracted(5, compliance=PAIRS))[1:]]
    assert outcomes == ["success"] * 2
    assert spans_of(of(mode="shadow", compliance=PAIRS)) == []
    assert spans_of(of(revision=2, history=[{"status": "open"}] * 2, compliance=PAIRS)) == []


def held_on(number: int, rule: str = "audited") -> Upheld:
    spans = [span(number, 1, name="access", start=1, end=9), span(number, 2, parent=1, name="audit", start=2)]
    return held_in(Trace.of(request(("shop", spans)).SerializeToString()), rule)


def held_in(trace: Trace, rule: str = "audited") -> Upheld:
    made = next(each for each in RULES.compiled if each.rule.id == rule)
    verdict = judge(made, trace, 1000)
    assert verdict.outcome == "satisfied"
    return upheld(trace, verdict, 10**9, DEFAULT)


def test_a_rule_that_held_is_told_in_the_trace_under_its_root() -> None:
    made = spans_in(records_of_upheld([held_on(7)]))
    assert [(s.trace_id.hex(), s.parent_span_id.hex()) for s in made] == [(f"{7:032x}", f"{1:016x}")] * 2
    assert [(s.start_time_unix_nano, s.end_time_unix_nano) for s in made] == [(10**6, 10**7)] * 2
    values = attributes(made[1])
    assert (values["compliance.framework"], values["compliance.outcome"]) == ("hipaa", "success")
    assert (values["betrace.rule.id"], values["betrace.service"]) == ("audited", "shop")


def test_what_held_long_ago_is_told_in_a_trace_of_its_own() -> None:
    late = held_on(7)._replace(at=10**12)
    assert not in_time(late.end, late.at)
    for made in spans_in(records_of_upheld([late])):
        assert (made.parent_span_id, made.trace_id.hex() == f"{7:032x}") == (b"", False)
        assert [(link.trace_id.hex(), link.span_id.hex()) for link in made.links] == [
            (f"{7:032x}", f"{1:016x}")
        ]


def verdict_of(rule: str, number: int = 1) -> Any:
    spans = [span(number, 1, name="access"), span(number, 2, parent=1, name="audit")]
    trace = Trace.of(request(("shop", spans)).SerializeToString())
    return judge(next(each for each in RULES.compiled if each.rule.id == rule), trace, 1000)


def test_a_sample_is_one_trace_of_a_rule_a_minute() -> None:
    minute = 60 * 10**9
    at = [0, 1, minute - 1, minute, minute + 1]
    taken = {how: Sampling(how) for how in ("off", "sample", "all")}
    counts = {how: [each.takes(verdict_of("audited"), now) for now in at] for how, each in taken.items()}
    assert counts == {
        "off": [False] * 5,
        "sample": [True, False, False, True, False],
        "all": [True] * 5,
    }
    assert not Sampling("all").takes(verdict_of("tried"), 0)


async def told_by(held: Any, *, crash: bool = False) -> list[list[Upheld]]:
    """What each tick tells: a trace that holds, then late spans of it, then another trace."""
    table = Table()
    partition = await opened(table, 0, RULES, held=held)
    inputs = [
        block(0, span(1, 1, name="access"), span(1, 2, parent=1, name="audit"), time=0),
        tick(1500),
        block(1, span(1, 3, parent=1, name="late"), time=1600),
        tick(4000),
        block(2, span(2, 1, name="access"), span(2, 2, parent=1, name="audit"), time=4100),
        tick(6000),
    ]
    told = []
    for offset, record in enumerate(inputs):
        step = await apply(partition, offset, record)
        if record[1:2] == b"T":
            told.append(list(step.upheld))
        if crash:
            partition = await opened(table, offset, RULES, held=held)
            again = await apply(partition, offset, record)
            assert list(again.upheld) == list(step.upheld)
    return told


@pytest.mark.parametrize("crash", [False, True])
def test_what_held_is_told_once_also_when_late_spans_come_and_the_same_after_a_crash(crash: bool) -> None:
    told = run(told_by("all", crash=crash))
    assert [[(each.rule_id, each.trace_id[-1]) for each in tick] for tick in told] == [
        [("audited", "1")],
        [],
        [("audited", "2")],
    ]
    assert [len(tick) for tick in run(told_by("off"))] == [0, 0, 0]


def test_what_was_broken_and_holds_after_all_is_told_by_the_retraction_alone() -> None:
    one, other = held_on(1), held_on(1)._replace(version=2)
    assert again([], [one], frozenset({"audited"})) == []
    assert again([one], [one, other], frozenset()) == [one._replace(publish=False), other]


def test_controls_are_counted_exactly() -> None:
    async def judged() -> dict[tuple[str, ...], float]:
        partition = await opened(Table(), 0, RULES)
        health: Health = partition.judge.health
        await apply(partition, 0, block(0, span(1, 1, name="access"), time=0))
        good = [s for n in (2, 3) for s in (span(n, 1, name="access"), span(n, 2, parent=1, name="audit"))]
        await apply(partition, 1, block(1, *good, time=0))
        await apply(partition, 2, tick(1500))
        found = next(m for m in health.collect() if m.name == "betrace_compliance_evaluations")
        return {tuple(s.labels.values()): s.value for s in found.samples}

    assert run(judged()) == {
        ("soc2", "CC6.1", "success"): 2,
        ("soc2", "CC6.1", "failure"): 1,
        ("hipaa", "164.312(b)", "success"): 2,
        ("hipaa", "164.312(b)", "failure"): 1,
    }


def test_acts_are_told_once_a_while_with_their_number_and_each_control() -> None:
    recorded = Recorded(by="me")
    for act in (ACCESS_REFUSED, ACCESS_REFUSED, DATA_REDACTED):
        recorded.add(act)
    found = recorded.take(5, 9)
    made = spans_in(found)
    assert all(split(data).own == 1 for _, data in found)
    assert (
        len({s.span_id for s in made}) == len(made) == len(ACCESS_REFUSED.controls + DATA_REDACTED.controls)
    )
    first = attributes(made[0])
    assert first["betrace.count"] == 2
    assert [first[f"compliance.{k}"] for k in ("framework", "control", "operation", "outcome")] == [
        "soc2", "CC6.1", "access.refuse", "success",
    ]  # fmt: skip
    assert all((s.start_time_unix_nano, s.end_time_unix_nano, s.parent_span_id) == (5, 9, b"") for s in made)
    assert recorded.take(9, 12) == []
    recorded.add(ACCESS_REFUSED)
    assert spans_in(recorded.take(9, 12))[0].span_id != made[0].span_id


def test_redaction_records_that_it_hid_something(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Act] = []
    monkeypatch.setattr("streams.acts.record", seen.append)
    DEFAULT.leaving("k", "nothing to see")
    assert seen == []
    DEFAULT.leaving("k", "bob@example.com")
    DEFAULT.leaving("db.password", "x")
    assert seen == [DATA_REDACTED, DATA_REDACTED]


def spans_beside(trace: Any) -> list[Any]:
    """All that BeTrace writes of a trace that broke one rule and held another."""
    rule = Rule("r", "when { access } always { check }", "r", compliance=(Control("soc2", "CC6.1"),))
    verdict = judge(compile_rule(rule), trace, 1000)
    violation = violation_json(trace, verdict, verdict.violations[0], "root", trace.end + 10**9)
    return [*spans_of(violation), *spans_in(records_of_upheld([held_in(trace)]))]


def test_a_trace_with_the_spans_of_betrace_in_it_is_judged_as_without() -> None:
    spans = [span(7, 1, name="access", start=1, end=9), span(7, 2, parent=1, name="audit", start=2, end=4)]
    spans[1].status.code = Status.STATUS_CODE_ERROR
    sent = request(("shop", spans))
    trace = Trace.of(sent.SerializeToString())
    own = spans_beside(trace)
    assert len(own) == 4
    assert all(s.trace_id == trace.trace_id for s in own)
    back = request(("betrace", own), scope="betrace")
    assert all(is_own("betrace", s) for s in own)
    assert split(back.SerializeToString()).fragments == {}
    sent.MergeFrom(back)
    found = split(sent.SerializeToString())
    assert (found.own, set(found.fragments)) == (4, {trace.trace_id})


def test_for_a_store_that_keeps_them_root_duration_errors_and_the_others_services_are_as_before() -> None:
    spans = [span(7, 1, name="access", start=1, end=9), span(7, 2, parent=1, name="audit", start=2, end=4)]
    spans[1].status.code = Status.STATUS_CODE_ERROR
    before = Trace.of(request(("shop", spans)).SerializeToString())
    own = spans_beside(before)
    after = Trace.of(request(("shop", spans), ("betrace", own)).SerializeToString())
    assert after.root is not None
    assert before.root is not None
    assert after.root.span_id == before.root.span_id
    assert (after.start, after.end, after.complete) == (before.start, before.end, before.complete)
    assert set(after.services) - set(before.services) == {"betrace"}
    assert not any(s.HasField("status") or s.kind != 1 for s in own)
