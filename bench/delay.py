"""How long a group took from the judging tick's record to each violation's, by the broker's clock."""

from collections.abc import Iterator

from confluent_kafka import Consumer, Message, TopicPartition

from streams.state import Judged, offset_of
from streams.topics import Topics

_PATIENCE = 30.0  # seconds
_Tick = tuple[int, int]  # partition and offset of a tick


def delays(address: str, group: str) -> list[float]:
    """Seconds, sorted, one a violation; what the group wrote must all still be there.

    Both topics are stamped by the broker as it appends. The changelog says which tick judged what.
    """
    topics = Topics(group)
    judged_by = dict(_findings(address, topics.changelog))
    wanted = set(judged_by.values())
    ticks = {
        place: stamp
        for message in _all(address, topics.spans)
        if (place := _place(message)) in wanted and (stamp := message.timestamp()[1])
    }
    published: dict[str, int] = {}
    for message in _all(address, topics.violations):
        published.setdefault((message.key() or b"").decode(), message.timestamp()[1])
    return sorted((published[key] - ticks[tick]) / 1000 for key, tick in judged_by.items())


def _findings(address: str, changelog: str) -> Iterator[tuple[str, _Tick]]:
    for message in _all(address, changelog):
        key, value = message.key() or b"", message.value()
        if key.startswith(b"J") and value:
            for violation, _ in Judged.decode(value).published:
                yield violation, (message.partition() or 0, offset_of(key))


def _place(message: Message) -> _Tick:
    return message.partition() or 0, message.offset() or 0


def _all(address: str, topic: str) -> Iterator[Message]:
    """All records of a topic that are there now."""
    consumer = Consumer(
        {
            "bootstrap.servers": address,
            "group.id": "bench-delay",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    try:
        left = set(consumer.list_topics(topic, timeout=_PATIENCE).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, number, 0) for number in left])
        while left:
            message = consumer.poll(_PATIENCE)
            assert message is not None, f"{topic} was not read to its end"
            if message.error():
                left.discard(message.partition())
            else:
                yield message
    finally:
        consumer.close()


def quantile(ordered: list[float], part: float) -> float:
    """Of sorted values, the one below which that part of them lies."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
