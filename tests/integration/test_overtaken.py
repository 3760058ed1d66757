"""What a former owner sent of a violation comes behind a later revision: compaction keeps the later."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message, Producer

from streams.config import Kafka as KafkaConfig
from streams.ranges import Ranges
from streams.topics import Topics
from tests.app.violations import violation
from tests.integration.processes import Api, Betrace, get, until
from tests.kafka import Kafka, Security, create_topic

COMPACTS_AT_ONCE = {"cleanup.policy": "compact", "segment.ms": "500", "min.cleanable.dirty.ratio": "0.001"}
OPEN = violation(7, detectedAt="2100-01-01T00:00:00Z")
RETRACTED = OPEN | {"revision": 2, "status": "retracted"}
STANDS = [("retracted", 2)]


@pytest.fixture
def betrace(tmp_path: Path, group: str) -> Iterator[Betrace]:
    """BeTrace's commands, on a broker that compacts every second."""
    broker = Kafka(tmp_path / "kafka", Security(settings="log.cleaner.backoff.ms=1000\n"))
    try:
        create_topic(broker.start().address, Topics(group).violations, 2, COMPACTS_AT_ONCE)
        yield Betrace.on(broker, group, tmp_path)
    finally:
        broker.remove()


def _topic(betrace: Betrace) -> str:
    return Topics(betrace.settings["KAFKA_GROUP"]).violations


def publish(betrace: Betrace, *violations: dict[str, Any]) -> None:
    """Put violations on their topic, where a worker would."""
    producer = Producer(
        {"bootstrap.servers": betrace.settings["KAFKA_BROKERS"], "partitioner": "murmur2_random"}
    )
    for each in violations:
        producer.produce(_topic(betrace), json.dumps(each), each["id"])
    producer.flush()


def revisions(betrace: Betrace) -> list[int]:
    """Those of the violation, as they stand in the topic."""
    kafka = KafkaConfig((betrace.settings["KAFKA_BROKERS"],))
    with Ranges(kafka, "test") as reader:
        found = list(reader.records(reader.of(_topic(betrace))))
    values: list[Message] = [each for each in found if (each.key() or b"").decode() == OPEN["id"]]
    return [json.loads(each.value() or b"")["revision"] for each in values]


def compacted(betrace: Betrace) -> Callable[[], list[int] | None]:
    """The one revision that compaction left, once it did; other violations have segments end meanwhile."""
    numbers = iter(range(100, 10_000))

    def look() -> list[int] | None:
        publish(betrace, *(violation(next(numbers), detectedAt="2100-01-01T00:00:00Z") for _ in range(8)))
        found = revisions(betrace)
        return found if len(found) == 1 else None

    return look


def shown(api: Api) -> list[tuple[str, int]]:
    """The violation as an API has it, if it does."""
    found = get(f"{api.url}/api/violations?status=any&traceId={OPEN['traceId']}")
    return [(each["status"], each["revision"]) for each in found["items"]]


def test_compaction_keeps_the_later_revision_of_what_came_late(betrace: Betrace, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        apis = [
            stack.enter_context(betrace.set("API_INDEX", str(tmp_path / f"{n}.sqlite")).api())
            for n in range(2)
        ]
        publish(betrace, OPEN, RETRACTED)
        for api in apis:
            until("it is read", lambda api=api: shown(api) == STANDS or None)  # type: ignore[misc]
        publish(betrace, OPEN)
        until("it is sent again as it stands", lambda: revisions(betrace)[-1] == 2 or None)
        assert until("the topic is compacted", compacted(betrace)) == [2]
        assert [shown(api) for api in apis] == [STANDS] * 2
    with betrace.set("API_INDEX", str(tmp_path / "new.sqlite")).api() as api:
        assert shown(api) == STANDS


def test_what_came_late_while_no_api_ran_is_mended_by_the_next(betrace: Betrace, tmp_path: Path) -> None:
    publish(betrace, OPEN, RETRACTED, OPEN)
    with betrace.set("API_INDEX", str(tmp_path / "index.sqlite")).api() as api:
        until("it is sent again as it stands", lambda: revisions(betrace)[-1] == 2 or None)
        assert shown(api) == STANDS
        assert until("the topic is compacted", compacted(betrace)) == [2]
