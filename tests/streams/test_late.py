"""Late spans: a judged trace is opened again; its violations are confirmed, amended, retracted, or new."""

import asyncio
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.compile import RuleSet
from streams import metrics
from streams.config import Limits
from streams.partition import Partition
from tests.streams.partitions import RULES, Table, apply, block, feed, opened, rules_of, run, tick
from tests.streams.spans import span

ACCESS, AUDIT = span(1, 1, name="access"), span(1, 2, 1, name="audit")
FIRST = (block(0, ACCESS, time=1000), tick(2500))  # judged at 2500: a late window to 4500, a grace of 1 s


async def told(
    *records: bytes, rules: RuleSet = RULES, limits: Limits | None = None
) -> tuple[Any, Partition]:
    partition = await opened(Table(), 0, rules, limits)
    return await feed(partition, *records), partition


def stood(violation: dict[str, Any]) -> tuple[str, int]:
    return violation["status"], violation["revision"]


def test_a_late_span_retracts_the_violation() -> None:
    (opened_, retracted), partition = run(told(*FIRST, block(1, AUDIT, time=3000), tick(4000)))
    assert (stood(opened_), stood(retracted)) == (("open", 1), ("retracted", 2))
    assert retracted["id"] == opened_["id"]
    assert retracted["detectedAt"] == opened_["detectedAt"]
    assert [(h["revision"], h["status"]) for h in retracted["history"]] == [(1, "open"), (2, "retracted")]
    assert retracted["decisionReason"] == "late"
    totals = partition.state.totals
    assert (totals.judged, totals.duplicate, totals.too_late, partition.group.spans) == (2, 0, 0, 0)


def test_late_spans_are_collected_for_their_grace_before_they_are_judged() -> None:
    more = block(2, span(1, 3, 1), time=3900)
    violations, partition = run(
        told(*FIRST, block(1, span(1, 4, 1), time=3000), tick(3900), more, tick(4000))
    )
    assert [stood(each) for each in violations] == [("open", 1), ("open", 2)]
    assert violations[1]["spanCount"] == 3
    assert (violations[1]["history"][-1]["reason"], partition.state.totals.judged) == (
        "late spans changed it",
        3,
    )


def test_a_late_copy_of_a_span_confirms_and_publishes_nothing() -> None:
    violations, partition = run(told(*FIRST, block(1, ACCESS, time=3000), tick(4000)))
    assert [stood(each) for each in violations] == [("open", 1)]
    assert (partition.state.totals.judged, partition.state.totals.duplicate) == (1, 1)


def test_a_late_span_can_break_a_rule_that_held_and_another_mend_it() -> None:
    rules = rules_of("rules: [{id: two, condition: count(work) == 2}]")
    work = [block(n, span(1, n, 1 if n > 1 else 0), time=1000 + 1000 * n) for n in range(1, 4)]
    records = [work[0], tick(3000), work[1], tick(4100), work[2], tick(5100)]
    violations, partition = run(told(*records, rules=rules))
    assert [stood(each) for each in violations] == [("open", 1), ("retracted", 2)]
    assert partition.state.totals.judged == 3


def test_a_violation_that_late_spans_bring_back_keeps_its_history() -> None:
    rules = rules_of("rules: [{id: odd, condition: count(work) == 1 or count(work) == 3}]")
    work = [block(n, span(1, n, 1 if n > 1 else 0), time=1000 + 1000 * n) for n in range(1, 4)]
    records = [work[0], tick(3000), work[1], tick(4100), work[2], tick(5100)]
    violations, _ = run(told(*records, rules=rules))
    assert [stood(each) for each in violations] == [("open", 1), ("retracted", 2), ("open", 3)]
    assert [step["reason"] for step in violations[-1]["history"]] == [
        "judged",
        "with late spans the rule holds",
        "late spans broke the rule again",
    ]


def test_a_judgement_that_ended_in_an_error_or_was_cut_retracts_nothing() -> None:
    many = [span(1, n, 1, name="audit") for n in range(2, 40)]
    late = (block(1, *many, time=3000), tick(4000))
    text = "rules: [{id: no-audit, condition: trace.has(access) and not trace.has(audit.where(x exists))}]"
    cut_off, _ = run(told(*FIRST, *late, rules=rules_of(text, max_steps=20)))
    limited, _ = run(told(*FIRST, *late, limits=Limits(trace_spans=30)))
    assert [stood(each) for each in (*cut_off, *limited)] == [("open", 1), ("open", 1)]


def test_a_rule_that_is_skipped_with_the_late_spans_retracts_what_it_found_without_them() -> None:
    rules = rules_of("rules: [{id: no-audit, on_incomplete: skip, condition: access and not audit}]")
    orphan = block(1, span(1, 5, 4), time=3000)
    violations, _ = run(told(*FIRST, orphan, tick(4000), rules=rules))
    assert [stood(each) for each in violations] == [("open", 1), ("retracted", 2)]


