"""Where ingest's blocks and dead letters go, and how many bytes of them nobody has read yet."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from streams.embedded import UNREAD_BYTES
from streams.letters import DeadLetter
from streams.producer import Producer
from streams.topics import Topics


@dataclass(slots=True)
class Unread:
    """Bytes on their way through the embedded broker, which loses what is read too slowly; else no bound."""

    bounded: bool
    input: int = 0
    blocks: int = 0

    async def room(self) -> None:
        """Wait until the blocks sent so far are read but for a few."""
        while self.bounded and self.blocks > UNREAD_BYTES:
            await asyncio.sleep(0.01)


@dataclass(slots=True)
class KafkaSends:
    """`ingest.Sends` to Kafka."""

    producer: Producer
    topics: Topics
    unread: Unread

    async def block(self, partition: int, value: bytes) -> Awaitable[object]:
        """Send a block to a group partition."""
        await self.unread.room()
        self.unread.blocks += len(value)
        return await self.producer.send(self.topics.spans, value, partition=partition)

    async def dead_letter(self, letter: DeadLetter) -> Awaitable[object]:
        """Send what could not be read."""
        return await self.producer.send(
            self.topics.dead_letter, letter.value, key=letter.key, headers=letter.headers
        )
