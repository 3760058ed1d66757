import re
from pathlib import Path

import pytest

from dsl.files import load, rule_of

PAGE = (Path(__file__).parents[2] / "docs" / "language.md").read_text()


@pytest.mark.parametrize("text", re.findall(r"```betrace\n(.*?)```", PAGE, re.DOTALL))
def test_every_example_of_the_reference_is_a_rule(text: str) -> None:
    rule, problems = rule_of({"id": "x", "condition": text}, version=1, source="api")
    assert rule is not None, problems


def test_the_rule_file_of_the_reference_loads() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert load([("rules.yaml", text)]).diagnostics == ()
