"""The leader of a group that shares out partitions before it knows of the topics."""

import asyncio
from dataclasses import replace
from typing import Any

from streams import config
from streams.crash import CrashPoints
from streams.lease import Lease
from streams.transport import SESSION, Transport, faust_app
from tests.kafka import Kafka, create_topic

_PATIENCE = 40.0  # seconds, less than a watchdog's


async def _nothing(_: object) -> None:
    pass


def consumer(app: Any) -> Any:
    """The aiokafka consumer that a worker reads with."""
    made: Any = Transport.Consumer(app.transport, app.topics.on_message, _nothing, _nothing)
    made._thread.thread_loop.close()  # it is never started
    return made._thread._create_worker_consumer(app.transport)


def test_partitions_are_shared_out_again_once_the_leader_knows_the_topics(kafka: Kafka, group: str) -> None:
    settings = replace(config.Config(), kafka=config.Kafka((kafka.address,), group=group))

    async def work() -> None:
        member = consumer(faust_app(settings, CrashPoints(), Lease(SESSION)))
        await member.start()
        try:
            member.subscribe([group])
            await asyncio.wait_for(member._subscription.wait_for_assignment(), _PATIENCE)
            assert not member.assignment()
            await asyncio.to_thread(create_topic, kafka.address, group, 2)
            await asyncio.wait_for(member._subscription.wait_for_assignment(), _PATIENCE)
            assert len(member.assignment()) == 2
        finally:
            await member.stop()

    asyncio.run(work())
