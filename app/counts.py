"""Violations counted in buckets of time: whole hours are counted already, the edges are not."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from app.index import Index
from app.index_writer import HOUR
from app.query import Query, conditions_of

KINDS = {"severity": "v.severity", "ruleId": "v.rule_id", "service": "g.value"}
MAX_POINTS = 50_000
MS = 10**6


@dataclass(frozen=True, slots=True)
class Counts:
    """What to count: `start` and `end` of the query are set; `step` in ns; `by` is one of KINDS, or None."""

    query: Query
    step: int
    by: str | None


def series(index: Index, counts: Counts) -> list[dict[str, Any]]:
    """`{labels, points: [[Unix ms, n], …]}` for each value, in its order; buckets begin at the epoch."""
    query = counts.query
    assert query.start is not None
    assert query.end is not None
    found: dict[str, dict[int, int]] = {}
    for bucket, value, count in _counted(index, counts):
        into = found.setdefault(value, {})
        into[bucket] = into.get(bucket, 0) + count
    buckets = range(query.start // counts.step, -(-query.end // counts.step))
    if not counts.by and not found:
        found[""] = {}
    return [
        {
            "labels": {counts.by: value} if counts.by else {},
            "points": [[bucket * counts.step // MS, of.get(bucket, 0)] for bucket in buckets],
        }
        for value, of in sorted(found.items())
        if not counts.by or any(of.values())
    ]


def _counted(index: Index, counts: Counts) -> Iterator[tuple[int, str, int]]:
    query = counts.query
    assert query.start is not None
    assert query.end is not None
    if not _by_hours(counts):
        yield from _raw(index, counts)
        return
    first, last = -(-query.start // HOUR), query.end // HOUR
    if first >= last:
        yield from _raw(index, counts)
        return
    yield from _raw(index, replace(counts, query=replace(query, end=first * HOUR)))
    yield from _hours(index, counts, first, last)
    yield from _raw(index, replace(counts, query=replace(query, start=last * HOUR)))


def _by_hours(counts: Counts) -> bool:
    """Whether the counts by hour can tell it: buckets of whole hours, and no filter but the kind's own."""
    query = counts.query
    own = {"severity": query.severities, "ruleId": query.rule_ids, "service": query.services}
    filters = sum(map(bool, own.values()))
    kind = counts.by or "severity"
    others = query.trace_ids or query.frameworks or query.controls or query.labels or query.words
    alone = filters == 0 or (filters == 1 and bool(own[kind]))
    return counts.step % HOUR == 0 and not others and query.complete is None and alone


def _hours(index: Index, counts: Counts, first: int, last: int) -> Iterable[tuple[int, str, int]]:
    query, kind = counts.query, counts.by or "severity"
    statuses, modes = query.statuses or ("open", "retracted"), query.modes or ("enforce", "shadow")
    own = {"severity": query.severities, "ruleId": query.rule_ids, "service": query.services}[kind]
    more = f" AND value IN ({', '.join('?' * len(own))})" if own else ""
    value = "value" if counts.by else "''"
    text = (
        f"SELECT hour / ?, {value}, SUM(count) FROM hours WHERE kind = ? "
        f"AND status IN ({', '.join('?' * len(statuses))}) AND mode IN ({', '.join('?' * len(modes))}) "
        f"AND hour >= ? AND hour < ?{more} GROUP BY 1, 2"
    )
    return index.rows(text, [counts.step // HOUR, kind, *statuses, *modes, first, last, *own])


def _raw(index: Index, counts: Counts) -> Iterable[tuple[int, str, int]]:
    query = counts.query
    if query.start == query.end:
        return []
    source, time, leading, values = _source(query)
    conditions, more = conditions_of(query, leading)
    entered = ["f.kind = ?", "f.value = ?"] if leading else []
    conditions = [*entered, f"{time} >= ?", f"{time} < ?", *conditions]
    values += [query.start, query.end, *more]
    if counts.by == "service":
        source += " CROSS JOIN facets g ON g.kind = 'service' AND g.detected = v.detected AND g.id = v.id"
        if query.services:
            conditions.append(f"g.value IN ({', '.join('?' * len(query.services))})")
            values += query.services
    value = KINDS[counts.by] if counts.by else "''"
    text = (
        f"SELECT {time} / ?, {value}, COUNT(*) FROM {source} WHERE {' AND '.join(conditions)} GROUP BY 1, 2"
    )
    return index.rows(text, [counts.step, *values])


def _source(query: Query) -> tuple[str, str, str | None, list[Any]]:
    """Where rows come from: tables, the column of their time, the facet that leads, and its value."""
    kind, wanted = next(query.facets(), (None, ()))
    if kind is not None and len(wanted) == 1:
        return "facets f CROSS JOIN violations v ON v.id = f.id", "f.detected", kind, [kind, wanted[0]]
    return "violations v INDEXED BY by_time", "v.detected", None, []
