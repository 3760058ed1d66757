"""The rules that ship with BeTrace: right, laid out, tested in every clause, and told of in the docs."""

from pathlib import Path

import pytest

from dsl.files import load
from dsl.rewrite import rewrite
from dsl.rule import Rule
from dsl.testing import run_tests, untried

TOP = Path(__file__).parents[1]
FILES = sorted((TOP / "deploy" / "rules").rglob("*.yaml"))
LOADED = load([(str(file), file.read_text()) for file in FILES])


def test_all_of_them_together_have_nothing_to_be_said_against() -> None:
    assert [str(problem) for problem in LOADED.diagnostics] == []
    assert len(LOADED.rules) > 40


@pytest.mark.parametrize("rule", LOADED.rules, ids=lambda rule: rule.id)
def test_a_rule_passes_its_tests_which_try_every_clause(rule: Rule) -> None:
    results = list(run_tests([rule]))
    assert [(result.test.name, result.problem) for result in results if result.problem] == []
    assert list(untried(results, [rule])) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_laid_out(file: Path) -> None:
    assert rewrite(file.read_text()) == file.read_text()


def test_the_docs_tell_of_each() -> None:
    page = (TOP / "docs" / "rules.md").read_text()
    told = [rule.id for rule in LOADED.rules if f"`{rule.id}`" not in page]
    shop = load([("shop", (TOP / "deploy" / "rules" / "shop.yaml").read_text())]).rules
    assert sorted(told) == sorted(rule.id for rule in shop)
    for rule in LOADED.rules:
        if rule.id in page and "everyday" in page and f"everyday/{rule.id}.yaml" in page:
            assert rule.condition.rstrip() in page, rule.id
