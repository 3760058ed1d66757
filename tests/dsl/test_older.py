"""Older rule files: each case is a file, what is told of it, and the rules that come of it."""

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.files import Loaded, load, rule_of
from dsl.older import KEYS
from dsl.rule import Rule
from dsl.testing import run_tests

CASES = sorted((Path(__file__).parent / "older").glob("*.txt"))


def told(loaded: Loaded) -> str:
    return "\n".join(map(str, loaded.diagnostics))


def made(rule: Rule) -> str:
    """What differs from a rule that says nothing but its id, as YAML."""
    plain = asdict(Rule(rule.id, "", name=rule.id))
    given = {key: value for key, value in asdict(rule).items() if key == "id" or value != plain[key]}
    given["compliance"] = [" ".join(each) for each in rule.compliance]
    given["tests"] = [f"{test.name}: {len(test.trace)} spans, {test.expect}" for test in rule.tests]
    kept = {key: value for key, value in given.items() if value}
    return yaml.safe_dump([kept], sort_keys=False, width=200, allow_unicode=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_an_older_file_is_read_as_its_case_says(case: Path) -> None:
    text, said, rules = case.read_text().split("\n---\n")
    loaded = load([("old", text)])
    assert told(loaded) == said.strip()
    assert "".join(map(made, loaded.rules)) == rules.lstrip()


def test_what_comes_of_an_older_rule_is_of_today() -> None:
    for case in CASES:
        for rule in load([("old", case.read_text().split("\n---\n")[0])]).rules:
            again = load([("new", yaml.safe_dump({"rules": [{"id": rule.id, "condition": rule.condition}]}))])
            assert [each for each in again.diagnostics if "older" in each.message] == []
            assert again.rules[0].condition == rule.condition


def test_an_example_of_a_violation_is_a_test_that_passes() -> None:
    text = (Path(__file__).parent / "older" / "a-file-of-trace-has-rules.txt").read_text()
    (result,) = run_tests(load([("old", text.split("\n---\n")[0])]).rules)
    assert (result.problem, result.test.name) == (None, "personal data without a check")


def test_a_text_of_today_is_never_taken_for_an_older_one() -> None:
    for condition in ("any.where(span.status == 500 and span.name == x)", "trace.has(root)", "a and b"):
        loaded = load([("new", yaml.safe_dump({"rules": [{"id": "a", "condition": condition}]}))])
        assert (loaded.diagnostics, loaded.rules[0].condition) == ((), condition)


def test_older_forms_are_of_files_and_not_of_the_log() -> None:
    assert rule_of({"id": "a_b", "condition": "a"}, version=1, source="api")[0] is None
    assert rule_of({"id": "a", "expression": "a"}, version=1, source="api")[0] is None
    assert rule_of({"id": "a", "condition": "has(a)"}, version=1, source="api")[0] is None


WORDS = (
    *(
        'span.name == "x"',
        'span.attributes["k"]',
        "span.duration > 5",
        "trace.has(",
        "count(",
        ".where(",
        "has(a/b)",
    ),
    *(
        "and",
        "or",
        "not",
        "(",
        ")",
        "a",
        '"',
        "\\",
        "!",
        "--",
        "=~",
        ":contains(",
        "when {",
        "}",
        "root",
        "5",
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join)))
def test_any_older_text_is_read_or_refused(text: str) -> None:
    file = yaml.safe_dump({"rules": [{"id": "a", "expression": text, "tags": [text]}]})
    loaded = load([("old", file)])
    assert bool(loaded.rules) is not bool(loaded.errors)


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(("trace", "span", "attributes", "x")), inner)
    ),
    max_leaves=9,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_older_value_is_read_or_refused(values: dict[str, object]) -> None:
    load([("old", yaml.safe_dump({"rules": [{"id": "a", "condition": "a", **values}]}))])


@pytest.mark.parametrize("large", ["(" * 64 + "a" + ")" * 64 + " and b", f"{'a' * 65_500} and b"])
def test_a_pattern_that_is_too_large_to_be_read_otherwise_is_left_alone(large: str) -> None:
    text = yaml.safe_dump({"rules": [{"id": "a", "condition": large, "tags": ["x"]}]})
    assert [rule.condition for rule in load([("old", text)]).rules] == [large]


def test_a_large_text_is_refused_at_once() -> None:
    for part in ("count(", "has(/", 'span.attributes["a"] ', "trace.count(a).where("):
        text = part * (9_999 // len(part))
        assert load([("old", yaml.safe_dump({"rules": [{"id": "a", "expression": text}]}))]).errors
