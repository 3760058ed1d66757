"""`betrace replay`: judges what stands in a range of the input topics, as a worker would have."""

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, NamedTuple

from confluent_kafka import Message

from app.check import Form, Totals
from app.errors import UserError
from app.pile import Pile
from app.sending import Sending
from app.traces import Progress
from dsl.trace import Trace
from dsl.verdict import Verdict
from streams.config import Config, Encoding, Kafka
from streams.evidence import records as evidence_of
from streams.otlp import WireError
from streams.ranges import Range, Ranges, time_of
from streams.reading import pieces, read
from streams.redaction import DEFAULT, Redaction
from streams.topics import Topics
from streams.violation import records

_ERRORS = 1000  # that are told one by one
_HEADER = struct.Struct(">16sI")  # violation id, length


class Between(NamedTuple):
    """Unix ms, from the first up to, and not including, the second."""

    start: int
    end: int


def offsets(reader: Ranges, text: str) -> Range:
    """The range that `TOPIC/PARTITION:START-END` names, both included, either left out; UserError."""
    found = re.fullmatch(r"(.+)/(\d{1,9}):(\d{0,18})-(\d{0,18})", text)
    if found is None:
        raise UserError(
            f"{text}: TOPIC/PARTITION:START-END, such as otlp_spans/0:100-199 or otlp_spans/0:100-"
        )
    start, end = (int(place) if place else None for place in found.group(3, 4))
    if start is not None and end is not None and end < start:
        raise UserError(f"{text}: it ends before it starts")
    return reader.within(found[1], int(found[2]), start, None if end is None else end + 1)


def around(reader: Ranges, config: Config, start: int | None, end: int | None) -> list[Range]:
    """What holds all spans of the traces that began from `start` up to `end` (Unix ms).

    A trace that began before `start` is told from one that began then by what stands before, as far back as
    spans of a trace may lie apart; its last spans stand as far behind `end`.
    """
    windows = config.windows
    apart = round((windows.max_wait + windows.late_window + windows.late_grace) * 1000)
    return [
        part
        for topic in config.kafka.input_topics
        for part in reader.of(
            topic.name, None if start is None else start - apart, None if end is None else end + apart
        )
    ]


@dataclass(slots=True)
class Recorded:
    """The traces of ranges of input topics; those that began outside of `began` (Unix ms) are left out."""

    config: Config
    reader: Ranges
    ranges: Sequence[Range]
    began: Between | None = None
    errors: list[str] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    _more: int = 0

    def __iter__(self) -> Iterator[Trace]:
        """All traces, once all records are read."""
        encodings = {topic.name: topic.encoding for topic in self.config.kafka.input_topics}
        unknown = {part.topic for part in self.ranges} - set(encodings)
        if unknown:
            raise UserError(
                f"{', '.join(sorted(unknown))}: not in kafka.input_topics, which tell the encoding"
            )
        total = sum(map(len, self.ranges))
        with Pile() as pile:
            for number, message in enumerate(self.reader.records(self.ranges), 1):
                self._take(message, encodings[str(message.topic())], pile)
                self.progress.say(f"{number:,} of {total:,} records read")
            if self._more:
                self.errors.append(f"and {self._more:,} more")
            for trace, first in pile.traces():
                if self.began is None or self.began.start <= first < self.began.end:
                    yield trace

    def _take(self, message: Message, encoding: Encoding, pile: Pile) -> None:
        """Put down the spans of a record; own ones are dropped, and what a worker dead-letters is told."""
        place = f"{message.topic()}/{message.partition()}/{message.offset()}"
        try:
            parts = read(encoding, _value(message), known=pile.known)
        except WireError as problem:
            self._wrong(f"{place}: {problem.reason}: {problem}")
            return
        time = time_of(message) or 0
        for trace_id, fragment in pieces(parts, self.config.limits.block_bytes):
            pile.add(trace_id, fragment, time)
        for reason, spans in parts.rejected.items():
            self._wrong(f"{place}: {len(spans)} spans refused: {reason}")

    def _wrong(self, text: str) -> None:
        if len(self.errors) < _ERRORS:
            self.errors.append(text)
        else:
            self._more += 1


@dataclass(slots=True)
class Publication:
    """Tells verdicts in another form, and keeps in a file what a worker would publish of them.

    `now` gives Unix ns.
    """

    form: Form
    now: Callable[[], int]
    kept: IO[bytes]
    redaction: Redaction = DEFAULT
    evidence: bool = True
    _ids: set[bytes] = field(default_factory=set)

    def verdict(self, trace: Trace, verdict: Verdict) -> None:
        """Tell one, and keep its violations."""
        reason = "root" if trace.complete else "timeout"
        for found in records(trace, verdict, reason, self.now(), self.redaction):
            raw = bytes.fromhex(found.id)
            self._ids.add(raw)
            self.kept.write(_HEADER.pack(raw, len(found.value)) + found.value)
        self.form.verdict(trace, verdict)

    def end(self, totals: Totals, errors: list[str]) -> None:
        """Tell the numbers."""
        self.form.end(totals, errors)

    def publish(self, kafka: Kafka, reader: Ranges) -> "Published":
        """Send those that the violations topic does not hold; one that it holds stays as it is."""
        names = Topics(kafka.group)
        topic = names.violations
        known = self._known(reader, topic)
        sent = 0
        with Sending(kafka) as sending:
            for raw, value in self._violations():
                if raw not in known:
                    known.add(raw)
                    sending.send(topic, value, key=raw.hex().encode())
                    for trace_id, request in evidence_of([value], replayed=True) if self.evidence else ():
                        sending.send(names.evidence, request, key=trace_id.encode())
                    sent += 1
        return Published(sent, len(self._ids) - sent)

    def _known(self, reader: Ranges, topic: str) -> set[bytes]:
        """The ids of kept violations that the topic holds too."""
        known: set[bytes] = set()
        for message in reader.records(reader.of(topic)):
            raw = _id_of(message.key())
            if raw in self._ids:
                (known.discard if message.value() is None else known.add)(raw)
        return known

    def _violations(self) -> Iterator[tuple[bytes, bytes]]:
        self.kept.seek(0)
        while header := self.kept.read(_HEADER.size):
            raw, length = _HEADER.unpack(header)
            yield raw, self.kept.read(length)


class Published(NamedTuple):
    """How many violations were sent, and how many were there already."""

    sent: int
    known: int


def _id_of(key: str | bytes | None) -> bytes:
    try:
        return bytes.fromhex(key.decode() if isinstance(key, bytes) else key or "")
    except ValueError:
        return b""


def _value(message: Message) -> bytes:
    value = message.value()
    return value.encode() if isinstance(value, str) else value or b""
