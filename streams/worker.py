"""The worker: Faust agents that join ingest, group, evaluate and publish."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import faust
from faust.types import TP, EventT

from streams import metrics
from streams.admin import partition_counts
from streams.block import TICK, Counts, Source, Tick
from streams.config import Config
from streams.crash import CrashPoints
from streams.embedded import UNREAD_BYTES
from streams.group import Group, Load
from streams.ingest import DeadLetter, Ingest, Progress, Record
from streams.judge import Judge, Rules
from streams.kafka import faust_credentials
from streams.partition import Partition
from streams.producer import Producer
from streams.publish import Publisher
from streams.table import STORE_OPTIONS, PartitionStore, Revoked
from streams.topics import Topics
from streams.transport import Transport

log = logging.getLogger("betrace.worker")

_LINGER = 0.1  # seconds that a record waits for others before its block is sent
_STALLED = 20.0  # seconds without a move of the clock that say that an input partition has no owner
_METADATA_NS = 30 * 10**9  # ns between looks at the input topics' numbers of partitions


@dataclass(slots=True)
class Owned:
    """A group partition that this worker owns: its table, its state, its way out."""

    store: PartitionStore
    partition: Partition
    publisher: Publisher


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
class _Sends:
    """Where ingest's blocks and dead letters go."""

    producer: Producer
    topics: Topics
    unread: Unread

    async def block(self, partition: int, value: bytes) -> Awaitable[object]:
        await self.unread.room()
        self.unread.blocks += len(value)
        return await self.producer.send(self.topics.spans, value, partition=partition)

    async def dead_letter(self, letter: DeadLetter) -> Awaitable[object]:
        return await self.producer.send(
            self.topics.dead_letter, letter.value, key=letter.key, headers=letter.headers
        )


