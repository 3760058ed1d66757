"""What comes out of the workers, as it stands in Kafka: verdicts, judgements, the clock, the account."""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition

from streams.fence import Fence, epoch_of
from streams.ranges import headers_of
from streams.state import TICK_KEY, Judged, PartitionState, Totals
from streams.topics import Topics
from tests.chaos.plan import GROUP, INPUT

TOPICS = Topics(GROUP)

_STANDS = 20.0  # seconds without a record after which another consumer goes on: ticks come all the time


class JudgedAt(NamedTuple):
    """One judgement of a trace: where it stands, the clock (ms) and the reason, and when it was seen (s)."""

    partition: int
    tick: int
    clock: int
    reason: str
    seen: float


class Told(NamedTuple):
    """A violation as it stands in the topic."""

    partition: int
    offset: int
    body: bytes
    seen: float


@dataclass(slots=True)
class Seen:
    """All that was read so far."""

    states: dict[int, PartitionState] = field(default_factory=dict)  # by partition
    judged: dict[bytes, list[JudgedAt]] = field(default_factory=dict)  # by trace
    revisions: dict[str, dict[int, Told]] = field(default_factory=dict)  # by violation
    last: dict[str, int] = field(default_factory=dict)  # revision of the last record of a violation
    conflicts: list[str] = field(default_factory=list)
    repeats: int = 0
    activity: dict[bytes, dict[str, Any]] = field(default_factory=dict)


class Observer:
    """Follows the changelog, the violations and the activity in a thread."""

    def __init__(self, brokers: str) -> None:
        self.seen = Seen()
        self._brokers = brokers
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="observer", daemon=True)
        self._keys: dict[tuple[bytes, int], list[bytes]] = {}
        self._fences: defaultdict[int, Fence] = defaultdict(Fence)
        self._read: dict[tuple[str, int], TopicPartition] = {}  # what is read next

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join(10)

    def judged(self, trace_id: bytes) -> list[JudgedAt]:
        """The judgements of a trace seen so far."""
        with self._lock:
            return list(self.seen.judged.get(trace_id, ()))

    def latest(self) -> dict[str, dict[str, Any]]:
        """Every violation, of its highest revision."""
        with self._lock:
            return {key: json.loads(told[max(told)].body) for key, told in self.seen.revisions.items()}

    def overtaken(self) -> dict[str, int]:
        """The violations that stand last in the topic, where compaction leaves them, by a lower revision."""
        with self._lock:
            return {key: last for key, last in self.seen.last.items() if last < max(self.seen.revisions[key])}

    def account(self) -> tuple[Totals, int]:
        """The totals and the spans in flight, as of each partition's last tick."""
        with self._lock:
            sums = Totals()
            for state in self.seen.states.values():
                for name in (each.name for each in fields(Totals)):
                    setattr(sums, name, getattr(sums, name) + getattr(state.totals, name))
            return sums, sum(state.in_flight for state in self.seen.states.values())

    def clocks(self) -> dict[int, int]:
        """The clock (ms) of each partition."""
        with self._lock:
            return {number: state.clock.now for number, state in self.seen.states.items()}

    def activity(self) -> list[dict[str, Any]]:
        """The last record of each rule, day and partition."""
        with self._lock:
            return list(self.seen.activity.values())

    def told(self, trace_id: bytes) -> list[Told]:
        """All that was said of a trace's violations, as it stands in the topic."""
        needle = f'"traceId":"{trace_id.hex()}"'.encode()
        with self._lock:
            every = (told for revisions in self.seen.revisions.values() for told in revisions.values())
            return sorted((told for told in every if needle in told.body), key=lambda told: told.seen)

    def ticks(self) -> dict[int, int]:
        """The last tick of each partition whose state is seen."""
        with self._lock:
            return {number: state.tick for number, state in self.seen.states.items()}

    def published(self, ticks: dict[int, int]) -> bool | None:
        """True when all that these ticks judged is published, as their offsets are committed; else None."""
        return self._committed(ticks) or None

    def _committed(self, ticks: dict[int, int]) -> bool:
        consumer = self._consumer(GROUP)
        try:
            wanted = [TopicPartition(TOPICS.spans, number) for number in ticks]
            found = consumer.committed(wanted, timeout=10)
            return all(each.offset > ticks[each.partition] for each in found)
        except KafkaException:
            return False
        finally:
            consumer.close()

    def _consumer(self, group: str) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._brokers,
                "group.id": group,
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )

    def _run(self) -> None:
        """Read, with another consumer when one stands still, as librdkafka's may after an outage."""
        while not self._stopping.is_set():
            consumer = self._consumer("chaos-observer")
            try:
                self._follow(consumer)
            except KafkaException:
                continue  # the broker is away
            finally:
                consumer.close()

    def _follow(self, consumer: Consumer) -> None:
        consumer.assign([self._read.get((p.topic, p.partition), p) for p in _places(consumer)])
        moved = time.monotonic()
        while not self._stopping.is_set() and time.monotonic() < moved + _STANDS:
            messages = consumer.consume(500, timeout=0.2)
            with self._lock:
                for message in messages:
                    if message.error() is None:
                        moved = time.monotonic()
                        self._take(message)

    def _take(self, message: Message) -> None:
        topic, key, value = str(message.topic()), message.key(), message.value()
        assert isinstance(key, bytes)
        place = topic, message.partition() or 0
        self._read[place] = TopicPartition(*place, (message.offset() or 0) + 1)
        if topic == TOPICS.changelog:
            partition = message.partition() or 0
            if self._fences[partition].passes(epoch_of(headers_of(message).items())):
                self._take_state(partition, key, value)
        elif topic == TOPICS.activity and value is not None:
            told = json.loads(value)
            if "ruleId" in told:
                self.seen.activity[key] = told
        elif topic == TOPICS.violations and value is not None:
            self._take_violation(key.decode(), message, value)

    def _take_state(self, partition: int, key: bytes, value: bytes | None) -> None:
        if value is None:
            return
        if key == TICK_KEY:
            self.seen.states[partition] = PartitionState.decode(value, frozenset({INPUT}))
        elif key[:1] == b"J":
            self._take_judged(partition, key, Judged.decode(value))

    def _take_judged(self, partition: int, key: bytes, judged: Judged) -> None:
        """A repeat after a crash has the same key, and takes the place of what was there."""
        ids = [trace.trace_id for trace in judged.traces]
        known = self._keys.setdefault((key, partition), ids)
        if known is not ids:
            if known != ids:
                self.seen.conflicts.append(f"partition {partition}: {key!r} was judged twice, differently")
            return
        for trace in judged.traces:
            at = JudgedAt(partition, int.from_bytes(key[1:9], "big"), judged.clock, trace.reason, time.time())
            self.seen.judged.setdefault(trace.trace_id, []).append(at)

    def _take_violation(self, key: str, message: Message, body: bytes) -> None:
        violation = json.loads(body)
        self.seen.last[key] = violation["revision"]
        told = Told(message.partition() or 0, message.offset() or 0, body, time.time())
        known = self.seen.revisions.setdefault(key, {}).setdefault(violation["revision"], told)
        if known is told:
            return
        self.seen.repeats += 1
        if known.body != body:
            both = f"{known.body.decode()} and {body.decode()}"
            self.seen.conflicts.append(f"{key} revision {violation['revision']} has two contents: {both}")


def _places(consumer: Consumer) -> Iterable[TopicPartition]:
    for topic in (TOPICS.changelog, TOPICS.violations, TOPICS.activity):
        for number in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
            yield TopicPartition(topic, number, OFFSET_BEGINNING)
