"""Ranges of topics, and the records in them, read in bounded memory."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from streams.admin import TopicError, partition_counts
from streams.config import Kafka
from streams.fence import Written, epoch_of
from streams.kafka import client_settings
from streams.reach import Unreachable, explained
from streams.topics import Topics

_TIMEOUT = 15.0
_BATCH = 50
_WAIT = 0.2
_PASSING = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT)  # it may come back
_QUEUED = 16 * 2**10  # kB that are fetched ahead


@dataclass(frozen=True, slots=True)
class Range:
    """The records of a partition from `start` up to, and not including, `end`."""

    topic: str
    partition: int
    start: int
    end: int

    def __len__(self) -> int:
        return max(0, self.end - self.start)


class Ranges:
    """Reads topics without a place of its own in them. TopicError for one that is missing, or Unreachable."""

    def __init__(self, kafka: Kafka, name: str) -> None:
        self._kafka = kafka
        self._known: dict[str, int] = {}
        more: dict[str, Any] = {
            "group.id": f"{kafka.group}-{name}",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",  # of records that expire while they are read
            "isolation.level": "read_uncommitted",  # as the worker reads
            "queued.max.messages.kbytes": _QUEUED,
            "log_level": 0,
        }
        self._consumer = Consumer(client_settings(kafka, **more))

    def __enter__(self) -> "Ranges":
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def of(self, topic: str, start: int | None = None, end: int | None = None) -> list[Range]:
        """All partitions of a topic: the records stamped from `start` up to `end` (Unix ms), or up to now."""
        with self._told():
            partitions = self._partitions(topic)
            bounds = [self._bounds(partition) for partition in partitions]
            starts = [low for low, _ in bounds] if start is None else self._at(partitions, start, bounds)
            ends = [high for _, high in bounds] if end is None else self._at(partitions, end, bounds)
        return [
            Range(topic, partition.partition, *place)
            for partition, place in zip(partitions, zip(starts, ends, strict=True), strict=True)
        ]

    def within(self, topic: str, partition: int, start: int | None, end: int | None) -> Range:
        """The records of a partition from an offset up to another, as far as they are there."""
        with self._told():
            if partition not in {known.partition for known in self._partitions(topic)}:
                raise TopicError(f"{topic} has no partition {partition}")
            low, high = self._bounds(TopicPartition(topic, partition))
        first = low if start is None else max(low, start)
        return Range(topic, partition, first, high if end is None else max(first, min(high, end)))

    def records(self, ranges: Collection[Range]) -> Iterator[Message]:
        """The records in the ranges, in the order of their offsets within each partition."""
        left = {(each.topic, each.partition): each.end for each in ranges if len(each)}
        with self._told():
            self._consumer.assign([TopicPartition(r.topic, r.partition, r.start) for r in ranges if len(r)])
            silent = 0.0
            while left:
                messages = self._consumer.consume(_BATCH, timeout=_WAIT)
                silent = 0.0 if messages else silent + _WAIT
                if silent > _TIMEOUT:
                    raise Unreachable(f"no answer from Kafka at {', '.join(self._kafka.brokers)}")
                yield from self._inside(messages, left)

    def _inside(self, messages: Sequence[Message], left: dict[tuple[str, int], int]) -> Iterator[Message]:
        """Those of the messages that lie in what is left, of which each partition that has ended is taken."""
        for message in messages:
            place = (str(message.topic()), message.partition() or 0)
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                if error.retriable() or error.code() in _PASSING:
                    continue
                raise KafkaException(error)
            offset = message.offset() or 0
            if error is None and offset < left.get(place, 0):
                yield message
            if place in left and (error is not None or offset + 1 >= left[place]):
                del left[place]
                self._consumer.incremental_unassign([TopicPartition(*place)])

    def _partitions(self, topic: str) -> list[TopicPartition]:
        self._known = self._known or partition_counts(self._kafka)
        if topic not in self._known:
            own = topic in Topics(self._kafka.group).all
            hint = "`betrace topics create` makes it" if own else "look at kafka.input_topics"
            raise TopicError(f"the topic {topic} does not exist: {hint}")
        return [TopicPartition(topic, number) for number in range(self._known[topic])]

    def _bounds(self, partition: TopicPartition) -> tuple[int, int]:
        low, high = self._consumer.get_watermark_offsets(partition, timeout=_TIMEOUT)
        return int(low), int(high)

    def _at(self, partitions: list[TopicPartition], time: int, bounds: list[tuple[int, int]]) -> list[int]:
        """The offset of the first record of each partition that is stamped so late, or its end."""
        asked = [TopicPartition(each.topic, each.partition, time) for each in partitions]
        found = self._consumer.offsets_for_times(asked, timeout=_TIMEOUT)
        return [
            high if each.offset < 0 else int(each.offset)
            for each, (_, high) in zip(found, bounds, strict=True)
        ]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except KafkaException as problem:
            raise Unreachable(f"Kafka failed: {explained(problem.args[0])}") from None


def written(kafka: Kafka, place: tuple[str, int], start: int, end: int) -> list[Written]:
    """The records of a changelog partition from an offset up to another, as far as they are there."""
    with Ranges(kafka, "changelog") as reader:
        found = reader.records([reader.within(*place, start, end)])
        return [Written(m.key() or b"", m.value(), epoch_of(headers_of(m).items())) for m in found]


def time_of(message: Message) -> int | None:
    """A record's timestamp, Unix ms, or None."""
    kind, time = message.timestamp()
    return None if kind == TIMESTAMP_NOT_AVAILABLE else int(time)


def headers_of(message: Message) -> dict[str, bytes]:
    """A record's headers; of several with one name the last."""
    pairs = message.headers() or ()
    items = pairs.items() if isinstance(pairs, dict) else pairs
    return {str(name): value.encode() if isinstance(value, str) else value or b"" for name, value in items}
