"""Mistakes that people make, and what they are told: read the files as a person would."""

import textwrap
from pathlib import Path

import pytest

from dsl.files import load

MISTAKES = sorted((Path(__file__).parent / "mistakes").glob("*.txt"))


@pytest.mark.parametrize("file", MISTAKES, ids=lambda file: file.stem)
def test_a_mistake_is_told_as_its_file_says(file: Path) -> None:
    condition, _, said = file.read_text().partition("\n\n---\n\n")
    text = f"rules:\n  - id: mistake\n    condition: |\n{textwrap.indent(condition, '      ')}\n"
    told = "\n".join(d.render() for d in load([("rules.yaml", text)]).diagnostics)
    assert told == said.rstrip("\n")


def test_there_are_many_of_them() -> None:
    assert len(MISTAKES) > 30
