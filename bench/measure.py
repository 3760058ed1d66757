"""Has a judge, BeTrace's or its peer, work through an input, and measures it."""

import time
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from confluent_kafka import Consumer, TopicPartition

from bench.process import Process
from bench.result import Meter, Result
from bench.topic import Input
from tests.integration.processes import until

_LOOK = 0.02  # seconds between two looks while nothing has been taken in
_SHARE = 20  # a judge is asked for its metrics at most for this part of the time
_ANSWER = 10.0  # seconds for an answer of the broker
_PATIENCE = 900.0


class Judge(Protocol):
    """Processes of one consumer group; numbers are asked of them over HTTP."""

    @property
    def group(self) -> str: ...

    @property
    def processes(self) -> Sequence[Process]: ...

    def begun(self) -> bool:
        """Whether any span has been taken in."""
        ...

    def done(self, given: Input) -> bool:
        """Whether all spans are judged."""
        ...

    def found(self) -> int:
        """How often a rule was violated."""
        ...


def measure(judge: Judge, given: Input, broker: Process, address: str) -> Result:
    """From the first span taken in to the last one judged.

    While there is input to read, the judge is not disturbed: how far it is, Kafka says.
    """
    meter = _begin(judge, broker)
    finish(judge, given, address)
    return replace(meter.end(given.spans), found=judge.found())


def finish(judge: Judge, given: Input, address: str) -> None:
    """Wait until all is judged."""
    until(
        f"{judge.group} has read {given.topic}",
        lambda: all_read(address, judge.group, given.topic) or None,
        _PATIENCE,
    )
    _end(judge, given)


def _begin(judge: Judge, broker: Process) -> Meter:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        meter = Meter.begin(judge.processes, broker)
        if judge.begun():
            return meter
        time.sleep(_LOOK)
    raise AssertionError(f"{judge.group} took nothing in for {_PATIENCE:.0f} s")


def _end(judge: Judge, given: Input) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        asked = time.monotonic()
        if judge.done(given):
            return
        time.sleep(max(0.1, _SHARE * (time.monotonic() - asked)))
    raise AssertionError(f"{judge.group} did not judge all of {given.topic} in {_PATIENCE:.0f} s")


def all_read(address: str, group: str, topic: str) -> bool:
    """Whether a group has committed the ends of a topic."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": group, "enable.auto.commit": False})
    try:
        numbers = consumer.list_topics(topic, timeout=_ANSWER).topics[topic].partitions
        asked = [TopicPartition(topic, number) for number in numbers]
        committed = consumer.committed(asked, timeout=_ANSWER)
        ends = [consumer.get_watermark_offsets(each, timeout=_ANSWER)[1] for each in asked]
    finally:
        consumer.close()
    return all(each.offset >= end for each, end in zip(committed, ends, strict=True))


def metric(address: str, *names: str, label: str = "") -> float:
    """The sum of metrics over their labels, or where they have that one; 0 while nobody answers there.

    A worker of many rules takes long to tell, so that all that is wanted is asked at once.
    """
    try:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return 0
    named = tuple(f"{name}{end}" for name in names for end in " {")
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(named) and label in line)
