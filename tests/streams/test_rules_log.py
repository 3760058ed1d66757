import json
import threading
from typing import Any

import pytest
from confluent_kafka import Producer

from dsl.files import load
from streams.config import Kafka
from streams.embedded import EmbeddedBroker
from streams.fold import Fold
from streams.rules_log import RulesLog
from streams.topics import Topics
from tests.streams.consumers import Consumers


def proposal(rule_id: str, base: int, condition: str | None = "a", **more: Any) -> bytes:
    rule = None if condition is None else {"id": rule_id, "condition": condition}
    value = {
        "ruleId": rule_id,
        "baseVersion": base,
        "rule": rule,
        "by": "token:ci",
        "at": "2026-01-01T00:00:00Z",
    }
    return json.dumps(value | more).encode()


def versions(fold: Fold) -> dict[str, int]:
    return {rule.id: rule.version for rule in fold.rules()}


def test_a_proposal_on_the_current_version_wins_and_one_on_an_older_has_no_effect() -> None:
    fold = Fold()
    assert fold.add(proposal("x", 0))
    assert not fold.add(proposal("x", 0, "late"))
    assert fold.add(proposal("x", 1, "b"))
    assert versions(fold) == {"x": 2}
    assert [rule.condition for rule in fold.rules()] == ["b"]


def test_a_deletion_is_a_version_and_numbers_never_restart() -> None:
    fold = Fold()
    for value in (proposal("x", 0), proposal("x", 1, None)):
        assert fold.add(value)
    assert versions(fold) == {}
    assert not fold.add(proposal("x", 0))
    assert fold.add(proposal("x", 2))
    assert versions(fold) == {"x": 3}


def test_a_batch_is_applied_whole_at_its_last_record_or_not_at_all() -> None:
    fold = Fold()
    assert not fold.add(proposal("x", 0, batch={"id": "b", "index": 0, "size": 2}))
    assert versions(fold) == {}
    assert fold.add(proposal("y", 0, batch={"id": "b", "index": 1, "size": 2}))
    assert versions(fold) == {"x": 1, "y": 1}
    fold.add(proposal("x", 0, batch={"id": "c", "index": 0, "size": 2}))
    assert not fold.add(proposal("z", 0, batch={"id": "c", "index": 1, "size": 2}))
    assert versions(fold) == {"x": 1, "y": 1}


def test_what_is_no_proposal_or_no_rule_is_passed_over() -> None:
    fold = Fold()
    for value in (b"", b"[]", b"{}", b"\xff", proposal("x", 0, "a and"), proposal("X!", 0)):
        assert not fold.add(value)
    assert versions(fold) == {}


def test_the_log_is_read_to_its_end_then_followed_and_files_win() -> None:
    broker = EmbeddedBroker()
    kafka = Kafka(brokers=tuple(broker.address.split(",")), embedded=True)
    topic = Topics(kafka.group).rules
    broker.touch(topic)
    producer = Producer({"bootstrap.servers": broker.address})
    for value in (proposal("x", 0), proposal("filed", 0, "logged")):
        producer.produce(topic, value, partition=0)
    producer.flush()
    changed = threading.Semaphore(0)
    files = load([("rules.yaml", "rules: [{id: filed, condition: file}]")]).rules
    log = RulesLog(kafka, files, 1_000_000, changed.release)
    log.start()
    assert log.wait(30)
    assert changed.acquire(timeout=30)
    assert {rule.id: (rule.condition, rule.source) for rule in log.rules()} == {
        "x": ("a", "api"),
        "filed": ("file", "file"),
    }
    assert log.in_force().offset == 2
    producer.produce(topic, proposal("x", 1, "b"), partition=0)
    producer.flush()
    assert changed.acquire(timeout=30)
    log.stop()
    assert [rule.condition for rule in log.in_force().rules.rules] == ["file", "b"]
    assert log.in_force().offset == 3


def test_a_consumer_that_stands_still_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    consumers = Consumers(monkeypatch, "streams.rules_log")
    monkeypatch.setattr("streams.rules_log._LOST", 0.5)
    broker = EmbeddedBroker()
    kafka = Kafka(brokers=tuple(broker.address.split(",")), embedded=True)
    topic = Topics(kafka.group).rules
    broker.touch(topic)
    changed = threading.Semaphore(0)
    log = RulesLog(kafka, [], 1_000_000, changed.release)
    log.start()
    assert log.wait(30)
    assert changed.acquire(timeout=30)
    consumers.stand_still()
    producer = Producer({"bootstrap.servers": broker.address})
    producer.produce(topic, proposal("x", 0), partition=0)
    producer.flush()
    assert changed.acquire(timeout=30)
    log.stop()
    assert [rule.id for rule in log.rules()] == ["x"]
    assert len(consumers.made) == 2
