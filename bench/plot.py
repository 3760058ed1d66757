"""The plot of what was measured."""

import statistics
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.cases import Outcome
from bench.load import Load
from bench.result import Result

_COLOURS = {"BeTrace": "#1f5fa8", "Collector": "#b0b7c0"}


def plot(outcomes: Sequence[Outcome], loads: Sequence[Load], machine: str, file: Path) -> None:
    """Write it: how fast, with every run as a dot, and how late. Loads may be none."""
    mpl.rcParams["svg.hashsalt"] = "betrace"  # equal figures give an equal file
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    speed, delay = figure.subplots(1, 2, width_ratios=(3, 2))
    _speed(speed, outcomes)
    _delay(delay, loads)
    figure.suptitle(machine, fontsize=7, color="#555555")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})


def _speed(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    for side, (name, colour) in enumerate(_COLOURS.items()):
        for row, outcome in enumerate(outcomes):
            runs = outcome.peer if side else outcome.betrace
            if runs:
                _bar(axes, row + 0.4 * side, runs, colour)
        axes.barh([0], [0], color=colour, label=name)
    axes.set_yticks([row + 0.2 for row in range(len(outcomes))], [each.case.name for each in outcomes])
    axes.invert_yaxis()
    axes.set_xlabel("spans per CPU second, in thousands")
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)


def _bar(axes: Axes, at: float, runs: Sequence[Result], colour: str) -> None:
    rates = [run.rate / 1000 for run in runs]
    axes.barh([at], [statistics.median(rates)], height=0.38, color=colour)
    axes.plot(rates, [at] * len(rates), ".", color="black", markersize=3)


def _delay(axes: Axes, loads: Sequence[Load]) -> None:
    for load in loads:
        count = len(load.delays)
        parts = [(number + 1) / count for number in range(count)]
        axes.step(load.delays, parts, where="post", label=load.name)
    axes.set_ylim(0, 1)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds from judging tick to violation")
    axes.set_ylabel("part of the violations")
    if loads:
        axes.legend(frameon=False, loc="lower right")
