"""The index: SQLite as a view of the violations and activity topics, read again if it is deleted."""

import heapq
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from app.activity import Offered, Row, day_of
from app.index_writer import Record, Writer
from app.query import Query, conditions_of, cursor_of, statements

_VERSION = 4  # of the schema: a file of another one is made anew
_SCHEMA = """
CREATE TABLE IF NOT EXISTS violations (
    id TEXT PRIMARY KEY, detected INTEGER NOT NULL, revision INTEGER NOT NULL, rule_id TEXT NOT NULL,
    trace_id TEXT NOT NULL, severity TEXT NOT NULL, status TEXT NOT NULL, mode TEXT NOT NULL,
    complete INTEGER NOT NULL, partition INTEGER NOT NULL, place INTEGER NOT NULL, body TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facets (
    kind TEXT NOT NULL, value TEXT NOT NULL, detected INTEGER NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (kind, value, detected, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hours (
    kind TEXT NOT NULL, status TEXT NOT NULL, mode TEXT NOT NULL, hour INTEGER NOT NULL, value TEXT NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (kind, status, mode, hour, value)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS activity (
    rule_id TEXT NOT NULL, day TEXT NOT NULL, partition INTEGER NOT NULL, version INTEGER NOT NULL,
    evaluated INTEGER NOT NULL, applied INTEGER NOT NULL, violated INTEGER NOT NULL, errors INTEGER NOT NULL,
    seconds REAL NOT NULL, PRIMARY KEY (rule_id, day, partition, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen (
    kind TEXT NOT NULL, value TEXT NOT NULL, day TEXT NOT NULL, PRIMARY KEY (kind, value)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS offsets (
    topic TEXT, partition INTEGER, next INTEGER, PRIMARY KEY (topic, partition)
);
CREATE TABLE IF NOT EXISTS overtaken (
    id TEXT NOT NULL, partition INTEGER NOT NULL, PRIMARY KEY (id, partition)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_time ON violations (detected, id);
CREATE INDEX IF NOT EXISTS by_rule ON violations (rule_id, detected, id);
CREATE INDEX IF NOT EXISTS by_trace ON violations (trace_id, detected, id);
CREATE INDEX IF NOT EXISTS by_severity ON violations (severity, detected, id);
CREATE INDEX IF NOT EXISTS by_status ON violations (status, detected, id);
CREATE INDEX IF NOT EXISTS by_mode ON violations (mode, detected, id);
CREATE INDEX IF NOT EXISTS by_complete ON violations (complete, detected, id);
CREATE INDEX IF NOT EXISTS by_place ON violations (partition, place);
"""
_TABLES = ("violations", "facets", "hours", "activity", "seen", "offsets", "overtaken")
_PUT_ACTIVITY = (  # counts of a day only grow: a row with fewer came late
    f"INSERT INTO activity VALUES ({', '.join('?' * len(Row._fields))}) ON CONFLICT DO UPDATE SET "
    f"{', '.join(f'{name} = excluded.{name}' for name in Row._fields[4:])} "
    "WHERE excluded.evaluated >= evaluated"
)
_PUT_SEEN = "INSERT INTO seen VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET day = MAX(day, excluded.day)"
_PATIENCE = 10.0  # seconds for an answer
_LOOK = 100_000  # of SQLite's instructions between two looks at the time
_CHECKPOINT = 16_384  # pages (64 MB) of the write-ahead log that are then put into the file at once
_BATCH = 500  # violations that are forgotten at once, so that new ones need not wait


class TooSlow(Exception):
    """An answer that would take more time than there is."""


class IndexFailed(Exception):
    """The file cannot be read or written; the message says why."""


@dataclass(frozen=True, slots=True)
class Page:
    """Violations as JSON texts, newest first, and the cursor of the next page."""

    items: tuple[str, ...]
    next_cursor: str | None


class News(NamedTuple):
    """What came: so many violations, how far each partition is read with them, and whether that is all."""

    found: list["Seen"]
    reached: dict[int, int]
    whole: bool


class Seen(NamedTuple):
    """A violation as it came in: its JSON, and where it stands in the topic."""

    body: str
    partition: int
    offset: int


class Overtaken(NamedTuple):
    """A violation, as it stands, that a partition of the topic has last by a lower revision."""

    id: str
    partition: int
    body: str


