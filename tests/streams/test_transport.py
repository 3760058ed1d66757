"""What this project changed about Faust's consumer, so that no record is passed over."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from faust.types import TP

from streams.config import Config, Kafka
from streams.crash import CrashPoints
from streams.lease import Lease
from streams.transport import _Consumer, faust_app

INPUT = TP("spans", 0)


class Consumer(_Consumer):
    """One whose records and offsets are given, in place of those of a broker."""

    fetched: Mapping[TP, list[Any]]
    paused_while_fetching: TP | None = None
    flowed_while_seeking: bool | None = None

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:
        if self.paused_while_fetching is not None:
            self.pause_partitions([self.paused_while_fetching])
        return self.fetched

    def highwater(self, tp: TP) -> int:
        return 0

    async def seek_to_committed(self) -> Mapping[TP, int]:
        self.flowed_while_seeking = self.flow_active
        return {INPUT: 7}


def record(offset: int) -> Any:
    fields = {"topic": INPUT.topic, "partition": INPUT.partition, "offset": offset, "timestamp": 0}
    sizes = {"serialized_key_size": 0, "serialized_value_size": 0, "checksum": None}
    return SimpleNamespace(**fields, **sizes, timestamp_type=1, headers=None, key=None, value=b"")


async def consumer() -> Consumer:
    app = faust_app(replace(Config(), kafka=Kafka(partitions=1)), CrashPoints(), Lease(10))
    made: Consumer = Consumer(app.transport, app.topics.on_message, None, None)
    made._active_partitions = {INPUT}
    made.resume_flow()
    made._thread.thread_loop.close()  # it is never started
    return made


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_records_that_were_fetched_come_though_their_partition_was_paused_meanwhile() -> None:
    async def work() -> list[int]:
        made = await consumer()
        made.fetched = {INPUT: [record(5), record(6)]}
        made.paused_while_fetching = INPUT
        return [message.offset async for _, message in made.getmany(1.0)]

    assert run(work()) == [5, 6]


def test_nothing_flows_from_a_seek_until_the_flow_is_resumed() -> None:
    async def work() -> tuple[bool | None, bool]:
        made = await consumer()
        await made.perform_seek()
        return made.flowed_while_seeking, made.flow_active

    assert run(work()) == (False, False)
