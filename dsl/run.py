"""One rule at work on one trace: what it has used up, and what it keeps for the next look."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dsl.trace import Span, Trace

MAX_COMBINATIONS = 10_000

Env = Mapping[str, Span]
Read = Callable[["Run", Any, Env], Any]  # of a span; None where there is none to read of


class LimitReached(Exception):
    """More steps or combinations than a rule may try on one trace."""


class Search:
    """A place that counts the combinations tried: a clause, what stands under `not`, a branch of `or`."""

    __slots__ = ()


@dataclass(slots=True)
class Run:
    """The trace, the steps taken, what did not compare, and selections that hold for the whole run."""

    trace: Trace
    max_steps: int
    steps: int = 0
    mismatches: int = 0
    kept: dict[object, Any] = field(default_factory=dict)
    tries: dict[Search, int] = field(default_factory=dict)

    def step(self, count: int = 1) -> None:
        """Count steps; LimitReached past the last one."""
        self.steps += count
        if self.steps > self.max_steps:
            raise LimitReached

    def begin(self, search: Search) -> None:
        """A search begins anew."""
        self.tries[search] = 0

    def tried(self, search: Search) -> None:
        """Count a combination; LimitReached past the last one."""
        self.tries[search] += 1
        if self.tries[search] > MAX_COMBINATIONS:
            raise LimitReached
