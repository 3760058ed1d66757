"""The broker of `betrace dev`: librdkafka's mock cluster, for trying out. It keeps nothing."""

from confluent_kafka import Producer

PARTITIONS = 4  # of every topic, which appears on first use
BLOCK_BYTES = 256_000
UNREAD_BYTES = (
    2 * 2**20
)  # a partition keeps its newest 5 MB, and says nothing when a slow reader loses the rest


class EmbeddedBroker:
    """A Kafka broker inside this process, on a free loopback port."""

    def __init__(self) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": "embedded",
                "test.mock.num.brokers": 1,
                "log_level": 0,
                "message.max.bytes": 4 * 2**20,
            }
        )
        brokers = self._producer.list_topics(timeout=10).brokers.values()
        self.address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def touch(self, *topics: str) -> None:
        """Have topics appear."""
        for topic in topics:
            self._producer.list_topics(topic, timeout=10)
