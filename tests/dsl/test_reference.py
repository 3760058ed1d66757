"""The examples of the language's reference, run: what the comments say of each is what it does."""

import re
from pathlib import Path

import pytest
import yaml

from dsl.compile import compile_rules
from dsl.files import load, rule_of
from dsl.short import trace_of
from dsl.testing import run_tests

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "language.md").read_text()
EXAMPLES = re.findall(r"```betrace\n(.*?)```", PAGE + (DOCS / "traceql.md").read_text(), re.DOTALL)
SAYS = re.compile(r"^# (violated|satisfied|not applicable) (?:by|to): (.*)$", re.MULTILINE)


@pytest.mark.parametrize("text", EXAMPLES, ids=lambda text: text.split("\n")[0])
def test_an_example_of_the_reference_does_what_it_says(text: str) -> None:
    rule, problems = rule_of({"id": "x", "condition": text}, version=1, source="api")
    assert rule is not None, problems
    said = SAYS.findall(text)
    assert said
    for outcome, spans in said:
        (verdict,) = compile_rules([rule]).judge(trace_of(yaml.safe_load(spans)), every=True)
        assert verdict.outcome == outcome.replace(" ", "_"), spans


def test_the_reference_has_many_examples() -> None:
    assert len(EXAMPLES) > 25


def test_the_rule_file_of_the_reference_loads_and_passes() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    loaded = load([("rules.yaml", text)])
    assert loaded.diagnostics == ()
    assert [result.problem for result in run_tests(loaded.rules)] == [None, None]
