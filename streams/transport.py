"""Faust as this project needs it: its settings, and what it gets wrong at a rebalance put right."""

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import faust
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, Message

from streams.config import Config
from streams.crash import FETCH, CrashPoints
from streams.kafka import faust_credentials
from streams.lease import Lease

log = logging.getLogger("betrace.transport")

_FETCH_WAIT = 100  # ms; Faust's 1,500 hold up what shares the connection, such as asking for end offsets
SESSION = 10  # seconds after which the broker gives a silent worker's partitions to others
_ASK = 10_000  # ms between two looks at topics: a leader that did not know them shares them out anew then
_TELL = 30.0  # seconds between two lines of log on what keeps offsets from being committed
_MUTE = 0.1  # seconds between two looks of a reader that a test has muted


class Read(NamedTuple):
    """How far a partition was read: no record before `position` stands at `records` or after it.

    What lies between are marks of transactions. Faust's own read offset is the committed one after a seek.
    """

    position: int
    records: int


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.read: dict[TP, Read] = {}

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = _FETCH_WAIT
        return consumer

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Hold the lease of what is assigned, from the next heartbeat on."""
        transport: Any = self.transport
        transport.lease.follow(self._ensure_consumer()._coordinator)
        await super().on_partitions_assigned(assigned, generation_id)

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> Mapping[TP, list[Any]]:
        transport: Any = self.transport
        if transport.crash.reach(FETCH):
            await asyncio.sleep(_MUTE)
            return {}
        found = await super()._fetch_records(consumer, active_partitions, timeout, max_records)
        for tp in active_partitions:
            position = _position(consumer, tp)
            if position is not None:
                last = found[tp][-1].offset + 1 if tp in found else 0
                self.read[tp] = Read(position, max(last, self.read[tp].records if tp in self.read else 0))
        return found

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Where each assigned partition is read from; a changelog's place is left to Faust's recovery."""
        places: Mapping[TP, int] = await self.call_thread(self._seek_to_committed)
        return places

    async def _seek_to_committed(self) -> Mapping[TP, Any]:
        """Seek to the committed offset, and where there is none to the first.

        Faust leaves a partition without a commit where it stands, past records that were fetched but dropped
        because they came while the flow was suspended.
        """
        consumer = self._ensure_consumer()
        places: dict[TP, Any] = dict(await consumer.seek_to_committed())
        tables = self.app.tables.changelog_topics
        fresh = [tp for tp, offset in places.items() if not offset and tp.topic not in tables]
        for tp, offset in (await consumer.beginning_offsets(fresh)).items():
            consumer.seek(tp, offset)
            places[tp] = offset
        return places


class _Consumer(driver.Consumer):
    _told = -math.inf

    def _new_consumer_thread(self) -> driver.AIOKafkaConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Seek to the committed offsets, and hand on no record before Faust resumes the flow after it.

        Faust seeks one partition after the other while records flow, and then clears its queues: what came of
        a partition whose turn was over would be gone, as its place is behind it, and count as done.
        """
        self.stop_flow()
        await super().perform_seek()

    async def _wait_next_records(self, timeout: float) -> tuple[Any, set[TP] | None]:
        """Hand on what was fetched, also of a partition paused meanwhile: its place is behind it."""
        records, active = await super()._wait_next_records(timeout)
        fetched = {tp for tp in records or () if not self._is_changelog_tp(tp)}
        return records, None if active is None else active | fetched

    def on_buffer_drop(self, tp: TP) -> None:
        """The buffer has room again: go on reading, unless the partition is paused for another reason."""
        if tp in self._paused_partitions:
            self._buffered_partitions.discard(tp)
        else:
            super().on_buffer_drop(tp)

    def ack(self, message: Message) -> bool:
        """Count a record as done, if it was read since the last rebalance: else it is read again."""
        return message.generation_id == self.app.consumer_generation_id and super().ack(message)

    def _new_offset(self, tp: TP) -> int | None:
        """Up to where a partition is done; it is told when a record before those that are done is missing."""
        offset: int | None = super()._new_offset(tp)
        done, now = self._acked.get(tp), time.monotonic()
        if offset is None and done and now > self._told + _TELL:
            self._told = now
            log.warning(
                "%s/%d: offsets from %d on are done, and %s is committed: what lies between is missing",
                *tp, min(done), self._committed_offset.get(tp),
            )  # fmt: skip
        return offset

    @property
    def member(self) -> str:
        """This consumer's id in its group; empty before it has one. For any thread, as `place` is."""
        coordinator = self._coordinator
        return "" if coordinator is None else str(coordinator.member_id)

    def place(self, tp: TP) -> int | None:
        """The offset that is read next; None where nothing is known."""
        consumer = self._thread._consumer
        return consumer and _position(consumer, tp)

    def read(self, tp: TP) -> Read | None:
        """How far a partition was read, once it was."""
        thread: Any = self._thread
        read: Read | None = thread.read.get(tp)
        return read

    def committed_place(self, tp: TP) -> int | None:
        """The offset that was committed last; None where nothing is known."""
        committed = self._committed_offset.get(tp)
        return None if committed is None else int(committed)

    @property
    def _coordinator(self) -> Any:
        consumer = self._thread._consumer
        return consumer and consumer._coordinator

    async def start_of(self, tp: TP) -> int:
        """The offset from which a partition is read: the committed one, or the first.

        The broker is asked: what Faust knows of commits is not there until its recovery has ended.
        """
        thread = self._thread
        committed = await thread.call_thread(thread._ensure_consumer().committed, tp)
        return int(committed or (await self.earliest_offsets(tp))[tp])


def _position(consumer: AIOKafkaConsumer, tp: TP) -> int | None:
    """Where a partition is read next, as far as it is assigned and known."""
    subscription = consumer._subscription.subscription
    assignment = subscription and subscription.assignment
    state = assignment and assignment.state_value(tp)
    position: int | None = state and state._position
    return position


class Transport(driver.Transport):
    """`kafka://` with short waits for data, and no record passed over at a rebalance."""

    Consumer: ClassVar[type[driver.Consumer]] = _Consumer
    crash = CrashPoints()
    lease = Lease(SESSION)


def faust_app(config: Config, crash: CrashPoints, lease: Lease) -> faust.App:
    """A Faust app with the defaults that bite put right (`docs/architecture.md`)."""
    kafka = config.kafka
    app = faust.App(
        kafka.group,
        broker=[f"kafka://{broker}" for broker in kafka.brokers],
        broker_credentials=faust_credentials(kafka),
        broker_session_timeout=SESSION,
        broker_heartbeat_interval=0.5,  # so often is heard that a worker left or came
        broker_request_timeout=30,
        broker_commit_interval=1,
        broker_commit_every=100,
        broker_max_poll_records=100,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 * 2**20,
        consumer_metadata_max_age_ms=_ASK,
        stream_buffer_maxsize=64,
        stream_wait_empty=False,
        stream_recovery_delay=0,
        store="rocksdb://",
        datadir=str(config.data_dir),
        table_standby_replicas=0,
        topic_allow_declare=False,
        topic_disable_leader=True,
        topic_partitions=kafka.partitions,
        topic_replication_factor=kafka.replication_factor,
        web_enabled=False,
        worker_redirect_stdouts=False,
        autodiscover=False,
        loghandlers=[],
    )
    transport = Transport(app.conf.broker_consumer, app)
    transport.crash, transport.lease = crash, lease
    app.transport = transport
    return app
