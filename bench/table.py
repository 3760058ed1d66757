"""What was measured, as Markdown tables."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from bench.cases import Outcome
from bench.checking import Checked
from bench.load import Load
from bench.result import Result

_SIDE_BY_SIDE = (
    "",
    "spans per CPU s",
    "runs",
    "CPU s per million",
    "of the broker",
    "spans per s",
    "peak MB",
    "found",
    "ratio",
)


def median(runs: Sequence[Result], of: Callable[[Result], float]) -> float:
    """Of a figure over some runs."""
    return statistics.median(of(run) for run in runs)


def ratio(outcome: Outcome) -> float | None:
    """How often faster BeTrace is, per CPU second; None without a peer."""
    if not outcome.peer:
        return None
    return median(outcome.betrace, _rate) / median(outcome.peer, _rate)


def side_by_side(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """A line for each case and judge, medians of the runs."""
    yield from _head(_SIDE_BY_SIDE)
    for outcome in outcomes:
        compared = ratio(outcome)
        told = "" if compared is None else f"{compared:.2f}"
        yield _row(outcome.case.name, *_figures(outcome.betrace), told)
        if outcome.peer:
            yield _row("· Collector", *_figures(outcome.peer), "")


def loads(measured: Sequence[Load]) -> Iterator[str]:
    """A line for each load."""
    yield from _head(
        ("", "violations", "p50 delay, s", "p99", "Kafka bytes per input byte", "bytes to the worker's disk")
    )
    for load in measured:
        figures = (load.delay(0.5), load.delay(0.99), load.kafka, load.disk)
        yield _row(load.name, f"{len(load.delays):,}", *(f"{figure:.2f}" for figure in figures))


def checks(measured: Mapping[str, Checked]) -> Iterator[str]:
    """A line for each format."""
    yield from _head(("betrace check", "spans", "spans per s", "CPU s", "peak MB"))
    for name, run in measured.items():
        yield _row(name, f"{run.spans:,}", f"{run.pace:,.0f}", f"{run.cpu:.1f}", f"{run.memory:,}")


def figures(title: str, measured: Mapping[str, float]) -> Iterator[str]:
    """A line for each figure."""
    yield from _head((title, ""))
    for name, value in measured.items():
        yield _row(name, f"{value:,.1f}")


def _figures(runs: Sequence[Result]) -> Iterator[str]:
    yield f"{median(runs, _rate):,.0f}"
    yield " · ".join(f"{run.rate:,.0f}" for run in runs)
    yield f"{median(runs, lambda run: run.per_million(run.cpu)):.1f}"
    yield f"{median(runs, lambda run: run.per_million(run.broker_cpu)):.1f}"
    yield f"{median(runs, lambda run: run.pace):,.0f}"
    yield f"{max(run.memory for run in runs):,}"
    yield f"{median(runs, lambda run: run.found):,.0f}"


def _rate(run: Result) -> float:
    return run.rate


def _head(titles: Sequence[str]) -> Iterator[str]:
    yield ""
    yield _row(*titles)
    yield _row(*("---" for _ in titles))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
