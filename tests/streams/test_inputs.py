import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from faust.types import TP

from streams.config import Config
from streams.crash import CrashPoints
from streams.ingest import Ingest
from streams.inputs import Inputs
from streams.letters import Record
from streams.tick import Source, Tick
from streams.transport import Read
from tests.streams.test_ingest import Sent, message

INPUT = Source("otlp_spans", 0)
NOW = 20_000  # ms


@dataclass
class Slow:
    """A consumer that has read three records, which are ingested before it can say from where it reads."""

    ingest: Ingest

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, 3)

    async def start_of(self, _partition: TP) -> int:
        for offset in range(3):
            self.ingest.add(Record(INPUT, offset, 1, b"key", message(offset)), lambda: None)
        await self.ingest.flush()
        return 0

    def read(self, _partition: TP) -> Read:
        return Read(3, 3)

    def highwater(self, _partition: TP) -> int:
        return 3


@dataclass
class Told:
    """A producer that keeps the ticks."""

    ticks: list[Tick] = field(default_factory=list)

    async def send(self, _topic: str, value: bytes, *, partition: int) -> Awaitable[object]:
        assert partition >= 0
        self.ticks.append(Tick.decode(value))
        return asyncio.sleep(0)


def test_records_ingested_while_the_start_of_a_partition_is_asked_for_stay_ingested() -> None:
    ingest = Ingest(Sent(), 4, {"otlp_spans": "otlp_proto"}, Config().limits, CrashPoints(), lambda: NOW)
    told: Any = Told()
    inputs = Inputs(Config(), ingest, told, lambda: Slow(ingest), lambda: NOW, CrashPoints())
    inputs.assign({TP(*INPUT)})
    asyncio.run(inputs.tick(None))
    assert ingest.progress[INPUT].next_offset == 3
    assert {tick.watermarks[INPUT] for tick in told.ticks} == {NOW}  # all is read: the clock need not wait
