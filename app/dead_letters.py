"""Reads the dead-letter topic: what could not be read, and why."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import Message

from app.errors import UserError
from app.told import told
from app.traces import Progress
from streams import letters
from streams.config import Config, Encoding
from streams.ranges import Range, Ranges, headers_of, time_of
from streams.topics import Topics

UNKNOWN = "unknown"  # the reason of a record that BeTrace did not write


class Place(NamedTuple):
    """Where a record is."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"

    @classmethod
    def of(cls, text: str, topic: str) -> "Place":
        """Read `PARTITION/OFFSET` of that topic, or `TOPIC/PARTITION/OFFSET` (or with dashes); UserError."""
        found = re.fullmatch(r"(?:(.+)[/-])?(\d{1,9})[/-](\d{1,18})", text)
        if found is None:
            raise UserError(
                f"{text}: PARTITION/OFFSET in the dead letters, or TOPIC/PARTITION/OFFSET of the input"
            )
        return cls(found[1] or topic, int(found[2]), int(found[3]))


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter as it was read."""

    at: Place
    time: int | None  # Unix ms
    key: bytes | None
    value: bytes
    headers: Mapping[str, bytes]

    @classmethod
    def of(cls, message: Message) -> "Letter":
        """The letter of a record of the dead-letter topic."""
        at = Place(str(message.topic()), message.partition() or 0, message.offset() or 0)
        key, value = message.key(), message.value()
        return cls(at, time_of(message), _raw(key), _raw(value) or b"", headers_of(message))

    @property
    def reason(self) -> str:
        reason = self.headers.get(letters.REASON)
        return UNKNOWN if reason is None else reason.decode("utf-8", "replace")

    @property
    def source(self) -> Place | None:
        """Where it came from; None for a record that BeTrace did not write."""
        try:
            return Place(
                self.headers[letters.TOPIC].decode(),
                int(self.headers[letters.PARTITION]),
                int(self.headers[letters.OFFSET]),
            )
        except (KeyError, ValueError):
            return None

    @property
    def spans(self) -> int | None:
        """How many spans of a record it holds, as OTLP protobuf; None for a record as it came."""
        return int(self.headers[letters.SPANS]) if letters.SPANS in self.headers else None

    @property
    def size(self) -> int:
        """Bytes of the value, before it was cut."""
        return int(self.headers.get(letters.SIZE, len(self.value)))

    @property
    def replayed(self) -> str | None:
        """The letter of which a replay came back, if it is that."""
        marked = self.headers.get(letters.REPLAYED)
        return None if marked is None else marked.decode("utf-8", "replace")

    def encoding(self, config: Config) -> Encoding:
        """How its value is to be read, by the settings of its topic."""
        known = {topic.name: topic.encoding for topic in config.kafka.input_topics}
        return "otlp_proto" if self.spans or not self.source else known.get(self.source.topic, "otlp_proto")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which letters: those of all that is given. Times are Unix ms, of when they were written."""

    reasons: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None
    places: frozenset[Place] = frozenset()

    def takes(self, letter: Letter) -> bool:
        """Whether a letter is wanted; its time is not looked at."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.topics or (letter.source is not None and letter.source.topic in self.topics))
            and (not self.places or letter.at in self.places or letter.source in self.places)
        )


def read(config: Config, wanted: Wanted, progress: Progress) -> Iterator[Letter]:
    """The letters that are wanted, each partition in order, one at a time; UserError without Kafka."""
    topic = Topics(config.kafka.group).dead_letter
    with told(), Ranges(config.kafka, "dead-letters") as reader:
        own = [place for place in wanted.places if place.topic == topic]
        if own and len(own) == len(wanted.places):
            ranges = [reader.within(*place, place.offset + 1) for place in own]
        else:
            ranges = reader.of(topic, wanted.start, wanted.end)
        total = sum(map(len, ranges))
        for number, message in enumerate(reader.records(_merged(ranges)), 1):
            progress.say(f"{number:,} of {total:,} dead letters read")
            letter = Letter.of(message)
            if wanted.takes(letter):
                yield letter
    progress.clear()


def _merged(ranges: list[Range]) -> list[Range]:
    """One range a partition."""
    found: dict[int, Range] = {}
    for each in ranges:
        known = found.get(each.partition, each)
        found[each.partition] = Range(
            each.topic, each.partition, min(known.start, each.start), max(known.end, each.end)
        )
    return list(found.values())


def _raw(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
