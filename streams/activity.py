"""Proof of operation: of how many traces each rule has told what, by version and day, over any restarts.

A partition gathers what its judgements came to, and now and then adds it to one table row a rule and tells
the row. Gathered counts are part of what a tick writes (`streams.state`), so none is lost or told twice.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from dsl.verdict import Verdict

_DAY = 86_400_000  # ms
_EVERY = 60  # ticks between two tellings
_MANY = 1000  # rules, above which it is told less often in proportion


class Told(NamedTuple):
    """The last telling: the clock then (ms), and how many rows it wrote."""

    clock: int = 0
    rows: int = 0


class Version(NamedTuple):
    """A version of a rule."""

    rule_id: str
    version: int


@dataclass(slots=True)
class Counts:
    """What a rule came to on some traces, and the time that it took (us, estimated from samples)."""

    applied: int = 0
    violated: int = 0
    errors: int = 0
    skipped: int = 0
    mismatches: int = 0
    micros: int = 0
    cut_off: int = 0  # that took too many steps, or too long

    def add(self, other: "Counts") -> None:
        """Add another's."""
        self.applied += other.applied
        self.violated += other.violated
        self.errors += other.errors
        self.skipped += other.skipped
        self.mismatches += other.mismatches
        self.micros += other.micros
        self.cut_off += other.cut_off

    def count(self, verdict: Verdict) -> None:
        """Count what the rule came to on one more trace."""
        outcome = verdict.outcome
        self.applied += outcome in ("satisfied", "violated")
        self.violated += outcome == "violated"
        self.errors += outcome == "error"
        self.skipped += outcome == "skipped"
        self.mismatches += verdict.mismatches
        self.cut_off += verdict.cut_off in ("steps", "time")

    def values(self) -> list[int]:
        """As `Counts(*values)` takes them."""
        counts = [self.applied, self.violated, self.errors, self.skipped]
        return [*counts, self.mismatches, self.micros, self.cut_off]


@dataclass(slots=True)
class Activity:
    """What some traces came to, all judged on one day by the rules as of one offset of their log.

    Rules that are in force and have no counts were evaluated on all of the traces, and applied to none.
    """

    rules: int = -1
    day: int = 0  # since 1970, UTC
    traces: int = 0
    counts: dict[Version, Counts] = field(default_factory=dict)

    def came(self, version: Version) -> Counts:
        """The counts of a version, to add to."""
        return self.counts.setdefault(version, Counts())

    def add(self, other: "Activity") -> None:
        """Add another's, of the same day and rules."""
        self.rules, self.day = other.rules, other.day
        self.traces += other.traces
        for version, counts in other.counts.items():
            self.came(version).add(counts)

    def goes_with(self, other: "Activity") -> bool:
        """Whether the other's can be added."""
        return not self.traces or (self.rules, self.day) == (other.rules, other.day)

    def json(self) -> list[Any]:
        """As `of_json` reads it."""
        counts = [[*version, *counts.values()] for version, counts in self.counts.items()]
        return [self.rules, self.day, self.traces, counts]

    @classmethod
    def of_json(cls, value: list[Any]) -> "Activity":
        rules, day, traces, counts = value
        return cls(rules, day, traces, {Version(c[0], c[1]): Counts(*c[2:]) for c in counts})


@dataclass(slots=True)
class Row:
    """What a partition's table keeps of a rule: a day's counts, and at which telling they were added."""

    day: int
    told: tuple[int, int]  # offset of the tick, number in it
    versions: dict[int, tuple[int, Counts]] = field(default_factory=dict)  # traces evaluated, and the rest

    def add(self, activity: Activity, version: Version, told: tuple[int, int]) -> bool:
        """Add what was gathered; False if this telling was added before a crash."""
        if self.told >= told:
            return False
        if self.day != activity.day:
            self.day, self.versions = activity.day, {}
        evaluated, counts = self.versions.get(version.version, (0, Counts()))
        counts.add(activity.counts.get(version, Counts()))
        self.versions[version.version] = evaluated + activity.traces, counts
        self.told = told
        return True

    def encode(self) -> bytes:
        """The table value."""
        versions = [[v, evaluated, *counts.values()] for v, (evaluated, counts) in self.versions.items()]
        return json.dumps([self.day, self.told, versions], separators=(",", ":")).encode()

    @classmethod
    def decode(cls, value: bytes) -> "Row":
        day, told, versions = json.loads(value)
        return cls(day, (told[0], told[1]), {v: (evaluated, Counts(*c)) for v, evaluated, *c in versions})


def row_key(rule_id: str) -> bytes:
    """Where the table keeps a rule's row."""
    return b"A" + rule_id.encode()


FIRST_ROW, BEHIND_ROWS = b"A", b"B"


def record(rule_id: str, row: Row, partition: int) -> tuple[str, bytes]:
    """Key and value of the activity topic, which keeps the last record of a rule, day and partition."""
    day = date_of(row.day)
    versions = [
        {
            "version": version,
            "evaluated": evaluated,
            "applied": counts.applied,
            "violated": counts.violated,
            "errors": counts.errors,
            "seconds": counts.micros / 1e6,
        }
        for version, (evaluated, counts) in sorted(row.versions.items())
    ]
    value = {"ruleId": rule_id, "day": day, "partition": partition, "versions": versions}
    return f"{rule_id}/{day}/{partition}", json.dumps(value, separators=(",", ":")).encode()


def day_of(clock: int) -> int:
    """The day of a time (ms)."""
    return clock // _DAY


def date_of(day: int) -> str:
    """A day as ISO 8601."""
    return datetime.fromtimestamp(day * _DAY / 1000, UTC).date().isoformat()


def is_due(clock: int, told: "Told", tick: float) -> bool:
    """Whether it is time to tell again; `clock` in ms, `tick` in s."""
    return clock - told.clock >= _EVERY * tick * 1000 * max(1.0, told.rows / _MANY)
