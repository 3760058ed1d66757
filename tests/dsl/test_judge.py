import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from dsl.compile import compile_rule, compile_rules
from dsl.files import rule_of
from dsl.judge import judge
from dsl.run import Deadline
from dsl.short import trace_of
from dsl.trace import Trace
from dsl.verdict import Verdict, violation_id

Spans = Sequence[dict[str, Any]]


def judged(condition: str, spans: Spans, max_steps: int = 1_000_000, **more: Any) -> Verdict:
    rule, problems = rule_of({"id": "x", "condition": condition, **more}, version=1, source="api")
    assert rule is not None, problems
    (verdict,) = compile_rules([rule], max_steps=max_steps).judge(trace_of(spans), every=True)
    return verdict


def holds(predicate: str, **attributes: Any) -> bool:
    """Whether a predicate holds for a span with these attributes."""
    verdict = judged(f"a.where({predicate})", [{"name": "a", "attributes": attributes}])
    assert verdict.outcome in ("violated", "not_applicable")
    return verdict.outcome == "violated"


@pytest.mark.parametrize(
    ("predicate", "value", "expected"),
    [
        ("x == 9007199254740993", 9007199254740992, False),
        ("x == 9007199254740993", 9007199254740993, True),
        ("x == 1", 1.0, True),
        ("x == 1", "1.0", True),
        ("x == 1", " 1", False),
        ("x == 1", "1_0", False),
        ("x == 1", True, False),
        ("x != 1", True, False),
        ("x == true", "true", True),
        ("x == true", 1, False),
        ('x == "5"', 5, False),
        ("x < 5", "abc", False),
        ("not (x < 5)", "abc", True),
        ("x == 1", float("nan"), False),
        ("x != 1", float("nan"), False),
        ("x == b", ["a", "b"], True),
        ("x != b", ["a", "b"], False),
        ("x contains b", ["a", "b"], True),
        ("x contains b", "abc", True),
        ("x starts_with ab", "abc", True),
        ("x ends_with bc", "abc", True),
        ('x matches "^a.c$"', "abc", True),
        ('x matches "1"', 1, False),
        ("x in [1, b]", "1", True),
        ("x not in [1, b]", "c", True),
        ("x > 1s", 1500, True),
        ("x", "false", False),
        ("x", 0, False),
        ("x", -1, True),
        ("x exists", "", True),
    ],
)
def test_values_compare_by_type(predicate: str, value: Any, expected: bool) -> None:
    assert holds(predicate, x=value) is expected


@pytest.mark.parametrize(
    "predicate", ["x == 1", "x != 1", "x < 1", "x in [1]", "x not in [1]", "x exists", "x", 'x matches ""']
)
def test_a_missing_field_holds_nothing_and_its_negation_does(predicate: str) -> None:
    assert not holds(predicate)
    assert holds(f"not ({predicate})")


def test_what_does_not_compare_is_counted() -> None:
    spans = [{"name": "a", "attributes": {"x": value}} for value in ("text", True, 3)]
    assert judged("a.where(x > 2)", spans).mismatches == 2


def test_each_span_named_in_when_is_a_violation_of_its_own_with_a_derived_id() -> None:
    spans = [
        {"id": f"s{n}", "name": "charge", "start": f"{n}ms", "attributes": {"order": n}} for n in range(3)
    ]
    spans.append({"name": "check", "attributes": {"order": 1}})
    verdict = judged("when { charge as c } always { check.where(order == c.order) }", spans)
    trace = trace_of(spans)
    assert [v.evidence[0].attributes for v in verdict.violations] == [{"order": 0}, {"order": 2}]
    first = verdict.violations[0]
    assert first.id == violation_id("x", trace.trace_id, [("c", first.evidence[0].span.span_id)])
    assert verdict.missing == ("check.where(order == c.order)",)


def test_without_an_alias_there_is_one_violation_with_the_spans_that_made_when_hold() -> None:
    verdict = judged("when { a } always { b and c }", [{"name": "a"}, {"name": "a"}, {"name": "c"}])
    (violation,) = verdict.violations
    assert [evidence.role for evidence in violation.evidence] == ["when", "when"]
    assert violation.missing == ("b",)


def test_both_clauses_broken_are_one_violation_that_carries_both() -> None:
    (violation,) = judged("when { a } never { b } always { c }", [{"name": "a"}, {"name": "b"}]).violations
    assert violation.clause == "always"
    assert violation.missing == ("c",)
    assert [evidence.role for evidence in violation.evidence] == ["when", "never"]


@pytest.mark.parametrize(
    ("condition", "missing"),
    [
        ("b", ("b",)),
        ("b or c", ("b", "c")),
        ("not a", ()),
        ("b before a", ("b",)),
        ("a before a", ("a before a",)),
        ("count(b) > 2", ("count(b) > 2",)),
        ('"odd name".where(x==1)', ('"odd name".where(x == 1)',)),
    ],
)
def test_what_is_missing_is_said_in_the_words_of_the_rule(condition: str, missing: tuple[str, ...]) -> None:
    assert judged(f"when {{ a }} always {{ {condition} }}", [{"name": "a"}]).missing == missing


