"""Which rules are named as in need of a look."""

from dataclasses import replace

from app.activity import Sums
from app.rule_health import remark
from dsl.rule import Rule

DAY = 86_400 * 10**9
NOW = 1_767_225_600 * 10**9 + 2 * DAY  # 2026-01-03
RULE = Rule("a", "x", updated_at="2026-01-01T00:00:00Z")


def remarked(rule: Rule, came: Sums | None = None) -> str | None:
    return remark(rule, {"a": came} if came else {}, NOW)


def test_a_rule_that_never_applied_in_a_day_is_named() -> None:
    never = Sums(1200, 0, 0.1, "2026-01-02")
    assert remarked(RULE, never) == "never applied to 1,200 traces since 2026-01-02"
    assert remarked(RULE, never._replace(applied=1)) is None
    assert remarked(RULE) == "not evaluated since yesterday"


def test_a_rule_that_costs_too_much_is_named() -> None:
    costly = Sums(1000, 10, 2.5, "2026-01-02")
    assert remarked(RULE, costly) == "costs 2.5 ms a trace"
    assert remarked(RULE, costly._replace(evaluated=50)) is None


def test_a_young_or_disabled_rule_is_not_named() -> None:
    assert remarked(replace(RULE, updated_at="2026-01-02T12:00:00Z")) is None
    assert remarked(replace(RULE, enabled=False)) is None
