"""Puts violations into the tables of the index."""

import json
import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.query import nanoseconds, words

HOUR = 3600 * 10**9  # ns


class Record(NamedTuple):
    """A record of the topic: JSON, or None to delete; `partition` and `offset` say where it stands."""

    key: str
    value: bytes | None
    partition: int = 0
    offset: int = 0


@dataclass(slots=True)
class Writer:
    """Puts records into the tables of one transaction; facets and counts by hour are added at its end."""

    connection: sqlite3.Connection
    counts: Counter[tuple[str, str, str, int, str]] = field(default_factory=Counter)
    facets: list[tuple[str, str, int, str]] = field(default_factory=list)

    def put(self, record: Record) -> bool:
        """Take one in; False if it is no violation."""
        if record.value is None:
            self._delete(record.key)
            self.connection.execute("DELETE FROM overtaken WHERE id = ?", (record.key,))
            return True
        try:
            made = _row(record)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return False
        row, facets = made
        before = self.connection.execute("SELECT revision FROM violations WHERE id = ?", (row[0],)).fetchone()
        if before is not None:
            self._stands(record, row[0], before[0] > row[2])
            if before[0] >= row[2]:
                return True
            self._delete(row[0])
        marks = ", ".join("?" * len(row))
        self.connection.execute(f"INSERT INTO violations VALUES ({marks})", row)
        self.facets += [(kind, value, row[1], row[0]) for kind, value in facets]
        self._count(row, [value for kind, value in facets if kind == "service"], 1)
        return True

    def _stands(self, record: Record, key: str, lower: bool) -> None:
        """Note whether a violation stands last in a partition by a revision lower than one that is known."""
        statement = (
            "INSERT OR IGNORE INTO overtaken VALUES (?, ?)"
            if lower
            else "DELETE FROM overtaken WHERE id = ? AND partition = ?"
        )
        self.connection.execute(statement, (key, record.partition))

    def finish(self) -> None:
        """Add the facets and counts."""
        self._add_facets()
        self.connection.executemany(
            "INSERT INTO hours VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET count = count + excluded.count",
            [(*key, count) for key, count in self.counts.items() if count],
        )
        self.counts.clear()

    def _delete(self, key: str) -> None:
        found = self.connection.execute("SELECT * FROM violations WHERE id = ?", (key,)).fetchone()
        if found is None:
            return
        self._add_facets()
        _, facets = _row(Record(key, found[-1].encode()))
        self._count(found, [value for kind, value in facets if kind == "service"], -1)
        self.connection.execute("DELETE FROM violations WHERE id = ?", (key,))
        self.connection.executemany(
            "DELETE FROM facets WHERE kind = ? AND value = ? AND detected = ? AND id = ?",
            [(kind, value, found[1], key) for kind, value in facets],
        )

    def _add_facets(self) -> None:
        """In their order in the table, so that each page is looked up once."""
        self.connection.executemany("INSERT OR IGNORE INTO facets VALUES (?, ?, ?, ?)", sorted(self.facets))
        self.facets.clear()

    def _count(self, row: tuple[Any, ...], services: list[str], by: int) -> None:
        _, detected, _, rule_id, _, severity, status, mode, *_ = row
        hour = detected // HOUR
        self.counts["severity", status, mode, hour, severity] += by
        self.counts["ruleId", status, mode, hour, rule_id] += by
        for service in services:
            self.counts["service", status, mode, hour, service] += by


def _row(record: Record) -> tuple[tuple[Any, ...], set[tuple[str, str]]]:
    """The row of a violation, and its facets."""
    assert record.value is not None
    body = record.value.decode()
    v = json.loads(body)
    detected = nanoseconds(v["detectedAt"])
    if not (0 <= detected < 2**63 and 0 < v["revision"] < 2**63):
        raise ValueError("beyond what the index can hold")
    row = (
        v["id"],
        detected,
        v["revision"],
        v["ruleId"],
        v["traceId"],
        v["severity"],
        v["status"],
        v["mode"],
        int(v.get("complete", True)),
        record.partition,
        record.offset,
        body,
    )
    facets = {("service", str(service)) for service in v["services"]}
    facets |= {("label", f"{key}:{value}") for key, value in v.get("labels", {}).items()}
    facets |= {("framework", str(each["framework"])) for each in v.get("compliance", ())}
    facets |= {("control", str(each["control"])) for each in v.get("compliance", ())}
    facets |= {("word", word) for word in words(str(v.get("message", "")))}
    return row, facets
