"""`betrace clock` on a real broker: how far Kafka time is, and leaving an input partition out of it."""

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.integration.processes import Betrace, until
from tests.kafka import Kafka


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, set for two input topics."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{id: a, condition: a}]")
    return Betrace.of(
        kafka,
        group,
        tmp_path,
        KAFKA_INPUT_TOPICS=f"{group}.read:otlp_json,{group}.dead:otlp_json",
        TRACE_ROOT_GRACE="1s",
        TRACE_MAX_WAIT="2s",
        TRACE_TICK="100ms",
        RULES_FILES=str(rules),
    )


def test_workers_take_in_what_is_left_out_and_show_their_clocks(betrace: Betrace) -> None:
    group = betrace.settings["KAFKA_GROUP"]
    betrace.run("topics", "create")
    assert betrace.run("clock", "show") == "no worker has ticked yet\n"
    with betrace.worker() as worker, betrace.api() as api:
        until("the worker judges", worker.ready)
        assert "2 group partitions" in betrace.run("clock", "skip", f"{group}.dead/0")
        span = {"traceId": "1" * 32, "spanId": "1" * 16, "name": "a"}
        record = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
        producer = Producer({"bootstrap.servers": betrace.settings["KAFKA_BROKERS"]})
        producer.produce(f"{group}.read", record)
        producer.flush()
        assert [each["ruleId"] for each in api.violations(1)] == ["a"]
        shown = json.loads(betrace.run("clock", "show", "--format", "json"))
    assert set(shown["clocks"]) == {"0", "1"}
    assert set(shown["watermarks"]) == {f"{group}.read/0", f"{group}.dead/0"}
    assert shown["skipped"] == []  # the worker has heard of it since


def test_what_cannot_be_left_out_is_refused(betrace: Betrace) -> None:
    group = betrace.settings["KAFKA_GROUP"]
    betrace.run("topics", "create")
    assert "an input topic and a partition" in betrace.ended("clock", "skip", "elsewhere/0", code=2).stderr
    said = betrace.ended("clock", "skip", f"{group}.read/7", code=2).stderr
    assert said == f"betrace: {group}.read has 1 partitions: there is no 7\n"
