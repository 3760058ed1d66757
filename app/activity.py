"""What the activity topic tells: what each rule came to, by day and version, and what spans came lately."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

_NS = 10**9
_DAY = 86_400 * _NS
OF_SPANS = {"spanName": "spanNames", "attribute": "attributes"}  # kinds of values, and their members there
_SUMS = "SUM(evaluated), SUM(applied), SUM(violated), SUM(errors), SUM(seconds)"


class Row(NamedTuple):
    """What one partition's traces of a day came to by one version of a rule."""

    rule_id: str
    day: str
    partition: int
    version: int
    evaluated: int
    applied: int
    violated: int
    errors: int
    seconds: float


class Offered(NamedTuple):
    """The name of a span, or the key of an attribute, and the day on which it came last."""

    kind: str  # of OF_SPANS
    value: str
    day: str


class Sums(NamedTuple):
    """What a rule came to, over versions, partitions and days."""

    evaluated: int
    applied: int
    seconds: float
    since: str  # the first of the days


def rows_of(values: Iterable[bytes | None]) -> list[Row]:
    """The rows that records of the activity topic give; what is no such record is passed over."""
    rows = []
    for value in values:
        try:
            rows += _rows_of(json.loads(value or b"null"))
        except (ValueError, KeyError, TypeError):
            continue
    return rows


def _rows_of(told: dict[str, Any]) -> list[Row]:
    key = str(told["ruleId"]), str(told["day"]), int(told["partition"])
    return [
        Row(*key, each["version"], *(each[name] for name in Row._fields[4:])) for each in told["versions"]
    ]


def seen_of(values: Iterable[bytes | None]) -> list[Offered]:
    """The names that records of the activity topic tell of; what is no such record is passed over."""
    found = []
    for value in values:
        try:
            told = json.loads(value or b"null")
            found += [
                Offered(kind, str(name), str(told["day"]))
                for kind in OF_SPANS
                for name in told[OF_SPANS[kind]]
            ]
        except (ValueError, KeyError, TypeError):
            continue
    return found


def statement_of(rule_id: str) -> tuple[str, tuple[str]]:
    """The days of a rule, newest first, and their versions."""
    text = f"SELECT day, version, {_SUMS} FROM activity WHERE rule_id = ? GROUP BY day, version"
    return f"{text} ORDER BY day DESC, version DESC", (rule_id,)


def overview_of(now: int, days: int, after: str, count: int) -> tuple[str, tuple[str, str, int]]:
    """At most so many rules, with ids behind another: the last day of each, and its sums."""
    first = day_of(now - (days - 1) * _DAY)
    text = f"SELECT rule_id, MAX(day), {_SUMS} FROM activity WHERE day >= ? AND rule_id > ? GROUP BY rule_id"
    return f"{text} ORDER BY rule_id LIMIT ?", (first, after, count)


def day_json(row: Iterable[Any], *key: str) -> dict[str, Any]:
    """A row of a statement as the API shows it; `key` names what stands before the sums."""
    return dict(zip((*key, *Row._fields[4:]), row, strict=True))


def sums(rows: Iterable[Row]) -> dict[str, Sums]:
    """What each rule came to, of the row of each rule, day, partition and version that counted most.

    Counts of a day only grow: a row that comes behind one with more came late.
    """
    most = {row[:4]: row for row in sorted(rows, key=lambda row: row.evaluated)}
    found: dict[str, Sums] = {}
    for row in most.values():
        before = found.get(row.rule_id, Sums(0, 0, 0.0, row.day))
        found[row.rule_id] = Sums(
            before.evaluated + row.evaluated,
            before.applied + row.applied,
            before.seconds + row.seconds,
            min(before.since, row.day),
        )
    return found


def day_of(time: int) -> str:
    """The day (UTC) of a time in Unix ns."""
    return datetime.fromtimestamp(time // _NS, UTC).date().isoformat()
