"""The worker's producer: idempotent, so a partition always holds a prefix of what was sent to it."""

from asyncio import Future
from collections.abc import Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from streams.config import Kafka
from streams.kafka import asyncio_settings

Headers = Sequence[tuple[str, bytes]]

LARGEST = 16 * 2**20
"""Bytes of a record: as much as the dead-letter topic takes."""


class Producer:
    """Sends records; a send that fails raises, from `send` or from the future that it returns."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect."""
        self._producer = AIOKafkaProducer(**producer_settings(self._kafka))
        await self._producer.start()

    async def stop(self) -> None:
        """Send what is waiting, and disconnect."""
        if self._producer is not None:
            await self._producer.stop()

    async def send(
        self, topic: str, value: bytes | None, *, key: bytes | None = None, partition: int | None = None,
        headers: Headers = (),
    ) -> "Future[RecordMetadata]":  # fmt: skip
        """Queue a record; the future is done when all in-sync replicas have it."""
        assert self._producer is not None, "not started"
        future: Future[RecordMetadata] = await self._producer.send(
            topic, value, key=key, partition=partition, headers=list(headers)
        )
        return future


def producer_settings(kafka: Kafka) -> dict[str, Any]:
    """aiokafka's settings: large records, each acknowledged by all replicas, none twice.

    Blocks and state are compressed already; the other topics the broker compresses (`streams.admin`).
    """
    safe = {} if kafka.embedded else {"enable_idempotence": True}
    return asyncio_settings(kafka) | safe | {
        "acks": "all",
        "linger_ms": 5,
        "max_request_size": LARGEST,
        "max_batch_size": 2**20,
        "request_timeout_ms": 30_000,
    }  # fmt: skip
