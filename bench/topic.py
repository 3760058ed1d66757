"""Input topics, filled before a clock starts."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from confluent_kafka import Producer

from bench import spans as made
from bench.train_ticket import TrainTicket
from tests.kafka import create_topic

PARTITIONS = 4
SEED = 1
EPOCH = 1_767_225_600 * 10**9  # Unix ns: when the made-up spans begin, the same in every run
_PACE = 80_000  # spans a second of Kafka time, about as fast as they are judged


@dataclass(frozen=True, slots=True)
class Input:
    """A topic of OTLP protobuf; `spans` counts copies too, `size` is in bytes and not compressed."""

    topic: str
    spans: int
    traces: int
    size: int


def even(address: str, spans: int) -> Input:
    """Traces of 20."""
    rounds = spans // made.ROUND_SPANS
    total = rounds * made.ROUND_SPANS
    messages = made.messages(total, SEED, EPOCH)
    return fill(address, "even", messages, spans=total, traces=rounds * len(made.EVEN))


def mixed(address: str, spans: int) -> Input:
    """Traces of 3, 20 and 200, and in their midst one of 10,000."""
    rounds = spans // made.ROUND_SPANS
    half = rounds // 2
    messages = chain(
        made.messages(half * made.ROUND_SPANS, SEED, EPOCH, made.MIXED),
        made.large_trace(SEED, EPOCH),
        made.messages((rounds - half) * made.ROUND_SPANS, SEED + 1, EPOCH, made.MIXED),
    )
    total = rounds * made.ROUND_SPANS + made.LARGE
    return fill(address, "mixed", messages, spans=total, traces=rounds * len(made.MIXED) + 1)


def recorded(address: str, spans: int, tickets: TrainTicket) -> Input:
    """The Train Ticket traces, as often as it takes."""
    times = max(1, spans // tickets.spans)
    messages = tickets.messages(times, SEED)
    return fill(address, "train-ticket", messages, spans=times * tickets.spans, traces=times * tickets.traces)


def fill(address: str, topic: str, messages: Iterable[bytes], *, spans: int, traces: int) -> Input:
    """Create the topic and send all; records are stamped as if they had come at an even pace until now."""
    create_topic(address, topic, PARTITIONS)
    producer = Producer({"bootstrap.servers": address, "queue.buffering.max.kbytes": 2**20})
    size = 0
    for number, (message, at) in enumerate(_stamped(messages, spans)):
        while len(producer) > 10_000:
            producer.poll(0.1)
        producer.produce(topic, message, partition=number % PARTITIONS, timestamp=at)
        size += len(message)
    assert producer.flush(60) == 0, "Kafka did not take the input"
    return Input(topic, spans, traces, size)


def _stamped(messages: Iterable[bytes], spans: int) -> Iterator[tuple[bytes, int]]:
    took = 1000 * spans / _PACE
    begin = time.time() * 1000 - took
    every = 1000 * made.MESSAGE_SPANS / _PACE
    for number, message in enumerate(messages):
        yield message, round(begin + min(number * every, took))
