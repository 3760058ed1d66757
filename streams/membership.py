"""What the broker says of a consumer group: who is in it, who owns what, how far the partitions go."""

from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.config import Kafka
from streams.kafka import client_settings
from streams.tick import Source

_TIMEOUT = 5.0  # seconds for an answer
_MOVING = ("PreparingRebalance", "CompletingRebalance")


@dataclass(frozen=True, slots=True)
class Membership:
    """A group as its broker sees it; `settled` is False while partitions are being handed out."""

    settled: bool
    members: dict[str, frozenset[Source]]

    @property
    def owned(self) -> frozenset[Source]:
        """What any member owns."""
        return frozenset(source for owned in self.members.values() for source in owned)


class Broker:
    """Asks over a connection of its own, so that the worker's being stuck does not matter. Blocks.

    librdkafka's admin requests abort the whole process now and then when the broker goes away while one is on
    its way (an assertion in `rd_kafka_enq_once_del_source_return`): so the older requests are used here.
    """

    def __init__(self, kafka: Kafka) -> None:
        self._group = kafka.group
        settings = {"group.id": f"{kafka.group}-watchdog", "enable.auto.commit": False, "log_level": 0}
        self._places = Consumer(client_settings(kafka, **settings))
        self._groups = AdminClient(client_settings(kafka, log_level=0))

    def membership(self) -> Membership | None:
        """The group; None when there is no answer."""
        try:
            found = self._groups.list_groups(self._group, timeout=_TIMEOUT)
        except KafkaException:
            return None
        if not found or found[0].error is not None:
            return None
        members = {str(member.id): _assigned(member.assignment) for member in found[0].members}
        return Membership(found[0].state not in _MOVING, members)

    def ends(self, sources: Iterable[Source]) -> dict[Source, int] | None:
        """The offsets behind the last records; None when there is no answer."""
        try:
            return {source: self._end(source) for source in sources}
        except KafkaException:
            return None

    def _end(self, source: Source) -> int:
        place = TopicPartition(*source)
        return int(self._places.get_watermark_offsets(place, timeout=_TIMEOUT, cached=False)[1])


def _assigned(assignment: bytes | None) -> frozenset[Source]:
    """What the group protocol's bytes hand to a member; nothing before it has got any."""
    if not assignment:
        return frozenset()
    told = ConsumerProtocolMemberAssignment.decode(assignment)
    return frozenset(Source(each.topic, each.partition) for each in told.partitions())
