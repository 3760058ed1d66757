"""The metrics of each rule: counts by outcome, from the traces judged while it was in force."""

from prometheus_client import CollectorRegistry, generate_latest

from dsl.compile import compile_rules
from dsl.files import load
from streams.activity import Activity, Counts, Version
from streams.health import Health

RULES = "rules: [{id: a, condition: x}, {id: b, condition: y}]"
ONE = "rules: [{id: b, condition: y}, {id: c, condition: z}]"


def samples(health: Health) -> dict[tuple[str, ...], float]:
    return {
        (sample.name.removeprefix("betrace_rule_"), *sample.labels.values()): sample.value
        for metric in health.collect()
        for sample in metric.samples
    }


def test_what_a_rule_came_to_is_told_by_outcome() -> None:
    health = Health()
    health.judges_by(compile_rules(load([("r", RULES)]).rules))
    counts = Counts(applied=3, violated=2, errors=1, mismatches=7, micros=5_000_000)
    health.add(Activity(0, 0, 10, {Version("a", 1): counts}), now=9 * 10**9)
    found = samples(health)
    assert found["evaluations_total", "a", "violated"] == 2
    assert found["evaluations_total", "a", "satisfied"] == 1
    assert found["evaluations_total", "a", "not_applicable"] == 6
    assert found["evaluations_total", "b", "not_applicable"] == 10
    assert found["type_mismatches_total", "a"] == 7
    assert found["evaluation_seconds_total", "a"] == 5
    assert found["last_evaluated_timestamp_seconds", "b"] == 9


def test_cut_offs_are_counted_and_told() -> None:
    told: list[tuple[Version, int, float]] = []
    health = Health(lambda *offence: told.append(offence))
    health.judges_by(compile_rules(load([("r", RULES)]).rules))
    counts = {Version("a", 1): Counts(errors=3, cut_off=2), Version("b", 1): Counts(errors=1)}
    health.add(Activity(0, 0, 10, counts), now=9 * 10**9)
    assert samples(health)["cut_offs_total", "a"] == 2
    assert told == [(Version("a", 1), 2, 9.0)]


def test_it_shows_in_a_registry() -> None:
    registry = CollectorRegistry()
    registry.register(Health())
    assert b"betrace_rule_evaluations" in generate_latest(registry)


def test_a_new_rule_begins_at_nothing_and_a_rule_that_is_gone_is_dropped() -> None:
    health = Health()
    health.judges_by(compile_rules(load([("r", RULES)]).rules))
    health.add(Activity(0, 0, 10), now=0)
    health.judges_by(compile_rules(load([("r", ONE)]).rules))
    health.add(Activity(0, 0, 1), now=0)
    found = samples(health)
    assert found["evaluations_total", "b", "not_applicable"] == 11
    assert found["evaluations_total", "c", "not_applicable"] == 1
    assert not [key for key in found if "a" in key[1:]]