def test_a_violation_of_a_rule_that_is_no_more_stays_as_it_is() -> None:
    async def work() -> Any:
        table = Table()
        await feed(await opened(table, 0), *FIRST)
        later = await opened(table.recovered(len(table.changelog)), 2, rules_of("rules: []"))
        return await feed(later, block(1, AUDIT, time=3000), tick(4000), first=2)

    assert run(work()) == []


def test_a_changed_rule_retracts_what_an_older_version_found() -> None:
    async def work() -> Any:
        table = Table()
        await feed(await opened(table, 0), *FIRST)
        rules = rules_of("rules: [{id: no-audit, condition: trace.has(nothing)}]")
        later = await opened(table.recovered(len(table.changelog)), 2, rules)
        return await feed(later, block(1, span(1, 3, 1), time=3000), tick(4000), first=2)

    assert [stood(each) for each in run(work())] == [("retracted", 2)]


def late(outcome: str) -> float:
    return float(metrics.LATE.labels(outcome)._value.get())


def test_after_the_window_or_a_limit_spans_are_too_late_by_reason() -> None:
    before = {outcome: late(outcome) for outcome in ("window", "over_limit", "reopened")}
    again = block(1, AUDIT, time=3000), tick(4000), block(2, span(1, 3, 1), time=4501), tick(9000)
    violations, partition = run(told(*FIRST, *again))
    assert [stood(each) for each in violations] == [("open", 1), ("retracted", 2)]
    assert partition.state.totals.too_late == 1
    _, full = run(told(*FIRST, block(1, AUDIT, time=3000), tick(4000), limits=Limits(trace_spans=1)))
    assert full.state.totals.too_late == 1
    assert {o: late(o) - n for o, n in before.items()} == {"window": 1, "over_limit": 1, "reopened": 1}


def test_when_too_much_is_retained_the_oldest_blocks_go_and_late_spans_are_told_of() -> None:
    limits, before = Limits(retained_bytes=1), late("evicted")
    _, partition = run(told(*FIRST, tick(4600), block(1, AUDIT, time=4600), tick(9000), limits=limits))
    assert (partition.state.totals.too_late, late("evicted") - before) == (1, 0)
    ticks = tick(4400), tick(4650), tick(4700)
    windows = [block(0, ACCESS, time=1000), *ticks, block(1, AUDIT, time=4750), tick(9000)]
    _, partition = run(told(*windows, limits=limits))
    assert (partition.state.totals.too_late, late("evicted") - before) == (1, 1)


def test_blocks_of_a_reopened_trace_are_kept_until_it_is_judged_again() -> None:
    limits = Limits(retained_bytes=1)
    records = [block(0, ACCESS, time=1000), tick(4400), block(1, AUDIT, time=4500), tick(5000), tick(5600)]
    violations, _ = run(told(*records, limits=limits))
    assert [stood(each) for each in violations] == [("open", 1), ("retracted", 2)]


spans = st.builds(
    span, st.just(1), st.integers(1, 6), st.integers(0, 4), st.sampled_from(["access", "audit"])
)
BOTH = rules_of(
    "rules: [{id: no-audit, condition: trace.has(access) and not trace.has(audit)}, "
    "{id: thrice, condition: count(access) > 2}, "
    "{id: first, condition: 'when { access as a } always { audit after a }'}]"
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(spans, st.integers(0, 4)), min_size=1, max_size=8), st.data())
def test_in_any_order_and_however_late_the_same_violations_stand(
    drawn: list[tuple[Any, int]], data: st.DataObject
) -> None:
    async def final(rounds: list[list[Any]], crash_at: int | None) -> dict[str, Any]:
        table, offset = Table(), 0
        found: dict[str, Any] = {}
        partition = await opened(table, 0, BOTH)
        for number, each in enumerate(rounds):
            time = 1000 + number * 1200  # the first is judged at 2200, so that the last is in its window
            records = [block(number, *each, time=time)] if each else []
            for record in [*records, tick(time + 1100)]:
                if offset == crash_at:
                    partition = await opened(table.recovered(len(table.changelog)), offset, BOTH)
                step = await apply(partition, offset, record)
                found |= {key: json.loads(text) for key, text in step.violations}
                offset += 1
        assert partition.state.totals.too_late == 0
        assert partition.group.spans == 0
        return {
            key: (v["clause"], [(s["spanId"], s["role"]) for s in v["spans"]], v["missing"], v["spanCount"])
            for key, v in found.items()
            if v["status"] == "open"
        }

    async def work() -> None:
        rounds = [[s for s, at in drawn if at == number] for number in range(3)]
        rounds[0] += [s for s, at in drawn if at > 2]
        everything = [s for s, _ in drawn]
        crash_at = data.draw(st.none() | st.integers(0, 6), label="crashed at")
        found = await final([*rounds, [], []], crash_at)
        assert found == await final([everything, [], []], None)

    asyncio.run(work())
