"""One rule at work on one trace: what it has used up, and what it keeps for the next look."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dsl.trace import Span, Trace

MAX_COMBINATIONS = 10_000
_LOOK_EVERY = 100  # steps between two looks at the deadline

Env = Mapping[str, Span]
Read = Callable[["Run", Any, Env], Any]  # of a span; None where there is none to read of


class LimitReached(Exception):
    """More than a rule may try on one trace; `what` of it: steps, combinations or time."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(slots=True)
class Deadline:
    """The last resort: how long a rule may take on a trace, by a timer in seconds, from the first look on.

    Counted steps end a rule at the same place everywhere; this one only ends what a single step makes slow.
    """

    seconds: float
    timer: Callable[[], float]
    _until: float | None = None

    def begin(self) -> None:
        """Another rule or trace begins."""
        self._until = None

    def passed(self) -> bool:
        """Look at the timer."""
        now = self.timer()
        if self._until is None:
            self._until = now + self.seconds
        return now > self._until


class Search:
    """A place that counts the combinations tried: a clause, what stands under `not`, a branch of `or`."""

    __slots__ = ()


@dataclass(slots=True)
class Run:
    """The trace, the steps taken, what did not compare, and selections that hold for the whole run."""

    trace: Trace
    max_steps: int
    deadline: Deadline | None = None
    steps: int = 0
    mismatches: int = 0
    kept: dict[object, Any] = field(default_factory=dict)
    tries: dict[Search, int] = field(default_factory=dict)
    _look: int = field(init=False)  # the steps after which there is something to look at

    def __post_init__(self) -> None:
        self._look = self.max_steps
        if self.deadline is not None:
            self.deadline.begin()
            self._look = min(_LOOK_EVERY, self.max_steps)

    def step(self, count: int = 1) -> None:
        """Count steps; LimitReached past the last one, or when time is up."""
        self.steps += count
        if self.steps > self._look:
            self._stop_or_go_on()

    def begin(self, search: Search) -> None:
        """A search begins anew."""
        self.tries[search] = 0

    def tried(self, search: Search) -> None:
        """Count a combination; LimitReached past the last one."""
        self.tries[search] += 1
        if self.tries[search] > MAX_COMBINATIONS:
            raise LimitReached("combinations")

    def _stop_or_go_on(self) -> None:
        if self.steps > self.max_steps:
            raise LimitReached("steps")
        if self.deadline is not None and self.deadline.passed():
            raise LimitReached("time")
        self._look = min(self.steps + _LOOK_EVERY, self.max_steps)
