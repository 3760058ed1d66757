"""The exporter: evidence from its topic to an OTLP endpoint, in a thread of the worker.

The topic is the buffer: what is read is held until the endpoint has it, and only then committed, by a
consumer group of the workers' own. So an endpoint that is away costs nothing but time, and a crash between
both is a repeat of the same spans.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams import metrics
from streams.batch import Batch, batches
from streams.config import Config, Kafka
from streams.endpoint import Answer, Sender, sender
from streams.kafka import client_settings
from streams.reach import Heard
from streams.topics import Topics

log = logging.getLogger("betrace.export")

_RECORDS = 512  # of one request
_QUEUED = 4 * 2**10  # kB that are fetched ahead
_LINGER = 0.5  # seconds that a record waits for others
_FIRST, _LONGEST = 0.5, 30.0  # seconds between two tries
_ASKED = 600.0  # seconds that an endpoint may ask for
_TELL = 60.0  # seconds between two lines of log on an endpoint that is away
_SHOW = 5.0  # seconds between two looks at how far behind it is
_END = 3.0  # seconds for the thread to end


def pause(tries: int, after: float | None, chance: float) -> float:
    """Seconds until the next try, after so many; at least what the endpoint asks for. `chance` in [0, 1)."""
    backoff = min(_LONGEST, _FIRST * 2.0 ** min(tries, 10)) * (0.5 + chance / 2)
    return max(backoff, min(after or 0.0, _ASKED))


@dataclass(slots=True)
class _Seldom:
    """Lines of log of one kind: one a minute, with how many there were."""

    _since: float = float("-inf")
    _count: int = 0

    def error(self, text: str, *values: object) -> None:
        """Write a line, unless there was one lately."""
        self._count += 1
        now = time.monotonic()
        if now - self._since >= _TELL:
            log.error(f"{text} (%d since the last such line)", *values, self._count)
            self._since, self._count = now, 0


class _Moved(Exception):
    """The partitions were handed out anew: what is not committed is read again, perhaps by another worker."""


@dataclass(slots=True)
class Exporter:
    """Reads, sends and commits until told to stop."""

    kafka: Kafka
    sender: Sender
    chance: Callable[[], float] = random.random
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _heard: Heard = field(default_factory=Heard)
    _consumer: Consumer = field(init=False)
    _assignments: int = 0
    _stalled: float | None = None  # since when, on the monotonic clock
    _told: float = float("-inf")
    _shown: float = 0.0
    _refused: _Seldom = field(default_factory=_Seldom)
    _rejected: _Seldom = field(default_factory=_Seldom)
    _unreadable: _Seldom = field(default_factory=_Seldom)

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="export", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Break off what is on its way, which is not committed, and leave the group."""
        self._stopping.set()
        self.sender.close()
        if self._thread is not None:
            self._thread.join(_END)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._follow()
            except Exception as problem:  # evidence waits in its topic, and judging goes on
                if self._stopping.is_set():
                    return
                log.error("exporting begins anew: %s: %s", type(problem).__name__, problem)
                self._stopping.wait(_FIRST)

    def _follow(self) -> None:
        more: dict[str, Any] = {
            "group.id": f"{self.kafka.group}-export",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "range",
            "queued.max.messages.kbytes": _QUEUED,
            "log_level": 0,
        }
        self._consumer = Consumer(client_settings(self.kafka, error_cb=self._heard, **more))
        try:
            self._consumer.subscribe(
                [Topics(self.kafka.group).evidence],
                on_assign=self._assigned,
                on_revoke=self._revoked,
                on_lost=self._revoked,
            )
            while not self._stopping.is_set():
                self._export(self._heard.records(self._consumer.consume(_RECORDS, timeout=_LINGER)))
                self._show()
        finally:
            self._consumer.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assignments += 1
        consumer.assign(partitions)
        consumer.resume(partitions)  # what was paused stays so otherwise

    def _revoked(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._assignments += 1
        for each in partitions:
            metrics.forget(each.topic, each.partition)

    def _export(self, records: list[Message]) -> None:
        """Have the endpoint take what was read, and commit it; give up if partitions move meanwhile."""
        assignment = self._assignments
        try:
            for batch in batches(records):
                if readable := tuple(filter(self._readable, batch.records)):
                    self._deliver(Batch(readable), assignment)
                self._commit(batch.records)
        except _Moved:
            return

    def _deliver(self, batch: Batch, assignment: int) -> None:
        """Have it taken; what is refused for its content is found by halves, told and left behind."""
        answer = self._answered(batch.request, assignment)
        if answer.outcome == "taken":
            self._count(batch, answer)
        elif len(batch.records) > 1:
            for half in batch.halves():
                self._deliver(half, assignment)
        else:
            metrics.EXPORTED.labels("refused").inc(batch.spans)
            self._refused.error("the endpoint refuses %s: %s", _place(batch.records[0]), answer.why)

    def _count(self, batch: Batch, answer: Answer) -> None:
        rejected = min(answer.rejected, batch.spans)
        metrics.EXPORTED.labels("taken").inc(batch.spans - rejected)
        if rejected:
            metrics.EXPORTED.labels("rejected").inc(rejected)
            first = _place(batch.records[0])
            self._rejected.error("the endpoint rejects spans of those from %s on: %s", first, answer.why)

    def _readable(self, record: Message) -> bool:
        """Whether a record is a request at all: anybody may write to a topic."""
        try:
            ExportTraceServiceRequest.FromString(record.value() or b"")
        except DecodeError:
            metrics.EXPORTED.labels("unreadable").inc()
            self._unreadable.error("%s is no OTLP request, and is not exported", _place(record))
            return False
        return True

    def _answered(self, request: bytes, assignment: int) -> Answer:
        """What the endpoint says of a request itself, however long it takes to hear it."""
        tries = 0
        while True:
            answer = self._tried(request)
            if answer.outcome != "later":
                self._going()
                return answer
            self._failed(answer)
            self._wait(pause(tries, answer.after, self.chance()), assignment)
            tries += 1

    def _tried(self, request: bytes) -> Answer:
        """One try. A refusal counts from an endpoint that takes an empty request: others take no spans."""
        answer = self.sender.send(request)
        if answer.outcome == "refused":
            metrics.EXPORT_FAILURES.inc()
            probe = self.sender.send(b"")
            return answer if probe.outcome == "taken" else probe._replace(outcome="later")
        return answer

    def _wait(self, seconds: float, assignment: int) -> None:
        """Wait, and stay in the group meanwhile; _Moved when told to stop, or partitions were."""
        self._consumer.pause(self._consumer.assignment())
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            found = self._consumer.poll(min(left, _LINGER))
            if self._stopping.is_set() or self._assignments != assignment:
                raise _Moved
            if found is not None and self._heard.records([found]):
                raise RuntimeError(f"{_place(found)} came from a partition that is paused")
            self._show()
        self._consumer.resume(self._consumer.assignment())

    def _failed(self, answer: Answer) -> None:
        now = time.monotonic()
        metrics.EXPORT_FAILURES.inc()
        self._stalled = now if self._stalled is None else self._stalled
        if now - self._told >= _TELL and not self._stopping.is_set():
            self._told = now
            log.warning("the endpoint takes no evidence, which waits in its topic: %s", answer.why)

    def _going(self) -> None:
        if self._stalled is not None:
            log.warning("the endpoint takes evidence again")
        self._stalled, self._told = None, float("-inf")
        metrics.EXPORT_STALLED.set(0)

    def _commit(self, records: Sequence[Message]) -> None:
        """Note what is done. Where that fails it is sent again, as the same spans."""
        ends: dict[tuple[str, int], int] = {}
        for record in records:
            place = (str(record.topic()), record.partition() or 0)
            ends[place] = max(ends.get(place, 0), (record.offset() or 0) + 1)
        offsets = [TopicPartition(*place, offset) for place, offset in ends.items()]
        try:
            if offsets:
                self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as problem:
            log.info("exported evidence was not committed: %s", problem)

    def _show(self) -> None:
        """How far behind it is, now and then."""
        now = time.monotonic()
        if self._stalled is not None:
            metrics.EXPORT_STALLED.set(now - self._stalled)
        if now - self._shown < _SHOW:
            return
        self._shown = now
        try:
            for each in self._consumer.committed(self._consumer.assignment(), timeout=_SHOW):
                low, high = self._consumer.get_watermark_offsets(each, timeout=_SHOW, cached=False)
                lag = high - max(low, each.offset)
                metrics.CONSUMER_LAG.labels(each.topic, str(each.partition)).set(lag)
        except KafkaException:
            return


def _place(record: Message) -> str:
    return f"{record.topic()}/{record.partition()}:{record.offset()}"


@contextmanager
def exporting(config: Config, now: Callable[[], int]) -> Iterator[None]:
    """Evidence is exported until the block ends, if the settings name an endpoint."""
    if config.endpoint is None:
        yield
        return
    exporter = Exporter(config.kafka, sender(config.endpoint, now))
    exporter.start()
    try:
        yield
    finally:
        exporter.stop()
