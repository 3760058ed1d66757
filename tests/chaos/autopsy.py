"""Where a trace's spans stand inside: blocks on the spans topic, and what their partition wrote of them."""

import zlib
from collections.abc import Iterator

from confluent_kafka import Consumer, Message, TopicPartition

from streams.block import Block, Section
from streams.fence import Fence, epoch_of
from streams.ranges import headers_of
from streams.state import TICK_KEY, Judged, KeptBlock, PartitionState, offset_of
from streams.tick import TICK
from tests.chaos.observer import TOPICS
from tests.chaos.plan import INPUT, PARTITIONS

Event = tuple[float, str]  # Unix s


def events(brokers: str, trace_id: bytes) -> Iterator[Event]:
    """All records of the partition that have to do with the trace, and the first tick's state after each."""
    partition = zlib.crc32(trace_id) % PARTITIONS
    for message in _records(brokers, TOPICS.spans, partition):
        value = message.value() or b""
        if value[1:2] != bytes((TICK,)):
            yield from _block(message, Block(value), trace_id)
    wanted = False
    fence = Fence()
    for message in _records(brokers, TOPICS.changelog, partition):
        if not fence.passes(epoch_of(headers_of(message).items())):
            yield _at(message), f"  changelog {message.offset()}: {message.key()!r} by a former owner"
            continue
        if message.key() == TICK_KEY:
            if wanted:
                yield _state(message)
            wanted = False
            continue
        found = list(_written(message, trace_id))
        wanted = wanted or bool(found)
        yield from found


def _block(message: Message, block: Block, trace_id: bytes) -> Iterator[Event]:
    for section in block.sections():
        if text := _of(section, trace_id):
            yield _at(message), f"  block {message.offset()}: {text}"


def _state(message: Message) -> Event:
    state = PartitionState.decode(message.value() or b"", frozenset({INPUT}))
    told = f"clock {state.clock.now}, {state.in_flight} in flight, {state.totals}"
    return _at(message), f"  changelog {message.offset()}: state as of tick {state.tick}, {told}"


def _written(message: Message, trace_id: bytes) -> Iterator[Event]:
    key, value = message.key(), message.value()
    where = f"  changelog {message.offset()}:"
    assert isinstance(key, bytes)
    if value is None:
        return
    if key[:1] == b"J":
        if any(trace.trace_id == trace_id for trace in Judged.decode(value).traces):
            yield _at(message), f"{where} judged by tick {offset_of(key)}"
    elif key[:1] == b"B":
        kept = KeptBlock.decode(value)
        for number, section in enumerate(Block(kept.data).sections()):
            if text := _of(section, trace_id):
                again = ", seen before" if number in kept.repeats else ""
                yield _at(message), f"{where} block {offset_of(key)} at clock {kept.clock}: {text}{again}"


def _of(section: Section, trace_id: bytes) -> str:
    ids = [entry.ids for entry in section.entries if entry.trace_id == trace_id]
    spans = " ".join(each[at : at + 8].hex() for each in ids for at in range(0, len(each), 16))
    source, position = section.source, section.position
    return f"{source.partition}/{position.offset} part {position.part}: {spans}" if spans else ""


def _records(brokers: str, topic: str, partition: int) -> Iterator[Message]:
    settings = {"bootstrap.servers": brokers, "group.id": "chaos-autopsy", "enable.auto.commit": False}
    consumer = Consumer(settings | {"log_level": 0})
    try:
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        consumer.assign([TopicPartition(topic, partition, low)])
        while (message := consumer.poll(10)) is not None:  # a deletion is a message that counts as false
            if not message.error():
                yield message
                if (message.offset() or 0) >= high - 1:
                    return
    finally:
        consumer.close()


def _at(message: Message) -> float:
    return message.timestamp()[1] / 1000
