"""Sends records to Kafka, and says what was not sent."""

from collections.abc import Sequence
from types import TracebackType

from confluent_kafka import KafkaError, Message, Producer

from app.errors import UserError
from streams.config import Kafka
from streams.kafka import client_settings
from streams.producer import LARGEST

_PATIENCE = 60.0  # seconds


class Sending:
    """Sends in order; leaving the block waits for all of it. UserError if a record was not sent.

    A record with a key goes to the partition that the worker's producer would choose.
    """

    def __init__(self, kafka: Kafka) -> None:
        self.records = 0
        self._failed: list[KafkaError] = []
        more = {
            "log_level": 0,
            "message.max.bytes": LARGEST,
            "partitioner": "murmur2_random",
            "compression.type": "zstd",
            "enable.idempotence": not kafka.embedded,
        }
        self._producer = Producer(client_settings(kafka, **more))

    def __enter__(self) -> "Sending":
        return self

    def send(
        self, topic: str, value: bytes | None, *, key: bytes | None = None, partition: int = -1,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:  # fmt: skip
        """Queue a record; waits while too many are on their way."""
        while True:
            try:
                self._producer.produce(
                    topic, value, key, partition, on_delivery=self._delivered, headers=list(headers)
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                self.records += 1
                self._producer.poll(0)
                return

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, _: TracebackType | None
    ) -> None:
        left = self._producer.flush(_PATIENCE)
        if kind is None and (self._failed or left):
            why = self._failed[0].str() if self._failed else "no answer from Kafka"
            raise UserError(f"{len(self._failed) + left} of {self.records} records were not sent: {why}")

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed.append(error)
