"""The rules in force: rule files, and the log of proposals on the rules topic, which is also written here."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

from dsl.compile import compile_rule, rule_set
from dsl.judge import Compiled
from dsl.rule import Rule
from streams import acts, metrics
from streams.activity import Version
from streams.config import Kafka
from streams.fold import Change, Fold
from streams.judge import Rules
from streams.kafka import client_settings
from streams.reach import Heard, explained, why
from streams.topics import Topics

_OUTCOMES = 10_000  # of records read lately, for those who wait to read their own
_POLL = 0.1  # seconds
_LOST = 5.0  # seconds without an answer after which Kafka counts as away
_STANDS = 3  # looks at which a record is there that does not come, after which another consumer goes on


class NotWritten(Exception):
    """A proposal that Kafka did not take, or that did not come back in time."""


class RulesLog:
    """Follows the rules topic in a thread. Nothing is judged before `ready`."""

    def __init__(
        self, kafka: Kafka, files: Iterable[Rule], max_steps: int, changed: Callable[[], None]
    ) -> None:
        self.offset = 0
        self.problem: str | None = "the rules log has not been read yet"
        self.kafka = kafka
        self._files = {rule.id: rule for rule in files}
        self._max_steps = max_steps
        self._changed = changed
        self._fold = Fold()
        self._known: dict[str, Compiled] = {}
        self._compiled = self._compile()
        self._outcomes: OrderedDict[int, bool] = OrderedDict()
        self._read_more = threading.Condition()
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rules-log", daemon=True)
        self._producer: Producer | None = None
        self._heard = Heard()

    @property
    def ready(self) -> bool:
        """Whether the log has been read to the end that it had at the start."""
        return self._ready.is_set()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def wait(self, seconds: float) -> bool:
        """Block until ready, at most that long; whether it is."""
        return self._ready.wait(seconds)

    def in_force(self) -> Rules:
        """The compiled rules, and the log offset that they stand for."""
        return self._compiled

    def rules(self) -> tuple[Rule, ...]:
        """Rule files, which win, and the log's rules, by id."""
        return self._with_files(self._fold.rules())

    def in_force_at(self, offset: int) -> list[Version]:
        """The versions in force when the log had been read up to an offset; files count as they are now."""
        return [Version(r.id, r.version) for r in self._with_files(self._fold.at(offset)) if r.enabled]

    def _with_files(self, logged: Iterable[Rule]) -> tuple[Rule, ...]:
        rules = {rule.id: rule for rule in logged} | self._files
        return tuple(sorted(rules.values(), key=lambda rule: rule.id))

    def is_file(self, rule_id: str) -> bool:
        """Whether a rule comes from a file, and cannot be changed here."""
        return rule_id in self._files

    def history(self, rule_id: str) -> tuple[Change, ...]:
        """All versions of a rule of the log, oldest first."""
        return tuple(self._fold.history.get(rule_id, ()))

    def propose(self, records: Sequence[tuple[str, bytes]], seconds: float = 10.0) -> bool:
        """Append proposals (rule id, value), read the last one back, and say whether it was accepted.

        Blocks for at most that long. NotWritten if it cannot be said: Kafka is away, or slow.
        """
        end = time.monotonic() + seconds
        last = self._append(records, seconds)
        with self._read_more:
            while last not in self._outcomes:
                if self.offset > last or not self._read_more.wait(max(0.0, end - time.monotonic())):
                    raise NotWritten(
                        "the proposal was written, but not read back in time: look before you repeat it"
                    )
            accepted = self._outcomes[last]
        if accepted:
            acts.record(acts.RULE_CHANGED)
        return accepted

    def _append(self, records: Sequence[tuple[str, bytes]], seconds: float) -> int:
        """The offset of the last record."""
        offsets: list[int] = []
        problems: list[str] = []

        def on_delivery(error: Any, message: Any) -> None:
            if error is not None:
                problems.append(explained(error))
            else:
                offsets.append(message.offset())

        if self._producer is None:
            more = {"enable.idempotence": True, "delivery.timeout.ms": round(seconds * 1000), "log_level": 0}
            self._producer = Producer(client_settings(self.kafka, error_cb=Heard(), **more))
        producer, topic = self._producer, Topics(self.kafka.group).rules
        left = 0
        try:
            for key, value in records:
                producer.produce(topic, value, key, partition=0, on_delivery=on_delivery)
            left = producer.flush(seconds + 1)
        except (KafkaException, SystemError) as problem:  # what ends a producer breaks its callbacks
            cause = problem if isinstance(problem, KafkaException) else problem.__cause__
            problems.append(explained(cause.args[0]) if isinstance(cause, KafkaException) else str(problem))
        if problems:
            self._producer = None  # an idempotent one that has failed for good takes nothing any more
        if problems or left or len(offsets) < len(records):
            said = self.problem or (problems[0] if problems else "no answer")
            raise NotWritten(f"Kafka did not take it: {said}")
        return max(offsets)

    def _compile(self) -> Rules:
        """Compile what changed since the last time."""
        rules = [rule for rule in self.rules() if rule.enabled]
        known, self._known = self._known, {}
        for rule in rules:
            before = known.get(rule.id)
            self._known[rule.id] = before if before and before.rule == rule else compile_rule(rule)
        compiled = rule_set(self._known.values(), self._max_steps)
        metrics.RULES_LOADED.set(len(rules))
        metrics.RULES_OFFSET.set(self.offset)
        return Rules(compiled, self.offset)

    def _run(self) -> None:
        settings = {
            "group.id": f"{self.kafka.group}-rules",
            "enable.auto.commit": False,
            "enable.partition.eof": False,
            "log_level": 0,
        }
        while not self._stopping.is_set():
            consumer = Consumer(client_settings(self.kafka, error_cb=self._heard, **settings))
            try:
                self._follow(consumer)
            finally:
                consumer.close()

    def _follow(self, consumer: Consumer) -> None:
        """Until told to stop, or the consumer stands still: librdkafka's may, after an outage of a broker."""
        partition = TopicPartition(Topics(self.kafka.group).rules, 0, self.offset or OFFSET_BEGINNING)
        end: int | None = None
        consumer.assign([partition])
        asked = time.monotonic()
        stood, place = 0, -1  # looks at which more was there than at this offset
        while not self._stopping.is_set() and stood < _STANDS:
            changed = self._read(consumer)
            if changed:
                self._compiled = self._compile()
            if end is None or time.monotonic() - asked > _LOST:
                asked = time.monotonic()
                found = self._end(consumer, partition)
                end = found if end is None else end
                stood = stood + 1 if place == self.offset < (found or 0) else 0
                place = self.offset
            if end is not None and self.offset >= end and not self.ready:
                self._compiled = self._compiled._replace(offset=self.offset)
                self._ready.set()
                self._changed()
            elif changed and self.ready:
                self._changed()

    def _read(self, consumer: Consumer) -> bool:
        changed = False
        messages = self._heard.records(consumer.consume(500, timeout=_POLL))
        for message in messages:
            offset = message.offset() or 0
            accepted = self._fold.add(message.value() or b"", offset)
            changed |= accepted
            self._outcomes[offset] = accepted
            self.offset = offset + 1
        while len(self._outcomes) > _OUTCOMES:
            self._outcomes.popitem(last=False)
        if messages:
            with self._read_more:
                self._read_more.notify_all()
        metrics.RULES_OFFSET.set(self.offset)
        return changed

    def _end(self, consumer: Consumer, partition: TopicPartition) -> int | None:
        try:
            low, high = consumer.get_watermark_offsets(partition, timeout=_LOST, cached=False)
        except KafkaException:
            self.problem = f"the rules log cannot be read: {why(self.kafka, self._heard).text}"
            return None
        self._heard.answered()
        self.offset = max(self.offset, low)
        self.problem = self._heard.unread if self.offset < high else None
        return int(high)