def test_more_than_a_hundred_violations_are_cut_and_said_to_be() -> None:
    verdict = judged("when { a as x } always { b }", [{"name": "a"}] * 150)
    assert (len(verdict.violations), verdict.truncated) == (100, True)


def test_a_search_cut_off_without_an_answer_is_an_error_never_a_violation() -> None:
    many = [{"name": "a"}] * 300
    verdict = judged("when { a as x and a as y } always { a }", many)
    assert (verdict.outcome, verdict.reason) == ("error", "limit")
    verdict = judged("when { a as x and a as y } always { b }", many)
    assert (verdict.outcome, len(verdict.violations), verdict.truncated) == ("violated", 100, True)
    verdict = judged("when { a.where(n == 1) as x } always { b }", many, max_steps=299)
    assert (verdict.outcome, verdict.reason) == ("error", "limit")


def test_what_there_was_too_much_of_is_told() -> None:
    many = [{"name": "a"}] * 300
    assert judged("when { a as x and a as y } always { a }", many).cut_off == "combinations"
    assert judged("when { a.where(n == 1) as x } always { b }", many, max_steps=299).cut_off == "steps"
    assert judged("a", many).cut_off is None


def test_a_rule_whose_steps_are_slow_is_cut_off_by_time_and_the_next_one_begins_anew() -> None:
    text = "when { a as x and b.where(m > x.n) as y } always { c }"
    rule, _ = rule_of({"id": "x", "condition": text}, version=1, source="api")
    assert rule is not None
    compiled = compile_rule(rule)
    ticking = itertools.count(step=3)
    deadline = Deadline(10.0, lambda: float(next(ticking)))
    slow, quick = (trace_of([{"name": "a"}] * count + [{"name": "b"}] * 50) for count in (60, 4))
    for trace, cut_off in ((slow, "time"), (quick, None), (slow, "time")):
        verdict = judge(compiled, trace, 1_000_000, deadline)
        assert (verdict.cut_off, verdict.outcome == "error") == (cut_off, cut_off is not None)


def test_a_rule_that_is_to_skip_incomplete_traces_skips_them() -> None:
    lost = [{"name": "a", "parent": "lost"}]
    assert judged("a", lost, onIncomplete="skip").outcome == "skipped"
    assert judged("a", lost).outcome == "violated"
    assert judged("a", [{"name": "a"}], onIncomplete="skip").outcome == "violated"


def test_a_rule_is_left_out_only_where_it_does_not_apply() -> None:
    texts = [
        "a",
        "when { a and b as x } always { c }",
        "any.where(z)",
        "not a",
        "a.n > 5",
        "count(a) == 0",
        "a or b",
    ]
    rules = [
        rule_of({"id": f"r{n}", "condition": t}, version=1, source="api")[0] for n, t in enumerate(texts)
    ]
    compiled = compile_rules([rule for rule in rules if rule])
    for names in ([], ["a"], ["b"], ["a", "b"], ["c"]):
        trace = trace_of([{"name": name} for name in names])
        chosen = {v.rule.id: v.outcome for v in compiled.judge(trace)}
        for verdict in compiled.judge(trace, every=True):
            assert chosen.get(verdict.rule.id, "not_applicable") == verdict.outcome


def test_the_message_of_a_rule_may_name_fields_of_its_spans() -> None:
    spans = [{"name": "a", "duration": "3ms", "attributes": {"n": 7}}]
    verdict = judged("when { a as x } always { b }", spans, message="{x.n} of {x.lost} in {trace.duration}")
    assert verdict.violations[0].message == "7 of ? in 3ms"


def test_of_copies_of_a_span_the_one_that_ends_later_counts() -> None:
    first = trace_of(
        [{"id": "s", "name": "a", "duration": "1ms"}, {"id": "s", "name": "b", "duration": "2ms"}]
    )
    second = trace_of(
        [{"id": "s", "name": "b", "duration": "2ms"}, {"id": "s", "name": "a", "duration": "1ms"}]
    )
    assert [[span.name for span in trace.spans] for trace in (first, second)] == [["b"], ["b"]]
    assert first.duplicates == 1


def test_a_cycle_of_parents_ends_at_its_first_repeat() -> None:
    spans = [{"id": "p", "parent": "q", "name": "p"}, {"id": "q", "parent": "p", "name": "q"}]
    assert judged("p inside q and q inside p and not p inside p", spans).outcome == "violated"


def test_an_empty_trace_is_judged() -> None:
    rule, _ = rule_of({"id": "x", "condition": "not a"}, version=1, source="api")
    assert rule is not None
    assert compile_rule(rule).rule.id == "x"
    assert compile_rules([rule]).judge(Trace.of(b""))[0].outcome == "violated"


def test_in_a_cycle_of_parents_every_other_span_of_it_is_above() -> None:
    spans: list[dict[str, Any]] = [
        {"id": "one", "parent": "five", "name": "a"},
        {"id": "five", "parent": "one", "name": "b", "attributes": {"n": 1}},
        {"parent": "one", "name": "a", "start": "1ms", "attributes": {"n": 1}},
    ]
    assert judged("b encloses any.where(n exists)", spans).outcome == "violated"
    assert judged("b inside b", spans).outcome == "not_applicable"
