"""What is asked of the violation index, and the SQL that answers it."""

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_WORD = re.compile(r"\w+")
_ID = re.compile(r"[0-9a-f]{32}")
Statement = tuple[str, list[Any]]


class BadCursor(ValueError):
    """A cursor that this API did not give."""


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for: any of each tuple, all of the fields; `start` and `end` (ns) bound detectedAt."""

    severities: tuple[str, ...] = ()
    rule_ids: tuple[str, ...] = ()
    trace_ids: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ("open",)
    modes: tuple[str, ...] = ("enforce",)
    complete: bool | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    frameworks: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None
    limit: int = 100
    cursor: str | None = None

    def columns(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Columns of the table, with the values that are let through."""
        wanted = {
            "trace_id": self.trace_ids,
            "rule_id": self.rule_ids,
            "severity": self.severities,
            "status": self.statuses,
            "mode": self.modes,
        }
        return ((column, values) for column, values in wanted.items() if values)

    def facets(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Kinds of facet, with the values of which a violation has to have one; the rarer kinds first."""
        if self.controls:
            yield "control", self.controls
        for key, values in self.labels.items():
            yield "label", tuple(f"{key}:{value}" for value in values)
        for word in self.words:
            yield "word", (word,)
        if self.frameworks:
            yield "framework", self.frameworks
        if self.services:
            yield "service", self.services


def words(text: str) -> tuple[str, ...]:
    """The distinct words of a message or a question, in lower case."""
    return tuple(dict.fromkeys(_WORD.findall(text.lower())))


def statements(query: Query) -> list[Statement]:
    """The SQL of a page: one for each value of the filter that leads, as each is then read in order of time.

    Each gives body, detected and id, newest first, one row more than the limit; the caller merges them.
    """
    return [_statement(query, *way) for way in _ways(query)]


def _ways(query: Query) -> Iterator[tuple[str, str | None, str | None]]:  # noqa: C901 a case an index
    """The index that leads, with the column or facet and the value that it is entered by."""
    columns, facets = dict(query.columns()), list(query.facets())
    if "trace_id" in columns:
        yield from (("by_trace", "trace_id", value) for value in columns["trace_id"])
    elif facets and facets[0][0] in ("control", "label", "word"):
        yield from (("facets", facets[0][0], value) for value in facets[0][1])
    elif "rule_id" in columns:
        yield from (("by_rule", "rule_id", value) for value in columns["rule_id"])
    elif facets:
        yield from (("facets", facets[0][0], value) for value in facets[0][1])
    elif "severity" in columns:
        yield from (("by_severity", "severity", value) for value in columns["severity"])
    elif query.statuses == ("retracted",):
        yield "by_status", "status", "retracted"
    elif query.modes == ("shadow",):
        yield "by_mode", "mode", "shadow"
    elif query.complete is False:
        yield "by_complete", "complete", "0"
    else:
        yield "by_time", None, None


def _statement(query: Query, index: str, name: str | None, value: str | None) -> Statement:
    conditions: list[str] = []
    values: list[Any] = []
    if index == "facets":
        source, time, key = "facets f CROSS JOIN violations v ON v.id = f.id", "f.detected", "f.id"
        conditions, values = ["f.kind = ?", "f.value = ?"], [name, value]
    else:
        source, time, key = f"violations v INDEXED BY {index}", "v.detected", "v.id"
        if name is not None:
            conditions, values = [f"v.{name} = ?"], [int(value or 0) if name == "complete" else value]
    more, more_values = conditions_of(query, leading=name)
    conditions += more
    values += more_values
    for bound, sign in ((query.start, ">="), (query.end, "<")):
        if bound is not None:
            conditions.append(f"{time} {sign} ?")
            values.append(bound)
    if query.cursor is not None:
        conditions.append(f"({time}, {key}) < (?, ?)")
        values += position(query.cursor)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    text = f"SELECT v.body, {time}, {key} FROM {source}{where} ORDER BY {time} DESC, {key} DESC LIMIT ?"
    return text, [*values, query.limit + 1]


def conditions_of(query: Query, leading: str | None = None) -> tuple[list[str], list[Any]]:
    """The filters as conditions on a row `v`; the one that leads is asked already, time is left out."""
    conditions: list[str] = []
    values: list[Any] = []
    for column, wanted in query.columns():
        if column != leading:
            conditions.append(f"+v.{column} IN ({_marks(wanted)})")
            values += wanted
    if query.complete is not None and leading != "complete":
        conditions.append("+v.complete = ?")
        values.append(int(query.complete))
    facets = list(query.facets())
    for kind, wanted in facets[1:] if facets and leading == facets[0][0] else facets:
        conditions.append(
            "EXISTS (SELECT 1 FROM facets g WHERE g.kind = ? AND "
            f"g.value IN ({_marks(wanted)}) AND g.detected = v.detected AND g.id = v.id)"
        )
        values += [kind, *wanted]
    return conditions, values


def _marks(values: tuple[str, ...]) -> str:
    return ", ".join("?" * len(values))


def nanoseconds(timestamp: str) -> int:
    """Unix ns of an RFC 3339 time with up to nine decimals; ValueError if it is none."""
    whole, dot, rest = timestamp.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))] if dot else ""
    zone = rest[len(digits) :] if dot else ""
    moment = datetime.fromisoformat(whole + zone)
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone: 2026-01-31T12:00:00Z")
    return round(moment.timestamp()) * 10**9 + int(digits.ljust(9, "0")[:9] or 0)


def cursor_of(detected: int, key: str) -> str:
    """The cursor of what follows a violation."""
    return base64.urlsafe_b64encode(f"{detected}:{key}".encode()).decode().rstrip("=")


def position(cursor: str) -> tuple[int, str]:
    """What a cursor stands for; BadCursor if it is from elsewhere."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        detected, _, key = text.partition(":")
        found = int(detected), key
    except ValueError:
        raise BadCursor(cursor) from None
    if not 0 <= found[0] < 2**63 or not _ID.fullmatch(key) or cursor_of(*found) != cursor:
        raise BadCursor(cursor)
    return found
