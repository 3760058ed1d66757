"""How fast the violation index takes in and answers: `python -m bench.index [--rows N]`."""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from app.counts import Counts, series
from app.index import Index
from app.index_writer import Record
from app.query import Query

START = 1_767_225_600  # Unix s
DAYS = 30
RUNS = 9
_WORDS = tuple(
    "charged without a fraud check query refund card order audit missing late retry lock".split()  # noqa: SIM905
)


def violation(number: int, rows: int, chance: random.Random) -> Record:
    """A made-up violation; of 30 days they come nearly in order, as in a topic."""
    second = START + number * DAYS * 86_400 // rows + chance.randrange(60)
    at = datetime.fromtimestamp(second, UTC).isoformat().replace("+00:00", "Z")
    rule = chance.randrange(50)
    made = {
        "id": f"{number:032x}",
        "status": "retracted" if chance.random() < 0.02 else "open",
        "revision": 1,
        "ruleId": f"rule-{rule}",
        "ruleName": f"Rule {rule}",
        "ruleVersion": 1,
        "severity": chance.choices(["critical", "high", "medium", "low"], [1, 5, 20, 74])[0],
        "mode": "shadow" if chance.random() < 0.05 else "enforce",
        "clause": "always",
        "message": f"{chance.randrange(5000)} {' '.join(chance.sample(_WORDS, 5))}",
        "traceId": f"{number // 2:032x}",
        "services": chance.sample([f"service-{n}" for n in range(40)], 2),
        "labels": {"team": f"team-{rule % 8}"},
        "compliance": [{"framework": "soc2", "control": f"CC6.{rule % 9}"}] if rule % 3 == 0 else [],
        "complete": chance.random() < 0.97,
        "detectedAt": at,
        "spans": [{"spanId": "1" * 16, "name": "payment.charge", "attributes": {"amount": 1500}}] * 2,
    }
    return Record(f"{number:032x}", json.dumps(made).encode(), number % 8, number // 8)


def fill(index: Index, rows: int) -> None:
    """Put so many in, in batches as the reader does, and print how fast."""
    chance = random.Random(1)
    spent = 0.0
    for first in range(0, rows, 1000):
        batch = [violation(number, rows, chance) for number in range(first, first + 1000)]
        begun = time.perf_counter()
        index.put(batch, {("t", 0): first})
        spent += time.perf_counter() - begun
    size = index.file.stat().st_size / 2**20
    print(f"{rows:,} rows in {spent:.1f} s: {rows / spent:,.0f} a second; {size:,.0f} MB")


def timed(name: str, work: Callable[[int], object]) -> None:
    """Print the median of some runs, each of another time range."""
    took = []
    for run in range(RUNS):
        begun = time.perf_counter()
        work(run)
        took.append(1000 * (time.perf_counter() - begun))
    print(f"{name:<44} {statistics.median(took):8.1f} ms   (most {max(took):.1f})")


def main() -> None:
    """Fill and ask."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        index = Index(Path(folder) / "index.sqlite")
        fill(index, rows)
        filters: dict[str, dict[str, object]] = {
            "no filter": {},
            "severity": {"severities": ("critical",)},
            "severity, two": {"severities": ("critical", "low")},
            "ruleId": {"rule_ids": ("rule-7",)},
            "traceId": {"trace_ids": (f"{5:032x}",)},
            "service": {"services": ("service-3",)},
            "status": {"statuses": ("retracted",)},
            "mode": {"modes": ("shadow",)},
            "complete": {"complete": False},
            "label": {"labels": {"team": ("team-2",)}},
            "framework": {"frameworks": ("soc2",)},
            "control": {"controls": ("CC6.1",)},
            "q, a word": {"words": ("fraud",)},
            "q, three words": {"words": ("charged", "fraud", "4711")},
        }
        for name, more in filters.items():

            def page(run: int, more: dict[str, object] = more) -> object:
                first = (START + run * 2 * 86_400) * 10**9
                return index.page(Query(start=first, end=first + 12 * 86_400 * 10**9, **more))  # type: ignore[arg-type]

            timed(f"first page of 12 days: {name}", page)
        whole = Query(start=START * 10**9, end=(START + DAYS * 86_400) * 10**9)
        hour = 3600 * 10**9
        for by in (None, "severity", "ruleId", "service"):
            wanted = Counts(whole, hour, by)
            timed(f"counts of 30 days by {by}", lambda _, wanted=wanted: series(index, wanted))  # type: ignore[misc]
        labelled = Counts(replace(whole, labels={"team": ("team-2",)}), hour, "severity")
        timed("counts of 30 days, with a label", lambda _: series(index, labelled))


if __name__ == "__main__":
    main()
