"""The plot of what `bench.hold` measured: `python -m bench.held hold.jsonl memory.svg`."""

import json
import sys
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

_LINES = (
    ("resident_mb", "resident memory, MB", "#1f5fa8"),
    ("disk_mb", "data folder, MB", "#b0b7c0"),
)


def plot(samples: list[dict[str, float]], file: Path) -> None:
    """Memory and disk over time, with the traces in flight as a dotted line."""
    mpl.rcParams["svg.hashsalt"] = "betrace"  # equal figures give an equal file
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots()
    minutes = [sample["seconds"] / 60 for sample in samples]
    for key, name, colour in _LINES:
        axes.plot(minutes, [sample[key] for sample in samples], color=colour, label=name)
    thousands = [sample["traces"] / 1000 for sample in samples]
    axes.plot(minutes, thousands, ":", color="black", label="traces in flight, thousands")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("minutes")
    figure.legend(frameon=False, loc="outside upper center", ncols=3)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    lines = Path(sys.argv[1]).read_text().splitlines()
    plot([json.loads(line) for line in lines], Path(sys.argv[2]))
