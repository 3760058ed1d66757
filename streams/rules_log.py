"""The rules in force: rule files, and the log of proposals on the rules topic, folded in offset order."""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from dsl.compile import compile_rules
from dsl.files import rule_of
from dsl.rule import Rule
from streams import metrics
from streams.config import Kafka
from streams.judge import Rules
from streams.kafka import client_settings
from streams.topics import Topics


@dataclass(frozen=True, slots=True)
class Change:
    """An accepted proposal: the rule as of `version`, or its deletion."""

    rule_id: str
    version: int
    rule: Rule | None
    by: str
    at: str


@dataclass(slots=True)
class Fold:
    """The state that the log's records lead to, whoever reads them.

    A proposal whose base is not the rule's current version has no effect. A batch is applied whole, at its
    last record, or not at all.
    """

    changes: dict[str, Change] = field(default_factory=dict)
    refused: int = 0
    _batches: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, value: bytes) -> bool:
        """Fold one record in; whether anything changed. What is no proposal is counted and passed over."""
        try:
            proposal = json.loads(value)
            batch = proposal.get("batch")
            if not batch:
                return self._apply([proposal])
            waiting = self._batches.setdefault(batch["id"], [])
            waiting.append(proposal)
            if len(waiting) < batch["size"]:
                return False
            return self._apply(self._batches.pop(batch["id"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            self.refused += 1
            return False

    def rules(self) -> list[Rule]:
        """The rules that exist now."""
        return [change.rule for change in self.changes.values() if change.rule is not None]

    def _apply(self, proposals: list[dict[str, Any]]) -> bool:
        accepted = [self._accepted(proposal) for proposal in proposals]
        if not all(accepted):
            self.refused += 1
            return False
        self.changes |= {change.rule_id: change for change in accepted if change}
        return True

    def _accepted(self, proposal: dict[str, Any]) -> Change | None:
        rule_id, base = proposal["ruleId"], proposal["baseVersion"]
        current = self.changes.get(rule_id)
        if base != (current.version if current else 0):
            return None
        rule = None
        if proposal["rule"] is not None:
            rule, _ = rule_of(proposal["rule"] | {"id": rule_id}, version=base + 1, source="api")
            if rule is None:
                return None
        return Change(rule_id, base + 1, rule, proposal["by"], proposal["at"])


class RulesLog:
    """Follows the rules topic in a thread. Nothing is judged before `ready`."""

    def __init__(
        self, kafka: Kafka, files: Iterable[Rule], max_steps: int, changed: Callable[[], None]
    ) -> None:
        self.offset = 0
        self.problem: str | None = "the rules log has not been read yet"
        self._kafka = kafka
        self._files = tuple(files)
        self._max_steps = max_steps
        self._changed = changed
        self._fold = Fold()
        self._compiled = self._compile()
        self._stopping = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rules-log", daemon=True)

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
        files = {rule.id: rule for rule in self._files}
        logged = {rule.id: rule for rule in self._fold.rules()}
        return tuple(sorted((logged | files).values(), key=lambda rule: rule.id))

    def _compile(self) -> Rules:
        compiled = compile_rules(self.rules(), max_steps=self._max_steps)
        metrics.RULES_LOADED.set(len(compiled.rules))
        metrics.RULES_OFFSET.set(self.offset)
        return Rules(compiled, self.offset)

    def _run(self) -> None:
        consumer = Consumer(
            client_settings(
                self._kafka,
                **{
                    "group.id": f"{self._kafka.group}-rules",
                    "enable.auto.commit": False,
                    "enable.partition.eof": False,
                },
            )
        )
        try:
            self._follow(consumer)
        finally:
            consumer.close()

    def _follow(self, consumer: Consumer) -> None:
        partition = TopicPartition(Topics(self._kafka.group).rules, 0, OFFSET_BEGINNING)
        end: int | None = None
        consumer.assign([partition])
        while not self._stopping.is_set():
            changed = self._read(consumer)
            end = self._end(consumer, partition) if end is None else end
            if changed:
                self._compiled = self._compile()
            if end is not None and self.offset >= end and not self.ready:
                self.problem = None
                self._compiled = replace_offset(self._compiled, self.offset)
                self._ready.set()
                self._changed()
            elif changed and self.ready:
                self._changed()

    def _read(self, consumer: Consumer) -> bool:
        changed = False
        for message in consumer.consume(500, timeout=0.2):
            if message.error():
                continue
            changed |= self._fold.add(message.value() or b"")
            self.offset = (message.offset() or 0) + 1
        metrics.RULES_OFFSET.set(self.offset)
        return changed

    def _end(self, consumer: Consumer, partition: TopicPartition) -> int | None:
        try:
            low, high = consumer.get_watermark_offsets(partition, timeout=5, cached=False)
        except KafkaException as problem:
            self.problem = f"the rules log cannot be read: {problem.args[0].str()}"
            return None
        self.offset = max(self.offset, low)
        return int(high)


def replace_offset(rules: Rules, offset: int) -> Rules:
    """The same rules as of a later offset."""
    return rules._replace(offset=offset)
