import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsl.files import load, rule_of

WORDS = (
    *(
        "when",
        "always",
        "never",
        "let",
        "as",
        "and",
        "or",
        "not",
        "in",
        "exists",
        "matches",
        "before",
        "within",
    ),
    *(
        "inside",
        "count(",
        "trace.has(",
        ".where(",
        "a.b",
        "a",
        "x",
        '"q"',
        "5",
        "5s",
        "true",
        "(",
        ")",
        "{",
        "}",
    ),
    *(
        "[",
        "]",
        ",",
        "==",
        "=",
        ">",
        "!=",
        "<",
        "any",
        "root",
        "-1",
        "//",
        "#",
        "\\",
        '"',
        "1e6",
        "span:kind",
        "x.y",
    ),
)


def problems(condition: str) -> list[str]:
    """What is wrong with a condition."""
    return [d.message for d in rule_of({"id": "x", "condition": condition}, version=1, source="api")[1]]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join)))
def test_any_text_is_a_rule_or_is_told_to_be_none(text: str) -> None:
    rule, found = rule_of({"id": "x", "condition": text}, version=1, source="api")
    assert (rule is None) == any(d.severity == "error" for d in found)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_file_is_read_or_refused(text: str) -> None:
    load([("rules.yaml", text), ("rules.yaml", f"rules: {text}")])


@pytest.mark.parametrize(
    "deep", ["(" * 64 + "a" + ")" * 64, "not " * 64 + "a", "trace.has(" * 64 + "a" + ")" * 64]
)
def test_nesting_is_allowed_to_its_bound_and_refused_beyond(deep: str) -> None:
    assert problems(deep) == []
    assert problems(
        deep.replace("a", "(a)", 1) if deep[0] == "(" else f"({deep})" if deep[0] == "t" else f"not {deep}"
    ) == ["nested more than 64 deep"]


def test_a_rule_that_is_too_large_is_refused() -> None:
    assert problems("a" * 65_537) == ["a rule may have at most 64 KiB"]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("a = b", "unexpected '=', did you mean '=='?"),
        ("a && b", "unexpected '&&', did you mean 'and'?"),
        ("a and", "unexpected the end of the rule"),
        ("when { a }", "a rule with 'when' needs 'always' or 'never'"),
        ("always { a }", "a rule with 'always' needs 'when'"),
        ("when { a } always { b } always { c }", "'always' stands twice"),
        ("when { a as x } always { b.where(id == y.id) }", "unknown alias 'y'"),
        ("when { a as x and b as x } always { c }", "'x' names something already"),
        ("when { not a as x } always { b.where(id == x.id) }", "the alias 'x' is not visible here"),
        ("when { a as x } always { x }", "'x' is a span already"),
        ("trace.has(a or b)", "names of spans cannot be joined here"),
        ("amount > 1000", "'amount' of which span? trace.has(amount > …)"),
        ('a.where(x matches "(")', "invalid regular expression"),
        ("a.where(x > true)", "'>' cannot compare with true or false"),
        ("a.where(x in [])", "an empty list"),
        ("a.where(span:knd == server)", "unknown field 'span:knd', did you mean 'span:kind'?"),
        ("count(a)", "'count' is a number: it has to be compared"),
        ("true", "'true' is no span"),
        ("a before b inside c", "unexpected 'inside'"),
    ],
)
def test_a_mistake_is_told_with_what_to_do(condition: str, said: str) -> None:
    assert any(text.startswith(said) for text in problems(condition)), problems(condition)


def test_a_rule_with_thousands_of_problems_is_told_in_a_moment() -> None:
    text = "rules:\n  - {id: a, condition: '" + "a + " * 4_000 + "b > 1'}\n"
    start = time.process_time()
    assert len(load([("rules.yaml", text)]).errors) > 4_000
    assert time.process_time() - start < 10  # 1 s on a quiet machine; each problem once took as long as all


def test_every_problem_of_all_files_is_told_at_once() -> None:
    first = (
        "rules:\n  - {id: a, condition: x = 1}\n  - {id: A, condition: y, colour: red}\n  - {condition: z}\n"
    )
    found = load([("one.yaml", first), ("two.yaml", "rules: [{id: a, condition: b}]"), ("three.yaml", "{")])
    assert [(d.file, d.start.line) for d in found.diagnostics] == [
        ("one.yaml", 2),
        ("one.yaml", 3),
        ("one.yaml", 3),
        ("one.yaml", 4),
        ("two.yaml", 1),
        ("three.yaml", 1),
    ]
