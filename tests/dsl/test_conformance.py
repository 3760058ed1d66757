import re
from pathlib import Path

import pytest

from dsl.files import load
from dsl.testing import run_tests

CASES = Path(__file__).parent / "conformance"


@pytest.mark.parametrize("file", sorted(CASES.glob("*.good.yaml")), ids=lambda file: file.stem)
def test_every_case_passes(file: Path) -> None:
    loaded = load([(file.name, file.read_text())])
    assert loaded.errors == ()
    results = list(run_tests(loaded.rules))
    assert results
    assert [(r.rule.id, r.test.name, r.problem) for r in results if r.problem] == []


@pytest.mark.parametrize("file", sorted(CASES.glob("bad/*.yaml")), ids=lambda file: file.stem)
def test_every_bad_file_is_refused_at_its_place(file: Path) -> None:
    text = file.read_text()
    wanted = re.match(r"# error at (\d+):(\d+): (.*)", text)
    assert wanted is not None
    loaded = load([(file.name, text)])
    found = [(d.start.line, d.start.column, d.message) for d in loaded.errors]
    assert [(line, column) for line, column, _ in found] == [(int(wanted[1]), int(wanted[2]))]
    assert wanted[3].split(":")[0] in found[0][2]