class Index:
    """The SQLite file. Threads may share it: each has its connection."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.changes = 0  # how often something was taken in
        self._local = threading.local()
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != _VERSION:
                for (name,) in connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                ).fetchall():
                    connection.execute(f"DROP TABLE IF EXISTS {name}")
                connection.execute(f"PRAGMA user_version = {_VERSION}")
            connection.executescript(_SCHEMA)

    def put(
        self,
        records: Iterable[Record],
        offsets: Mapping[tuple[str, int], int],
        activity: Iterable[Row] = (),
        seen: Iterable[Offered] = (),
    ) -> int:
        """Take in records and note how far was read, all or nothing.

        A lower revision changes nothing. Returns how many records were no violations, and passed over.
        """
        refused = 0
        with self._connection() as connection:
            writer = Writer(connection)
            for record in records:
                refused += not writer.put(record)
            writer.finish()
            connection.executemany(_PUT_ACTIVITY, activity)
            connection.executemany(_PUT_SEEN, seen)
            rows = [(topic, partition, following) for (topic, partition), following in offsets.items()]
            connection.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)", rows)
        self.changes += 1
        return refused

    def offsets(self, topic: str) -> dict[int, int]:
        """The next offset to read, by partition."""
        with self._connection() as connection:
            rows = connection.execute("SELECT partition, next FROM offsets WHERE topic = ?", (topic,))
            return dict(rows.fetchall())

    def clear(self) -> None:
        """Forget everything, to read the topic from its beginning."""
        with self._connection() as connection:
            for table in _TABLES:
                connection.execute(f"DELETE FROM {table}")

    def forget(self, before: int) -> None:
        """Delete what was detected before that time (ns), and what was told of earlier days."""
        self._forget("WHERE detected < ?", (before,))
        with self._connection() as connection:
            for table in ("activity", "seen"):
                connection.execute(f"DELETE FROM {table} WHERE day < ?", (day_of(before),))

    def keep(self, rows: int) -> None:
        """Delete the oldest violations beyond so many."""
        counted = "SELECT COALESCE(SUM(count), 0) FROM hours WHERE kind = 'severity'"
        self._forget("", (), self.rows(counted, ())[0][0] - rows)

    def _forget(self, where: str, values: tuple[Any, ...], most: int = 2**62) -> None:
        """Delete the oldest of some, at most that many, in batches."""
        text = f"SELECT id FROM violations INDEXED BY by_time {where} ORDER BY detected, id LIMIT ?"
        while most > 0:
            with self._connection() as connection:
                found = connection.execute(text, [*values, min(most, _BATCH)]).fetchall()
                writer = Writer(connection)
                for (key,) in found:
                    writer.put(Record(key, None))
                writer.finish()
            most = most - len(found) if len(found) == _BATCH else 0

    def find(self, key: str) -> str | None:
        """One violation's JSON."""
        found = self.rows("SELECT body FROM violations WHERE id = ?", (key,))
        return found[0][0] if found else None

    def overtaken(self) -> list[Overtaken]:
        """What has to be sent again, so that the topic has the highest revision last."""
        text = "SELECT o.id, o.partition, v.body FROM overtaken o JOIN violations v ON v.id = o.id"
        return [Overtaken(*row) for row in self.rows(text, ())]

    def page(self, query: Query) -> Page:
        """A page of what matches; BadCursor for a cursor from elsewhere, TooSlow if it is too much."""
        query = replace(query, words=self._rarest_first(query.words))
        rows: dict[str, Any] = {}
        with self._reading() as connection:
            parts = [connection.execute(text, values) for text, values in statements(query)]
            for row in heapq.merge(*parts, key=lambda row: (row[1], row[2]), reverse=True):
                rows.setdefault(row[2], row)
                if len(rows) > query.limit:
                    break
        found = list(rows.values())[: query.limit]
        following = cursor_of(found[-1][1], found[-1][2]) if len(rows) > query.limit else None
        return Page(tuple(row[0] for row in found), following)

    def _rarest_first(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """The words, so that the first leads to the fewest violations, as far as a thousand are counted."""
        if len(wanted) < 2:
            return wanted
        text = "SELECT COUNT(*) FROM (SELECT 1 FROM facets WHERE kind = 'word' AND value = ? LIMIT 1000)"
        return tuple(sorted(wanted, key=lambda word: self.rows(text, [word])[0][0]))

    def since(self, topic: str, places: Mapping[int, int], query: Query, limit: int) -> News:
        """What matches of the records from these offsets on, by partition in their order, about so many."""
        conditions, values = conditions_of(query)
        where = "".join(f" AND {each}" for each in conditions)
        text = (
            "SELECT v.body, v.partition, v.place FROM violations v INDEXED BY by_place "
            f"WHERE v.partition = ? AND v.place >= ?{where} ORDER BY v.place LIMIT ?"
        )
        found: list[Seen] = []
        reached: dict[int, int] = {}
        with self._reading() as connection:
            ends = connection.execute("SELECT partition, next FROM offsets WHERE topic = ?", (topic,))
            following = dict(ends.fetchall())
            most = max(1, limit // max(1, len(following)))
            for partition, end in sorted(following.items()):
                place = places.get(partition, 0)
                rows = connection.execute(text, [partition, place, *values, most]).fetchall()
                found += [Seen(*row) for row in rows]
                if len(rows) < most:
                    reached[partition] = max(place, end)
        return News(found, reached, len(reached) == len(following))

    def rows(self, text: str, values: Iterable[Any]) -> list[Any]:
        """What a statement gives; TooSlow if that takes too long."""
        with self._reading() as connection:
            return connection.execute(text, list(values)).fetchall()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees one state of the file, for a bounded time."""
        end = time.monotonic() + _PATIENCE
        with self._connection() as connection:
            connection.set_progress_handler(lambda: time.monotonic() > end, _LOOK)
            try:
                connection.execute("BEGIN")
                yield connection
            except sqlite3.OperationalError as problem:
                if time.monotonic() > end:
                    raise TooSlow from problem
                raise
            finally:
                connection.set_progress_handler(None, 0)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, in a transaction; IndexFailed says what is wrong with the file."""
        try:
            with self._opened() as connection:
                yield connection
        except sqlite3.Error as problem:
            raise IndexFailed(f"the index {self.file} cannot be used: {problem}") from problem

    def _opened(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.file, timeout=30, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA cache_size = -65536")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT}")
            self._local.connection = connection
        return connection
