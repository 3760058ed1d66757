"""What a run is told: how long, how much, which windows; all else follows from the seed."""

import random
from dataclasses import dataclass
from pathlib import Path

CLOCKS = ("append", "right", "behind", "ahead", "missing", "mixed")
GROUP = "chaos"
INPUT = f"{GROUP}.input"
PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of a run; times in seconds.

    `clock` says what time input records carry: the broker's (`append`), or that of producers whose clocks
    are `right`, an hour `behind`, an hour `ahead`, or `missing`, or each at times (`mixed`).
    """

    seed: int
    minutes: float = 3.0
    faults: int | None = None  # after which the run ends
    rate: int = 400  # spans a second
    phase: float = 45.0  # between two barriers
    pause: float = 4.0  # at most between two faults
    late: float = 0.05  # of all spans
    stragglers: float = 0.005  # of all traces: one span long after the late window
    clock: str = ""
    root_grace: float = 3.0
    max_wait: float = 10.0
    late_window: float = 90.0
    late_grace: float = 1.0
    tick: float = 0.2
    workers: int = 4  # at most
    apis: int = 2
    kinds: tuple[str, ...] = ()  # of faults; all by default
    memory: Path | None = None
    report: Path | None = None
    folder: Path | None = None  # where logs are left

    @property
    def clocks(self) -> str:
        """What time input records carry in this run."""
        return self.clock or random.Random(f"{self.seed} clock").choice(CLOCKS)

    def draw(self, what: str) -> random.Random:
        """A source of chance of its own for each use, so that one does not disturb the other."""
        return random.Random(f"{self.seed} {what}")

    def settings(self) -> dict[str, str]:
        """BeTrace's settings that all processes share, as environment variables."""
        named = {
            "KAFKA_GROUP": GROUP,
            "KAFKA_INPUT_TOPICS": INPUT,
            "KAFKA_PARTITIONS": PARTITIONS,
            "KAFKA_REPLICATION_FACTOR": 1,
            "TRACE_ROOT_GRACE": f"{self.root_grace}s",
            "TRACE_MAX_WAIT": f"{self.max_wait}s",
            "TRACE_LATE_WINDOW": f"{self.late_window}s",
            "TRACE_LATE_GRACE": f"{self.late_grace}s",
            "TRACE_TICK": f"{self.tick}s",
        }
        return {f"BETRACE_{name}": str(value) for name, value in named.items()}
