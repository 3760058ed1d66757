"""The violation index: SQLite as a view of the violations topic, which is read again if it is deleted."""

import base64
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from streams.config import Kafka
from streams.kafka import client_settings

_SCHEMA = """
CREATE TABLE IF NOT EXISTS violations (
    id TEXT PRIMARY KEY, detected INTEGER NOT NULL, revision INTEGER NOT NULL, rule_id TEXT NOT NULL,
    trace_id TEXT NOT NULL, severity TEXT NOT NULL, status TEXT NOT NULL, mode TEXT NOT NULL,
    body TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS services (
    service TEXT NOT NULL, detected INTEGER NOT NULL, id TEXT NOT NULL, PRIMARY KEY (service, detected, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS offsets (
    topic TEXT, partition INTEGER, next INTEGER, PRIMARY KEY (topic, partition)
);
CREATE INDEX IF NOT EXISTS by_time ON violations (detected, id);
CREATE INDEX IF NOT EXISTS by_rule ON violations (rule_id, detected, id);
CREATE INDEX IF NOT EXISTS by_trace ON violations (trace_id, detected, id);
CREATE INDEX IF NOT EXISTS by_severity ON violations (severity, detected, id);
CREATE INDEX IF NOT EXISTS by_status ON violations (status, detected, id);
"""
_BATCH = 1000
_TIMEOUT = 5.0


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
    start: int | None = None
    end: int | None = None
    limit: int = 100
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Violations as JSON texts, newest first, and the cursor of the next page."""

    items: tuple[str, ...]
    next_cursor: str | None


class Index:
    """The SQLite file. Every call opens a connection of its own, so that threads may share it."""

    def __init__(self, file: Path) -> None:
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._connection() as connection:
            connection.executescript(_SCHEMA)

    def put(self, records: Iterable[tuple[str, bytes | None]], offsets: dict[tuple[str, int], int]) -> int:
        """Take in records (id, JSON or None to delete) and note how far was read, all or nothing.

        A lower revision changes nothing. Returns how many records were no violations, and passed over.
        """
        refused = 0
        with self._connection() as connection:
            for key, value in records:
                refused += not _put(connection, key, value)
            rows = [(topic, partition, following) for (topic, partition), following in offsets.items()]
            connection.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?, ?)", rows)
        return refused

    def offsets(self, topic: str) -> dict[int, int]:
        """The next offset to read, by partition."""
        with self._connection() as connection:
            rows = connection.execute("SELECT partition, next FROM offsets WHERE topic = ?", (topic,))
            return dict(rows.fetchall())

    def clear(self) -> None:
        """Forget everything, to read the topic from its beginning."""
        with self._connection() as connection:
            connection.executescript("DELETE FROM violations; DELETE FROM services; DELETE FROM offsets;")

    def forget(self, before: int) -> None:
        """Delete what was detected before that time (ns)."""
        with self._connection() as connection:
            connection.execute("DELETE FROM violations WHERE detected < ?", (before,))
            connection.execute("DELETE FROM services WHERE detected < ?", (before,))

    def find(self, key: str) -> str | None:
        """One violation's JSON."""
        with self._connection() as connection:
            row = connection.execute("SELECT body FROM violations WHERE id = ?", (key,)).fetchone()
            return row[0] if row else None

    def page(self, query: Query) -> Page:
        """A page of what matches; BadCursor for a cursor from elsewhere."""
        text, values = statement(query)
        with self._connection() as connection:
            rows = connection.execute(text, values).fetchall()
        following = None
        if len(rows) > query.limit:
            rows = rows[: query.limit]
            following = _cursor(rows[-1][1], rows[-1][2])
        return Page(tuple(row[0] for row in rows), following)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.file, timeout=30)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            with connection:
                yield connection
        finally:
            connection.close()


def statement(query: Query) -> tuple[str, list[Any]]:
    """The SQL of a query: body, detected and id, one row more than the limit."""
    conditions: list[str] = []
    values: list[Any] = []
    time = "v.detected"
    for column, wanted in (
        ("v.severity", query.severities),
        ("v.rule_id", query.rule_ids),
        ("v.trace_id", query.trace_ids),
        ("v.status", query.statuses),
        ("v.mode", query.modes),
    ):
        if wanted:
            # A status that nearly all have is no way in: the unary plus keeps SQLite from its index.
            plus = "+" if column in ("v.status", "v.mode") else ""
            conditions.append(f"{plus}{column} IN ({', '.join('?' * len(wanted))})")
            values += wanted
    if query.services:
        marks = ", ".join("?" * len(query.services))
        conditions.append(f"v.id IN (SELECT id FROM services WHERE service IN ({marks}))")
        values += query.services
    for bound, sign in ((query.start, ">="), (query.end, "<")):
        if bound is not None:
            conditions.append(f"{time} {sign} ?")
            values.append(bound)
    if query.cursor is not None:
        conditions.append(f"({time}, v.id) < (?, ?)")
        values += _position(query.cursor)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    text = f"SELECT v.body, {time}, v.id FROM violations v{where} ORDER BY {time} DESC, v.id DESC LIMIT ?"
    return text, [*values, query.limit + 1]


