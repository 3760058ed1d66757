"""What `make bench` measures, and how much of it."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import topic
from bench.cases import Case
from bench.rules import applying, with_others
from bench.train_ticket import TrainTicket


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    spans: int  # of each input
    runs: int  # of each case
    wait: float  # seconds for a trace's spans
    gather: int  # ms in which two workers that are to begin together join their group
    half_load: float  # seconds
    check: int  # bytes of each file
    index: int  # violations
    flight: int  # traces, or none
    cases: Callable[[str, int], Sequence[Case]]


def quick(address: str, spans: int) -> Sequence[Case]:
    """The first figure alone."""
    return [Case("10 rules", topic.even(address, spans), applying(10))]


def every(address: str, spans: int) -> Sequence[Case]:
    """The case that the last line is about comes first."""
    even, tickets = topic.even(address, spans), TrainTicket()
    cases = [
        Case("10 rules", even, applying(10)),
        Case("1 rule", even, applying(1)),
        Case("50 rules", even, applying(50)),
        Case("1,000 rules, 10 apply", even, with_others(10, 1000), beside=False),
        Case("10,000 rules, 10 apply", even, with_others(10, 10_000), beside=False),
        Case("10 rules, traces of 3 to 10,000", topic.mixed(address, spans), applying(10)),
        Case("10 rules, Train Ticket", topic.recorded(address, spans, tickets), tickets.rules(10)),
    ]
    two = [Case("10 rules, two cores", even, applying(10), 2)]
    return cases + two if (os.cpu_count() or 1) > 1 else cases


QUICK = Plan(200_000, 1, 2.0, 0, 0, 10 * 10**6, 20_000, 0, quick)
FULL = Plan(2_000_000, 3, 5.0, 3000, 60, 10**9, 1_000_000, 100_000, every)
