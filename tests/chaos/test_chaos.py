"""A short run of what `make chaos` does for longer."""

from pathlib import Path

import pytest

from tests.chaos.plan import Plan
from tests.chaos.report import lines, stories
from tests.chaos.run import run

SEED = 11


@pytest.mark.timeout(600)
def test_whatever_breaks_the_verdicts_are_those_of_check(tmp_path: Path) -> None:
    plan = Plan(SEED, minutes=0.5, rate=150, phase=30.0, pause=2.0, folder=tmp_path)
    with run(plan, print, stories) as done:
        print("\n".join(lines(done)))
    assert not done.differences
    assert len(done.storm.done) >= 5
    assert done.expected.violations
