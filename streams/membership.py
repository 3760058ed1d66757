"""What the broker says of a consumer group: who is in it, who owns what, how far the partitions go."""

from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import ConsumerGroupState, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from streams.block import Source
from streams.config import Kafka
from streams.kafka import client_settings

_TIMEOUT = 5.0  # seconds for an answer
_LATEST: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
_MOVING = (ConsumerGroupState.PREPARING_REBALANCING, ConsumerGroupState.COMPLETING_REBALANCING)


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
    """Asks over a connection of its own, so that the worker's being stuck does not matter. Blocks."""

    def __init__(self, kafka: Kafka) -> None:
        self._group = kafka.group
        self._client = AdminClient(client_settings(kafka, log_level=0))

    def membership(self) -> Membership | None:
        """The group; None when there is no answer."""
        try:
            asked = self._client.describe_consumer_groups([self._group], request_timeout=_TIMEOUT)
            group = asked[self._group].result(2 * _TIMEOUT)
        except (KafkaException, TimeoutError):
            return None
        members = {
            member.member_id: frozenset(
                Source(tp.topic, tp.partition) for tp in member.assignment.topic_partitions
            )
            for member in group.members
        }
        return Membership(group.state not in _MOVING, members)

    def ends(self, sources: Iterable[Source]) -> dict[Source, int] | None:
        """The offsets behind the last records; None when there is no answer."""
        asked = {TopicPartition(*source): _LATEST for source in sources}
        if not asked:
            return {}
        try:
            told = self._client.list_offsets(asked, request_timeout=_TIMEOUT)
            return {
                Source(tp.topic, tp.partition): future.result(2 * _TIMEOUT).offset
                for tp, future in told.items()
            }
        except (KafkaException, TimeoutError):
            return None
