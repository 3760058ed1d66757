"""All benchmarks, on a Kafka of their own: `python -m bench [--quick]`.

The last line is JSON: `spans_per_second` are those of one worker with ten rules per second of its CPU, and
`peer_ratio` how often more that is than a Collector's that samples by whole traces with as many policies.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from bench import checking, flight, load, table
from bench.cases import Bench, Outcome
from bench.load import Load
from bench.machine import machine
from bench.peer import built
from bench.plan import FULL, QUICK, Plan
from bench.plot import plot
from tests.kafka import Kafka, Security

_PLOT = Path(__file__).parent.parent / "docs" / "images" / "performance.svg"


def measure(bench: Bench, plan: Plan) -> tuple[list[Outcome], list[Load]]:
    """The worker beside its peer, then under load."""
    cases = plan.cases(bench.kafka.address, plan.spans)
    outcomes: dict[str, Outcome] = {}
    for outcome in bench.run(cases, plan.runs):
        outcomes[outcome.case.name] = outcome
        print(f"run {len(outcome.betrace)} of {outcome.case.name}", file=sys.stderr)
    first = outcomes[cases[0].name]
    loads = [load.full(bench, cases[0])]
    if plan.half_load:
        pace = table.median(first.betrace, lambda run: run.rate) / 2
        loads.append(load.half(bench, cases[0], pace, plan.half_load))
    return list(outcomes.values()), loads


def tell(lines: Iterable[str]) -> None:
    """Print, at once."""
    print("\n".join(lines), flush=True)


def beside_the_worker(plan: Plan, folder: Path) -> None:
    """What needs no worker, or one that only holds traces."""
    tell(table.checks(checking.measured(folder, plan.check)))
    if plan.flight:
        tell(table.figures("in flight", flight.alone(plan.flight)))
        subprocess.run([sys.executable, "-m", "bench.language"], check=True)
    subprocess.run([sys.executable, "-m", "bench.index", "--rows", str(plan.index)], check=True)


def run(plan: Plan, file: Path) -> None:
    """Measure, print, plot."""
    with tempfile.TemporaryDirectory() as folder:
        together = Security(settings=f"group.initial.rebalance.delay.ms={plan.gather}\n")
        kafka = Kafka(Path(folder) / "kafka", together).start()
        try:
            outcomes, loads = measure(Bench(kafka, built(), Path(folder), plan.wait), plan)
        finally:
            kafka.remove()
        tell([machine(), f"{plan.spans:,} spans, medians of {plan.runs} runs"])
        tell(table.side_by_side(outcomes))
        tell(table.loads(loads))
        plot(outcomes, loads, machine(), file)
        beside_the_worker(plan, Path(folder))
    tell([json.dumps(summary(outcomes[0], loads))])


def summary(first: Outcome, loads: Sequence[Load]) -> dict[str, float]:
    """The last line."""
    delays = {f"p99_delay_{each.name.split()[0]}_load": round(each.delay(0.99), 3) for each in loads}
    return {
        "spans_per_second": round(table.median(first.betrace, lambda run: run.rate)),
        "peer_ratio": round(table.ratio(first) or 0, 2),
        "kafka_bytes_per_input_byte": round(loads[0].kafka, 2),
        "runs": len(first.betrace),
        **delays,
    }


def main() -> None:
    """Run on a Kafka of its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="under a minute, and so less exact")
    parser.add_argument("--spans", type=int, help="in the input")
    parser.add_argument("--runs", type=int, help="of each case")
    parser.add_argument("--plot", type=Path, help=f"where it goes; by default {_PLOT.name} in docs/images")
    options = parser.parse_args()
    plan = QUICK if options.quick else FULL
    given = {name: value for name in ("spans", "runs") if (value := getattr(options, name))}
    quickly = Path(tempfile.gettempdir()) / "betrace-performance.svg"
    run(replace(plan, **given), options.plot or (quickly if options.quick else _PLOT))


if __name__ == "__main__":
    main()
