"""Writes of a worker that lost its partitions long ago reach the changelog: nothing comes of them."""

from collections.abc import Iterable
from pathlib import Path

import pytest
from confluent_kafka import Message, Producer

from streams.config import Kafka as KafkaConfig
from streams.fence import epoch_of
from streams.ranges import Ranges, headers_of
from streams.state import TICK_KEY
from streams.topics import Topics
from tests.integration.processes import Betrace, until
from tests.kafka import Kafka

DATA = Path(__file__).parent.parent / "data" / "train-ticket"
FILES = [str(DATA / "normal.jsonl.gz"), str(DATA / "faults.jsonl.gz")]
RULES = Path(__file__).parent / "train-ticket.yaml"
SPANS = 15_940

Place = tuple[int, bytes]  # partition, key


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands with short windows."""
    return Betrace.on(
        kafka,
        group,
        tmp_path,
        partitions=2,
        TRACE_ROOT_GRACE="1s",
        TRACE_MAX_WAIT="5s",
        TRACE_LATE_WINDOW="300s",
        TRACE_TICK="200ms",
        RULES_FILES=str(RULES),
    )


def changelog(betrace: Betrace) -> list[Message]:
    """All of its records."""
    kafka = KafkaConfig((betrace.settings["KAFKA_BROKERS"],), group=betrace.settings["KAFKA_GROUP"])
    with Ranges(kafka, "test") as reader:
        return list(reader.records(reader.of(Topics(kafka.group).changelog)))


def first_states(betrace: Betrace) -> list[Message] | None:
    """What the first tick of each partition wrote, once both are there."""
    ticks = [record for record in changelog(betrace) if record.key() == TICK_KEY]
    found = {record.partition(): record for record in reversed(ticks)}
    return list(found.values()) if len(found) == 2 else None


def judged(betrace: Betrace) -> dict[Place, bytes | None]:
    """The judged chunks, as the changelog has them last."""
    records = [record for record in changelog(betrace) if (record.key() or b"")[:1] == b"J"]
    return {(record.partition() or 0, record.key() or b""): record.value() for record in records}


def write_late(betrace: Betrace, states: list[Message], deleted: Iterable[Place]) -> None:
    """What a former owner wrote arrives but now: states of its first ticks, and deletions."""
    producer = Producer({"bootstrap.servers": betrace.settings["KAFKA_BROKERS"]})
    topic = Topics(betrace.settings["KAFKA_GROUP"]).changelog
    headers: list[tuple[str, str | bytes | None]] = [*headers_of(states[0]).items()]
    for state in states:
        producer.produce(topic, state.value(), state.key(), state.partition() or 0, headers=headers)
    for partition, key in deleted:
        producer.produce(topic, None, key, partition, headers=headers)
    producer.flush()


def test_late_writes_of_a_former_owner_change_nothing(betrace: Betrace) -> None:
    with betrace.worker():
        states = until("both partitions have ticked", lambda: first_states(betrace))
    assert epoch_of(headers_of(states[0]).items()) > 0
    betrace.run("produce", *FILES)
    with betrace.worker(), betrace.api() as api:
        account = betrace.settled(SPANS)
        chunks = judged(betrace)
        assert chunks
        assert all(chunks.values())
        write_late(betrace, states, chunks)
        until("what was deleted is written again", lambda: judged(betrace) == chunks or None)
        known = {each["id"] for each in api.all_violations()}
    write_late(betrace, states, chunks)
    assert betrace.settled(SPANS) == account
    with betrace.worker(), betrace.api() as api:
        betrace.run("produce", *FILES)
        again = betrace.settled(2 * SPANS)
        assert again["judged"] == account["judged"]
        assert {each["id"] for each in api.all_violations()} == known
    assert judged(betrace).keys() >= chunks.keys()
