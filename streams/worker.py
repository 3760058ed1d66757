"""The worker: Faust agents that join ingest, group, evaluate and publish."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import faust
from aiokafka.errors import KafkaError
from faust.types import TP, EventT

from streams import metrics
from streams.activity import Version
from streams.cache import BlockCache
from streams.config import Config
from streams.crash import CrashPoints
from streams.fence import Fences
from streams.group import Group, Load
from streams.health import Health
from streams.ingest import Ingest
from streams.inputs import Inputs
from streams.judge import Judge, Rules
from streams.lease import Lease
from streams.letters import REPLAYED, Record
from streams.owned import Owned, Standing
from streams.partition import Partition, Step
from streams.producer import Producer
from streams.publish import Publisher
from streams.ranges import written
from streams.reach import unreachable
from streams.redaction import Redaction
from streams.sends import KafkaSends, Unread
from streams.table import RECOVERED_AT_ONCE, PartitionStore, Revoked, store_options
from streams.threads import unless
from streams.tick import TICK, Source
from streams.topics import Topics
from streams.transport import SESSION, faust_app
from streams.upheld import Sampling
from streams.vocabulary import Vocabulary

log = logging.getLogger("betrace.worker")

_LINGER = 0.1  # seconds that a record waits for others before its block is sent
_BEAT = 0.2  # seconds between two signs of life of the event loop
_FINISH = 3.0  # seconds in which a worker that stops finishes what it has begun
_STOP = 8.0  # seconds for clients to leave in order
_STALLED = 20.0  # seconds without a move of the clock that say that an input partition has no owner


class RulesSource(Protocol):
    """The rules in force (`streams.rules_log.RulesLog`)."""

    @property
    def ready(self) -> bool:
        """Whether the rules are known: nothing is judged before."""
        ...

    def in_force(self) -> Rules: ...

    def in_force_at(self, offset: int) -> list[Version]: ...


@dataclass(slots=True)
class Worker:
    """One worker process; `now` is Unix ns."""

    config: Config
    rules: RulesSource
    now: Callable[[], int]
    crash: CrashPoints = field(default_factory=CrashPoints)
    owned: dict[int, Owned] = field(default_factory=dict)
    opening: dict[int, PartitionStore] = field(default_factory=dict)
    beats: int = 0  # moves on while the event loop runs
    load: Load = field(default_factory=Load)
    cache: BlockCache = field(default_factory=BlockCache)
    health: Health = field(default_factory=Health)
    problem: BaseException | None = None
    stopping: bool = False  # what goes wrong from then on is not the worker's end, as its clients close
    redaction: Redaction = field(init=False)
    vocabulary: Vocabulary = field(init=False)
    unread: Unread = field(init=False)
    ingest: Ingest = field(init=False)
    inputs: Inputs = field(init=False)
    app: faust.App = field(init=False)
    _producer: Producer = field(init=False)
    _lease: Lease = field(default_factory=lambda: Lease(SESSION))
    _table: Any = field(init=False)
    _fences: Fences = field(init=False)
    _failed: asyncio.Event = field(default_factory=asyncio.Event)
    _ticking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _given: frozenset[int] = frozenset()  # the group partitions that were assigned
    _assignment: int = 0  # how many rebalances began
    _standing: Standing = field(init=False)

    def __post_init__(self) -> None:
        self._producer = Producer(self.config.kafka)
        self._standing = Standing(self.owned, self._now_ms)
        self.redaction = Redaction(self.config.redaction)
        self.vocabulary = Vocabulary(self.redaction)
        self.unread = Unread(self.config.kafka.embedded)
        names = Topics(self.config.kafka.group)
        encodings = {topic.name: topic.encoding for topic in self.config.kafka.input_topics}
        self.ingest = Ingest(
            KafkaSends(self._producer, names, self.unread),
            self.config.kafka.partitions,
            encodings,
            self.config.limits,
            self.crash,
            self._now_ms,
            self.config.dead_letters,
            self.config.signatures,
        )
        self.app = faust_app(self.config, self.crash, self._lease)
        self.inputs = Inputs(
            self.config, self.ingest, self._producer, lambda: self.app.consumer, self._now_ms, self.crash
        )
        self._table = self.app.Table(
            "state",
            key_type=bytes,
            value_type=bytes,
            partitions=self.config.kafka.partitions,
            recovery_buffer_size=RECOVERED_AT_ONCE,
            options=store_options(self.config.kafka.partitions),
        )
        self._fences = Fences(self._table.data)
        self._fences.watch()
        inputs = self.app.topic(*encodings, key_serializer="raw", value_serializer="raw", allow_empty=True)
        spans = self.app.topic(names.spans, key_serializer="raw", value_serializer="raw")
        self.app.agent(inputs, name="ingest")(self._ingest)
        self.app.agent(spans, name="group")(self._group)
        self.app.task(self._flush_often)
        self.app.task(self._tick_often)
        self.app.on_partitions_revoked.connect(_ignoring_sender(self._on_revoked))
        self.app.on_partitions_assigned.connect(_ignoring_sender(self._on_assigned))

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; raises what made the worker unable to go on, Unreachable if Kafka did."""
        try:
            await self._run(stop)
        except KafkaError as problem:
            raise unreachable(problem) from problem

    async def _run(self, stop: asyncio.Event) -> None:
        beating = asyncio.create_task(self._beat())
        try:
            if await unless(stop, asyncio.ensure_future(self._start())):
                await self._until_ended(stop)
                await self._finish()
        finally:
            await asyncio.wait((asyncio.create_task(self._stop()),), timeout=_STOP)
            beating.cancel()
        if self.problem is not None:
            raise self.problem

    async def _start(self) -> None:
        await self.inputs.look()
        await self._producer.start()

    async def _until_ended(self, stop: asyncio.Event) -> None:
        living = asyncio.ensure_future(self._live())
        tasks = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._failed.wait()), living]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = living.exception() if living.done() else None
        for task in tasks:
            task.cancel()
        self.problem = self.problem or self.app.crash_reason or ended

    async def _live(self) -> None:
        """Start Faust, which waits for its partitions, and wait until it has stopped."""
        await self.app.start()
        await self.app.wait_until_stopped()

    @property
    def ready(self) -> str | None:
        """None when spans are judged; else what is waited for."""
        if not self.rules.ready:
            return "the rules log is being read"
        if not self.owned and not self.inputs.owned:
            return "no partition is assigned, or the state is being recovered"
        if closed := sorted(self._given - self.owned.keys()):
            return f"group partitions that are not open yet: {', '.join(map(str, closed))}"
        if unheard := self._standing.unheard():
            return unheard
        stalled = self._standing.stalled()
        return f"the clock has stood for {stalled:.0f} s" if stalled > _STALLED else None

    async def _beat(self) -> None:
        while True:
            self.beats += 1
            await asyncio.sleep(_BEAT)

    # Ingest

    async def _ingest(self, stream: Any) -> None:
        async for event in stream.noack().events():
            message = event.message
            self.unread.input -= len(message.value or b"")
            time = None if message.timestamp is None else round(message.timestamp * 1000)
            source = Source(message.topic, message.partition)
            replayed = dict(message.headers or ()).get(REPLAYED)
            record = Record(source, message.offset, time, message.key, message.value, replayed)
            self.ingest.add(record, event.ack)
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
        async with self._ticking:  # counts have to be told in order
            await self._tell_inputs()

    async def _tell_inputs(self) -> None:
        slowest, waiting = self._standing.slowest()
        await self.inputs.tick(slowest, waiting and self.load.over(self.config.limits))
        spans = Topics(self.config.kafka.group).spans
        self._standing.show(self.load, spans, lambda n: self.app.consumer.highwater(TP(spans, n)) or 0)

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
        while not self.rules.ready:
            await asyncio.sleep(0.05)
        store = PartitionStore(
            self._table,
            number,
            self._producer,
            self._lease,
            self._fences,
            lambda place, start, end: written(self.config.kafka, place, start, end),
        )
        group = Group(self.config.windows, self.config.limits, self.load)
        sampling = Sampling(self.config.held)
        rules = self.rules
        judge = Judge(
            rules.in_force,
            rules.in_force_at,
            self.now,
            self.health,
            self.redaction,
            sampling=sampling,
            vocabulary=self.vocabulary,
        )
        topics = self.inputs.topics
        self.opening[number] = store
        try:
            await store.claim(self.app.consumer_generation_id)
            partition = await Partition.open(
                store, number, offset, group, judge, self.crash, topics, self.cache
            )
        finally:
            del self.opening[number]
        if assignment != self._assignment:
            group.clear()
            raise Revoked
        names = Topics(self.config.kafka.group)
        publisher = Publisher(
            self._producer, self._lease, names, self.crash, self._fail, self.now, self.config.evidence
        )
        publisher.start()
        owned = self.owned[number] = Owned(store, partition, publisher)
        return owned

    # Faust

    async def _on_revoked(self, _revoked: set[TP]) -> None:
        """Everything is assigned anew: what is not written is dropped, and read again by the next owner."""
        self._assignment += 1
        for number, owned in self.owned.items():
            owned.give_up()
            owned.partition.group.clear()
            metrics.forget(Topics(self.config.kafka.group).spans, number)
        self.owned.clear()
        self.ingest.reset()
        self.unread.blocks = 0
        self.inputs.assign(set())
        self._given = frozenset()

    async def _on_assigned(self, assigned: set[TP]) -> None:
        self.inputs.assign(assigned)
        names = Topics(self.config.kafka.group)
        self._given = frozenset(tp.partition for tp in assigned if tp.topic == names.spans)
        read = sorted(f"{tp.topic}/{tp.partition}" for tp in assigned if tp.topic != names.changelog)
        log.info("partitions: %s", ", ".join(read) or "none, others have them all")

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
        if self.stopping:
            _leave_to_the_next(problem)
        elif self.problem is None:
            self.problem = problem
            log.error("the worker stops: %s: %s", type(problem).__name__, problem)
            self._failed.set()

    async def _finish(self) -> None:
        """Bring what was begun to its end where that is quick, so that the next owner has less to repeat."""
        if self.problem is not None:
            return
        try:
            await asyncio.wait_for(self._flush_all(), _FINISH)
        except Exception as problem:
            _leave_to_the_next(problem)

    async def _flush_all(self) -> None:
        await self.ingest.flush()
        await self._tick()
        for owned in list(self.owned.values()):
            left = asyncio.Event()
            await owned.publisher.put(Step([], [], []), None, left.set)
            await left.wait()

    async def _stop(self) -> None:
        self.stopping = True
        for owned in self.owned.values():
            owned.give_up()
        await self.app.stop()
        await self._producer.stop()

    def _now_ms(self) -> int:
        return self.now() // 1_000_000


def _leave_to_the_next(problem: BaseException) -> None:
    """Say what kept a worker that stops from finishing; the next owner of its partitions repeats it."""
    log.info("not all that was begun was finished: %s", problem or type(problem).__name__)


def _ignoring_sender(fun: Callable[[set[TP]], Awaitable[None]]) -> Any:
    """A handler of Faust's rebalance signals, which pass the app and more beside the partitions."""

    async def handler(_app: faust.App, partitions: set[TP], **_: Any) -> None:
        await fun(partitions)

    return handler