def nanoseconds(timestamp: str) -> int:
    """Unix ns of an RFC 3339 time with up to nine decimals; ValueError if it is none."""
    whole, dot, rest = timestamp.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))] if dot else ""
    zone = rest[len(digits) :] if dot else ""
    moment = datetime.fromisoformat(whole + zone)
    if moment.tzinfo is None:
        raise ValueError("a time needs its zone: 2026-01-31T12:00:00Z")
    return round(moment.timestamp()) * 10**9 + int(digits.ljust(9, "0")[:9] or 0)


@dataclass(slots=True)
class Reader:
    """Follows the topic in a thread; `problem` is None when the index has caught up with it."""

    index: Index
    kafka: Kafka
    topic: str
    problem: str | None = "the index has not caught up yet"
    refused: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to read."""
        self._thread = threading.Thread(target=self._run, name="violation-index", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(10)

    def _run(self) -> None:
        consumer = Consumer(
            client_settings(
                self.kafka,
                **{"group.id": f"{self.kafka.group}-index", "enable.auto.commit": False, "log_level": 0},
            )
        )
        try:
            assigned = False
            while not self._stopping.is_set():
                try:
                    assigned = assigned or self._assign(consumer)
                    self._follow(consumer)
                except KafkaException as problem:
                    self.problem = f"Kafka does not answer: {problem.args[0].str()}"
                    self._stopping.wait(0.5)
        finally:
            consumer.close()

    def _assign(self, consumer: Consumer) -> bool:
        metadata = consumer.list_topics(self.topic, timeout=_TIMEOUT).topics[self.topic]
        if metadata.error is not None or not metadata.partitions:
            self.problem = f"the topic {self.topic} does not exist: `betrace topics create` makes it"
            self._stopping.wait(0.5)
            return False
        kept = self.index.offsets(self.topic)
        ends = {n: _end(consumer, self.topic, n) for n in metadata.partitions}
        if any(kept.get(n, 0) > end for n, end in ends.items()):
            self.index.clear()  # the topic was made anew
            kept = {}
        consumer.assign(
            [TopicPartition(self.topic, n, kept.get(n, OFFSET_BEGINNING)) for n in metadata.partitions]
        )
        return True

    def _follow(self, consumer: Consumer) -> None:
        assignment = consumer.assignment()
        if not assignment:
            return
        messages = [message for message in consumer.consume(_BATCH, timeout=0.2) if not message.error()]
        if messages:
            self.refused += self.index.put(map(_record, messages), _following(messages))
        if len(messages) < _BATCH:
            self._look_whether_ready(consumer, assignment)

    def _look_whether_ready(self, consumer: Consumer, assignment: Sequence[TopicPartition]) -> None:
        kept = self.index.offsets(self.topic)
        behind = 0
        for partition in assignment:
            low, end = consumer.get_watermark_offsets(
                TopicPartition(self.topic, partition.partition), timeout=_TIMEOUT, cached=False
            )
            behind += max(0, end - max(kept.get(partition.partition, low), low))
        self.problem = f"the index is {behind} records behind" if behind else None


def _put(connection: sqlite3.Connection, key: str, value: bytes | None) -> bool:
    if value is None:
        connection.execute("DELETE FROM violations WHERE id = ?", (key,))
        connection.execute("DELETE FROM services WHERE id = ?", (key,))
        return True
    try:
        v = json.loads(value)
        detected = nanoseconds(v["detectedAt"])
        row = (
            v["id"],
            detected,
            v["revision"],
            v["ruleId"],
            v["traceId"],
            v["severity"],
            v["status"],
            v["mode"],
        )
        services = [(str(service), detected, v["id"]) for service in v["services"]]
    except (ValueError, KeyError, TypeError):
        return False
    changed = connection.execute(
        "INSERT INTO violations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "revision = excluded.revision, status = excluded.status, body = excluded.body, "
        "severity = excluded.severity, mode = excluded.mode WHERE excluded.revision > violations.revision",
        (*row, value.decode("utf-8", "replace")),
    )
    if changed.rowcount:
        connection.executemany("INSERT OR IGNORE INTO services VALUES (?, ?, ?)", services)
    return True


def _record(message: Message) -> tuple[str, bytes | None]:
    key = message.key()
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key), message.value()


def _following(messages: Iterable[Message]) -> dict[tuple[str, int], int]:
    return {(str(m.topic()), m.partition() or 0): (m.offset() or 0) + 1 for m in messages}


def _end(consumer: Consumer, topic: str, partition: int) -> int:
    return int(
        consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT, cached=False)[1]
    )


def _cursor(detected: int, key: str) -> str:
    return base64.urlsafe_b64encode(f"{detected}:{key}".encode()).decode().rstrip("=")


def _position(cursor: str) -> tuple[int, str]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        detected, _, key = text.partition(":")
        return int(detected), key
    except ValueError:
        raise BadCursor(cursor) from None
