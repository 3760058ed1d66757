"""Follows the violations topic into the index, in a thread."""

import math
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from app.index import Index, Record
from streams.config import Kafka
from streams.kafka import client_settings

_BATCH = 1000
_TIMEOUT = 5.0
_BEHIND = 10.0  # seconds after which it is said that the index is behind


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
    _level: float = -math.inf  # when nothing was left to read

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
        now = time.monotonic()
        self._level = now if not behind else self._level
        if not behind or now - self._level > _BEHIND:
            self.problem = f"the index is {behind} records behind" if behind else None


def _record(message: Message) -> Record:
    key = message.key()
    name = key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
    return Record(name, message.value(), message.partition() or 0, message.offset() or 0)


def _following(messages: Iterable[Message]) -> dict[tuple[str, int], int]:
    return {(str(m.topic()), m.partition() or 0): (m.offset() or 0) + 1 for m in messages}


def _end(consumer: Consumer, topic: str, partition: int) -> int:
    return int(
        consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=_TIMEOUT, cached=False)[1]
    )
