"""What changes nothing of a verdict: the order of spans, a doubled `not`, other names, the layout."""

import random
import re
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsl.layout import layout
from tests.dsl.cases import TRACES, Printer, rules
from tests.dsl.oracle import Span, Tree
from tests.dsl.test_oracle import found

MANY = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@MANY
@given(rule=rules(), spans=TRACES, seed=st.integers(0, 99))
def test_the_order_of_spans_changes_nothing(rule: dict[str, Tree], spans: list[Span], seed: int) -> None:
    text = Printer().rule(rule)
    shuffled = random.Random(seed).sample(spans, len(spans))
    assert found(text, shuffled) == found(text, spans)


@MANY
@given(rule=rules(), spans=TRACES)
def test_a_doubled_not_changes_nothing_of_the_outcome(rule: dict[str, Tree], spans: list[Span]) -> None:
    doubled = dict(rule)
    for kind in set(rule) - {"when"}:
        doubled[kind] = ("not", ("not", rule[kind]))
    assert found(Printer().rule(doubled), spans)[0] == found(Printer().rule(rule), spans)[0]


@MANY
@given(rule=rules(), spans=TRACES)
def test_other_names_of_aliases_change_nothing(rule: dict[str, Tree], spans: list[Span]) -> None:
    def plain(breaches: set[Any]) -> set[Any]:
        return {(b.clause, frozenset(span for _, span in b.spans), len(b.missing)) for b in breaches}

    aliased = {kind: _aliases_renamed(tree) for kind, tree in rule.items()}
    outcome, breaches = found(Printer().rule(rule), spans)
    other, others = found(Printer().rule(aliased), spans)
    assert (outcome, plain(breaches)) == (other, plain(others))


def _aliases_renamed(tree: Any) -> Any:
    """The tree with `x y z` as aliases called otherwise; values and span names stay."""
    names = {"x": "ex", "y": "why", "z": "zed"}
    if isinstance(tree, list):
        return [_aliases_renamed(item) for item in tree]
    if not isinstance(tree, tuple):
        return tree
    if tree and tree[0] in ("as", "alias"):
        return (tree[0], names[tree[1]], *map(_aliases_renamed, tree[2:]))
    if tree and tree[0] == "some":
        return "some", _aliases_renamed(tree[1]), names.get(tree[2], tree[2])
    if len(tree) == 2 and isinstance(tree[0], tuple) and (tree[1] is None or tree[1] in names):
        return _aliases_renamed(tree[0]), names.get(tree[1], tree[1])
    return tuple(map(_aliases_renamed, tree))


@MANY
@given(rule=rules(), spans=TRACES)
def test_the_layout_changes_nothing_and_is_its_own(rule: dict[str, Tree], spans: list[Span]) -> None:
    text = Printer().rule(rule)
    laid = layout(text)
    assert layout(laid) == laid
    assert found(laid, spans) == found(text, spans)


@MANY
@given(rule=rules(), seed=st.integers(0, 999))
def test_no_comment_is_lost_and_its_place_is_found_again(rule: dict[str, Tree], seed: int) -> None:
    chance = random.Random(seed)
    words = re.split(r'("(?:\\.|[^"\\])*"|\s+)', Printer().rule(rule))
    places = [i for i, word in enumerate(words) if word.isspace()]
    for number, place in enumerate(chance.sample(places, min(3, len(places)))):
        words[place] = f" {chance.choice(['#', '//'])} note {number}\n"
    text = "".join(words)
    laid = layout(text)
    assert sorted(re.findall(r"note \d", laid)) == sorted(re.findall(r"note \d", text))
    assert layout(laid) == laid