@dataclass(slots=True)
class Worker:
    """One worker process. `rules` gives the rules in force once `rules_ready`; `now` is Unix ns."""

    config: Config
    rules: Callable[[], Rules]
    rules_ready: Callable[[], bool]
    now: Callable[[], int]
    crash: CrashPoints = field(default_factory=CrashPoints)
    owned: dict[int, Owned] = field(default_factory=dict)
    load: Load = field(default_factory=Load)
    problem: BaseException | None = None
    unread: Unread = field(init=False)
    ingest: Ingest = field(init=False)
    app: faust.App = field(init=False)
    _producer: Producer = field(init=False)
    _table: Any = field(init=False)
    _failed: asyncio.Event = field(default_factory=asyncio.Event)
    _inputs_set: frozenset[str] = frozenset()
    _input_partitions: dict[str, int] = field(default_factory=dict)
    _assignment: int = 0  # how many rebalances began
    _looked: int = 0
    _moved: tuple[int, int] = (0, 0)  # the slowest clock, and when it came to stand there (ms)
    _inputs: frozenset[TP] = frozenset()
    _paused: frozenset[TP] = frozenset()

    def __post_init__(self) -> None:
        self._producer = Producer(self.config.kafka)
        self.unread = Unread(self.config.kafka.embedded)
        names = Topics(self.config.kafka.group)
        self._inputs_set = frozenset(topic.name for topic in self.config.kafka.input_topics)
        encodings = {topic.name: topic.encoding for topic in self.config.kafka.input_topics}
        self.ingest = Ingest(
            _Sends(self._producer, names, self.unread),
            self.config.kafka.partitions,
            encodings,
            self.config.limits,
            self.crash,
            self._now_ms,
        )
        self.app = faust_app(self.config)
        self._table = self.app.Table(
            "state",
            key_type=bytes,
            value_type=bytes,
            partitions=self.config.kafka.partitions,
            options=dict(STORE_OPTIONS),
        )
        inputs = self.app.topic(*encodings, key_serializer="raw", value_serializer="raw", allow_empty=True)
        spans = self.app.topic(names.spans, key_serializer="raw", value_serializer="raw")
        self.app.agent(inputs, name="ingest")(self._ingest)
        self.app.agent(spans, name="group")(self._group)
        self.app.task(self._flush_often)
        self.app.task(self._tick_often)
        self.app.on_partitions_revoked.connect(_ignoring_sender(self._on_revoked))
        self.app.on_partitions_assigned.connect(_ignoring_sender(self._on_assigned))

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; raises what made the worker unable to go on."""
        await self._look_at_inputs()
        await self._producer.start()
        await self.app.start()
        try:
            await self._until_ended(stop)
        finally:
            await self._stop()
        if self.problem is not None:
            raise self.problem

    async def _until_ended(self, stop: asyncio.Event) -> None:
        ends = (stop.wait(), self._failed.wait(), self.app.wait_until_stopped())
        tasks = [asyncio.ensure_future(end) for end in ends]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        self.problem = self.problem or self.app.crash_reason

    @property
    def ready(self) -> str | None:
        """None when spans are judged; else what is waited for."""
        if not self.rules_ready():
            return "the rules log is being read"
        if not self.owned and not self._inputs:
            return "no partition is assigned, or the state is being recovered"
        for number, owned in sorted(self.owned.items()):
            if unknown := owned.partition.state.clock.unknown():
                of = ", ".join(f"{source.topic}/{source.partition}" for source in unknown)
                return f"group partition {number} has not heard of {of}"
        return f"the clock has stood for {stalled:.0f} s" if (stalled := self.stalled()) > _STALLED else None

    # Ingest

    async def _ingest(self, stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            self.unread.input -= len(message.value or b"")
            time = None if message.timestamp is None else round(message.timestamp * 1000)
            source = Source(message.topic, message.partition)
            self.ingest.add(Record(source, message.offset, time, message.key, message.value), event.ack)
            if self.ingest.full:
                await self._guarded(self.ingest.flush())

    async def _flush_often(self) -> None:
        while not self.app.should_stop:
            await asyncio.sleep(_LINGER)
            await self._guarded(self.ingest.flush())

    async def _tick_often(self) -> None:
        while not self.app.should_stop:
            await asyncio.sleep(self.config.windows.tick)
            await self._guarded(self._tick())

    async def _tick(self) -> None:
        """Tell every group partition how far the input partitions of this worker are."""
        await self._look_at_inputs()
        sources = [Source(tp.topic, tp.partition) for tp in sorted(self._inputs)]
        if not sources:
            return
        assignment = self._assignment
        asked, ends = self._now_ms(), await self._end_offsets(sources)
        watermarks = {source: await self._watermark(source, asked, ends[source]) for source in sources}
        if assignment != self._assignment:
            return
        self._align(watermarks)
        self._show(watermarks, ends)
        flushed = self.ingest.take()
        told: dict[Source, list[Counts]] = {}
        for record in flushed:
            told.setdefault(record.source, []).append(record.counts)
        sent = [
            await self._send_tick(number, watermarks, told) for number in range(self.config.kafka.partitions)
        ]
        for future in sent:
            await future
        for record in flushed:
            record.acknowledge()

    def _show(self, watermarks: dict[Source, int], ends: dict[Source, int]) -> None:
        """Metrics of how far this worker is."""
        now = self._now_ms()
        for source, time in watermarks.items():
            metrics.CLOCK_LAG.labels(*source).set((now - time) / 1000)
            metrics.CONSUMER_LAG.labels(*source).set(
                ends[source] - (self.ingest.progress[source].next_offset or 0)
            )
        metrics.IN_FLIGHT.set(self.load.traces)
        metrics.STATE_BYTES.set(sum(owned.partition.kept_bytes for owned in self.owned.values()))
        metrics.CLOCK_STALLED.set(self.stalled())

    def stalled(self) -> float:
        """Seconds for which the slowest clock of this worker's group partitions has not moved."""
        clocks = [owned.partition.state.clock.now for owned in self.owned.values()]
        slowest, now = min(clocks, default=0), self._now_ms()
        if not clocks or slowest != self._moved[0]:
            self._moved = (slowest, now)
        return (now - self._moved[1]) / 1000

    async def _send_tick(
        self, partition: int, watermarks: dict[Source, int], told: dict[Source, list[Counts]]
    ) -> Awaitable[object]:
        """A tick; the counts of an input partition go to one group partition alone."""
        of = self.config.kafka.partitions
        counts = {source: c for source, c in told.items() if source.partition % of == partition}
        tick = Tick(watermarks, self._input_partitions, counts)
        return await self._producer.send(
            Topics(self.config.kafka.group).spans, tick.encode(), partition=partition
        )

    async def _end_offsets(self, sources: list[Source]) -> dict[Source, int]:
        ends = await self.app.consumer.highwaters(*(TP(*source) for source in sources))
        return {Source(tp.topic, tp.partition): end for tp, end in ends.items()}

    async def _watermark(self, source: Source, asked: int, end: int) -> int:
        """The greatest record time ingested, or the last time at which the end then known was reached."""
        progress = self.ingest.progress.setdefault(source, Progress())
        if progress.next_offset is None:
            consumer: Any = self.app.consumer
            progress.next_offset = await consumer.start_of(TP(*source))
        if progress.next_offset >= end or progress.asked is None:
            progress.asked = (asked, end)
        when, wanted = progress.asked
        if progress.next_offset >= wanted:
            progress.time, progress.asked = max(progress.time, when), None
        return progress.time

    def _align(self, watermarks: dict[Source, int]) -> None:
        """Pause the input partitions that run more than `max_wait` ahead of the slowest one."""
        slowest = [s for o in self.owned.values() if (s := o.partition.state.clock.slowest())]
        if not slowest:
            return
        limit = min(time for _, time in slowest) + round(self.config.windows.max_wait * 1000)
        ahead = frozenset(TP(*source) for source, time in watermarks.items() if time > limit)
        if ahead - self._paused:
            self.app.consumer.pause_partitions(ahead - self._paused)
        if self._paused - ahead:
            self.app.consumer.resume_partitions(self._paused - ahead)
        self._paused = ahead

    async def _look_at_inputs(self) -> None:
        """Learn the numbers of partitions of the input topics, at the start and now and then."""
        if self.now() < self._looked + _METADATA_NS:
            return
        self._looked = self.now()
        found = await asyncio.to_thread(partition_counts, self.config.kafka)
        self._input_partitions = {topic: found[topic] for topic in self._inputs_set if topic in found}

    # Group

    async def _group(self, stream: Any) -> None:
        async for event in stream.noack().events():
            await self._guarded(self._apply(event))

    async def _apply(self, event: EventT[Any]) -> None:
        message = event.message
        owned = await self._own(message.partition, message.offset)
        value = message.value or b""
        is_tick = value[1:2] == bytes((TICK,))
        handle = owned.partition.tick if is_tick else owned.partition.block
        step = await handle(message.offset, value)
        self.unread.blocks -= 0 if is_tick else len(value)

        def done() -> None:
            owned.partition.published = message.offset
            event.ack()

        await owned.publisher.put(step, message.timestamp, done)

    async def _own(self, number: int, offset: int) -> "Owned":
        owned = self.owned.get(number)
        return await self._open(number, offset) if owned is None else owned

    async def _open(self, number: int, offset: int) -> "Owned":
        assignment = self._assignment
        while not self.rules_ready():
            await asyncio.sleep(0.05)
        store = PartitionStore(self._table, number, self._producer)
        group = Group(self.config.windows, self.config.limits, self.load)
        judge = Judge(self.rules, self.now)
        partition = await Partition.open(store, offset, group, judge, self.crash, self._inputs_set)
        if assignment != self._assignment:
            group.clear()
            raise Revoked
        names = Topics(self.config.kafka.group)
        publisher = Publisher(self._producer, names.violations, self.crash, self._fail, self.now)
        publisher.start()
        owned = self.owned[number] = Owned(store, partition, publisher)
        return owned

    # Faust

    async def _on_revoked(self, _revoked: set[TP]) -> None:
        """Everything is assigned anew: what is not written is dropped, and read again by the next owner."""
        self._assignment += 1
        for owned in self.owned.values():
            owned.store.owned = False
            owned.publisher.stop()
            owned.partition.group.clear()
        self.owned.clear()
        self.ingest.reset()
        self.unread.blocks = 0
        self._inputs = frozenset()

    async def _on_assigned(self, assigned: set[TP]) -> None:
        self._inputs = frozenset(tp for tp in assigned if tp.topic in self._inputs_set)
        self._paused = frozenset()

    async def _guarded(self, work: Awaitable[object]) -> None:
        """Do a piece of work; what goes wrong ends the process, as its state would be unsure."""
        try:
            await work
        except Revoked:
            pass
        except asyncio.CancelledError:
            raise
        except BaseException as problem:
            await self._fail(problem)

    async def _fail(self, problem: BaseException) -> None:
        if self.problem is None:
            self.problem = problem
            log.error("the worker stops: %s: %s", type(problem).__name__, problem)
            self._failed.set()

    async def _stop(self) -> None:
        for owned in self.owned.values():
            owned.publisher.stop()
        await self.app.stop()
        await self._producer.stop()

    def _now_ms(self) -> int:
        return self.now() // 1_000_000


def _ignoring_sender(fun: Callable[[set[TP]], Awaitable[None]]) -> Any:
    """A handler of Faust's rebalance signals, which pass the app and more beside the partitions."""

    async def handler(_app: faust.App, partitions: set[TP], **_: Any) -> None:
        await fun(partitions)

    return handler


def faust_app(config: Config) -> faust.App:
    """A Faust app with the defaults that bite put right (`docs/architecture.md`)."""
    kafka = config.kafka
    app = faust.App(
        kafka.group,
        broker=[f"kafka://{broker}" for broker in kafka.brokers],
        broker_credentials=faust_credentials(kafka),
        broker_session_timeout=10,
        broker_heartbeat_interval=2,
        broker_request_timeout=30,
        broker_commit_interval=1,
        broker_commit_every=100,
        broker_max_poll_records=100,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=4 * 2**20,
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
    app.transport = Transport(app.conf.broker_consumer, app)
    return app
