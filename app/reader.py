"""Follows the violations and activity topics into the index, in a thread."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from app import clock
from app.activity import rows_of, seen_of
from app.errors import UserError
from app.index import Index, IndexFailed
from app.index_writer import Record
from app.sending import Sending
from streams.config import Kafka
from streams.kafka import client_settings
from streams.reach import Heard, explained, why
from streams.topics import Topics

log = logging.getLogger("betrace.index")

_BATCH = 1000
_TIMEOUT = 5.0
_BEHIND = 10.0  # seconds after which it is said that the index is behind
_STANDS = 20.0  # seconds without a record that is there after which another consumer goes on


@dataclass(slots=True)
class Reader:
    """Follows the topics in a thread; `problem` is None when the index has caught up with them.

    `as_of` is when it last had (Unix ns): all that was published before is there. None: not since the start.
    """

    index: Index
    kafka: Kafka
    topics: Topics
    problem: str | None = "the index has not caught up yet"
    refused: int = 0
    as_of: int | None = None
    now: Callable[[], int] = clock.now
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _heard: Heard = field(default_factory=Heard)
    _level: float = -math.inf  # when nothing was left to read
    _moved: float = 0.0  # when something was read last, or nothing was left, or Kafka was away

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
        """Read, with another consumer when one stands still, as librdkafka's may after an outage."""
        settings = {"group.id": f"{self.kafka.group}-index", "enable.auto.commit": False, "log_level": 0}
        while not self._stopping.is_set():
            consumer = Consumer(client_settings(self.kafka, **settings, error_cb=self._heard))
            try:
                self._read(consumer)
            finally:
                consumer.close()

    def _read(self, consumer: Consumer) -> None:
        """Until told to stop, or nothing comes of it."""
        assigned, self._moved = False, time.monotonic()
        while not self._stopping.is_set() and time.monotonic() - self._moved < _STANDS:
            try:
                assigned = assigned or self._assign(consumer)
                self._follow(consumer)
            except KafkaException:
                if not assigned:
                    consumer.poll(0)  # else nothing has it say what it met
                self.problem, self._moved = why(self.kafka, self._heard).text, time.monotonic()
                self._stopping.wait(0.5)
            except IndexFailed as problem:  # a full disk may have room again
                self.problem, assigned = str(problem), False
                self._stopping.wait(0.5)

    def _assign(self, consumer: Consumer) -> bool:
        followed: list[TopicPartition] = []
        for topic in (self.topics.violations, self.topics.activity):
            metadata = consumer.list_topics(topic, timeout=_TIMEOUT).topics[topic]
            if metadata.error is not None or not metadata.partitions:
                self.problem = _missing(topic, metadata.error)
                self._stopping.wait(0.5)
                return False
            followed += [TopicPartition(topic, number) for number in metadata.partitions]
        if any(self._next(each, 0) > _end(consumer, each) for each in followed):
            self.index.clear()  # a topic was made anew
        for each in followed:
            each.offset = self._next(each, OFFSET_BEGINNING)
        consumer.assign(followed)
        return True

    def _next(self, partition: TopicPartition, default: int) -> int:
        return self.index.offsets(partition.topic).get(partition.partition, default)

    def _follow(self, consumer: Consumer) -> None:
        assignment = consumer.assignment()
        if not assignment:
            return
        messages = self._heard.records(consumer.consume(_BATCH, timeout=0.2))
        if messages:
            self._moved = time.monotonic()
            violations = [message for message in messages if message.topic() == self.topics.violations]
            told = [message.value() for message in messages if message.topic() == self.topics.activity]
            put = map(_record, violations), _following(messages), rows_of(told), seen_of(told)
            self.refused += self.index.put(*put)
        if len(messages) < _BATCH:
            self._look_whether_ready(consumer, assignment)

    def _look_whether_ready(self, consumer: Consumer, assignment: Sequence[TopicPartition]) -> None:
        behind, asked = 0, self.now()
        for partition in assignment:
            low, end = consumer.get_watermark_offsets(partition, timeout=_TIMEOUT, cached=False)
            behind += max(0, end - max(self._next(partition, low), low))
        self._heard.answered()
        now = time.monotonic()
        if not behind:
            self._level, self._moved, self.as_of = now, now, asked
            self._send_again()
        if not behind or now - self._level > _BEHIND:
            late = self._heard.unread or f"the index is {behind} records behind"
            self.problem = late if behind else None

    def _send_again(self) -> None:
        """Have the topic hold last what stands: compaction would keep what came late of an earlier owner.

        Other readers may do so too: one that knows of a still higher revision sends that after it.
        """
        overtaken = self.index.overtaken()
        if not overtaken:
            return
        text = "%d violations came again by a revision lower than they stand by: sent once more as they stand"
        log.warning(text, len(overtaken))
        try:
            with Sending(self.kafka) as sending:
                for each in overtaken:
                    body, key = each.body.encode(), each.id.encode()
                    sending.send(self.topics.violations, body, key=key, partition=each.partition)
        except UserError as problem:
            log.warning("they are sent at the next look: %s", problem)


def _missing(topic: str, error: KafkaError | None) -> str:
    if error is None or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return f"the topic {topic} does not exist: `betrace topics create` makes it"
    return f"the topic {topic} cannot be looked at: {explained(error)}"


def _record(message: Message) -> Record:
    key = message.key()
    name = key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
    return Record(name, message.value(), message.partition() or 0, message.offset() or 0)


def _following(messages: Iterable[Message]) -> dict[tuple[str, int], int]:
    return {(str(m.topic()), m.partition() or 0): (m.offset() or 0) + 1 for m in messages}


def _end(consumer: Consumer, partition: TopicPartition) -> int:
    return int(consumer.get_watermark_offsets(partition, timeout=_TIMEOUT, cached=False)[1])
