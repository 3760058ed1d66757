"""`python -m tests.chaos --minutes N --seed S`: breaks everything for a while, and checks the verdicts."""

import argparse
import json
import sys
from pathlib import Path

from tests.chaos.faults import FAULTS
from tests.chaos.plan import CLOCKS, Plan
from tests.chaos.report import lines, stories, summary
from tests.chaos.run import run


def main() -> int:
    """Exit code 1 on any difference."""
    plan = _plan()
    print(f"seed {plan.seed}, clocks {plan.clocks}: {plan}", flush=True)
    with run(plan, lambda text: print(text, flush=True), stories) as done:
        for line in lines(done):
            print(line)
        if plan.report is not None:
            plan.report.write_text(json.dumps(summary(done), indent=1))
        return 1 if done.differences else 0


def _plan() -> Plan:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--minutes", type=float, default=Plan(0).minutes)
    parser.add_argument("--faults", type=int, help="end after so many")
    parser.add_argument("--kinds", action="append", choices=list(FAULTS), help="only these faults")
    parser.add_argument("--clock", choices=CLOCKS, default="", help="the time of input records; by the seed")
    for name in ("rate", "phase", "pause", "late", "stragglers", "root_grace", "max_wait", "late_window"):
        default = getattr(Plan(0), name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    parser.add_argument(
        "--memory", type=Path, help="file for the memory of each worker over time (JSON lines)"
    )
    parser.add_argument("--report", type=Path, help="file for what the run came to (JSON)")
    parser.add_argument("--folder", type=Path, help="where the logs of all processes are left")
    given = vars(parser.parse_args())
    return Plan(**given | {"kinds": tuple(given["kinds"] or ())})


if __name__ == "__main__":
    sys.exit(main())
