"""Adds up where every span went, from what the partitions' last ticks wrote to the changelog."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.admin import TopicError, partition_counts
from streams.config import Kafka
from streams.fence import Fence, epoch_of
from streams.kafka import client_settings
from streams.ranges import headers_of
from streams.reach import Unreachable
from streams.state import TICK_KEY, PartitionState, Totals
from streams.topics import Topics

_STEP = 50  # records read back at a time until a tick is found
_TIMEOUT = 15.0


@dataclass(frozen=True, slots=True)
class Account:
    """All spans since the group began; `missing` is 0 when nothing is on its way between the stages."""

    totals: Totals
    in_flight: int

    @property
    def missing(self) -> int:
        """Received, less all that is accounted for."""
        t = self.totals
        return t.received - (t.judged + t.duplicate + t.own + t.too_late + t.rejected + self.in_flight)


def account(kafka: Kafka) -> Account:
    """Read the changelog's tail; Unreachable when there is no Kafka, TopicError when the topic is missing."""
    totals, in_flight = Totals(), 0
    for _, state in partition_states(kafka):
        for name in (field.name for field in fields(Totals)):
            setattr(totals, name, getattr(totals, name) + getattr(state.totals, name))
        in_flight += state.in_flight
    return Account(totals, in_flight)


def partition_states(kafka: Kafka) -> Iterator[tuple[int, PartitionState]]:
    """What each group partition's last tick wrote, by number; partitions without a tick are left out."""
    topic = Topics(kafka.group).changelog
    inputs = frozenset(topic.name for topic in kafka.input_topics)
    settings = {
        "group.id": f"{kafka.group}-accounting",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
    }
    partitions = partition_counts(kafka).get(topic)
    if partitions is None:
        raise TopicError(f"{topic} does not exist: no worker of the group {kafka.group} has run")
    consumer = Consumer(client_settings(kafka, log_level=0, **settings))
    try:
        for partition in range(partitions):
            value = _last_tick(consumer, TopicPartition(topic, partition))
            if value is not None:
                yield partition, PartitionState.decode(value, inputs)
    except KafkaException as problem:
        said = problem.args[0].str()
        raise Unreachable(f"no answer from Kafka at {', '.join(kafka.brokers)}: {said}") from None
    finally:
        consumer.close()


def _last_tick(consumer: Consumer, partition: TopicPartition) -> bytes | None:
    """The last `T` of the changelog, read backwards in growing steps."""
    low, high = consumer.get_watermark_offsets(partition, timeout=_TIMEOUT)
    step = _STEP
    while True:
        start = max(low, high - step)
        found = _last_in(consumer, TopicPartition(partition.topic, partition.partition, start), high)
        if found is not None or start <= low:
            return found
        step *= 4


def _last_in(consumer: Consumer, start: TopicPartition, end: int) -> bytes | None:
    found: bytes | None = None
    fence = Fence()
    if start.offset >= end:
        return None
    consumer.assign([start])
    while True:
        message = consumer.poll(_TIMEOUT)
        if message is None or message.error():
            return found
        if fence.passes(epoch_of(headers_of(message).items())) and message.key() == TICK_KEY:
            found = message.value()
        if (message.offset() or 0) >= end - 1:
            return found
