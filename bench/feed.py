"""Sends messages at an even pace while something else goes on."""

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator

from confluent_kafka import Producer

from bench.spans import MESSAGE_SPANS
from bench.topic import PARTITIONS


@contextlib.contextmanager
def feeding(
    address: str, topic: str, messages: Iterable[bytes], spans_per_second: float
) -> Iterator[threading.Thread]:
    """Send messages of 500 spans while the block runs, at most all; gives who sends, to be waited for."""
    stop = threading.Event()
    sender = threading.Thread(
        target=_send, args=(address, topic, messages, spans_per_second / MESSAGE_SPANS, stop)
    )
    sender.start()
    try:
        yield sender
    finally:
        stop.set()
        sender.join()


def _send(
    address: str, topic: str, messages: Iterable[bytes], per_second: float, stop: threading.Event
) -> None:
    producer = Producer({"bootstrap.servers": address})
    start = time.monotonic()
    for number, message in enumerate(messages):
        if stop.wait(max(0.0, start + number / per_second - time.monotonic())):
            break
        producer.produce(topic, message, partition=number % PARTITIONS)
        producer.poll(0)
    producer.flush()
