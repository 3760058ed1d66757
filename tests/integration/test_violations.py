"""Violations over HTTP from a real broker: the index is a view, pages hold still, the old and the many go."""

import itertools
import json
import random
import threading
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from app import clock
from app.index import Index
from app.reader import Reader
from streams.config import Kafka as KafkaConfig
from streams.topics import Topics
from tests.app.violations import violation
from tests.integration.processes import Api, Betrace, get, until
from tests.kafka import Kafka
from tests.streams.consumers import Consumers

QUESTIONS = (
    "violations?limit=1000&status=any&mode=any",
    "violations?limit=1000&severity=high&severity=low",
    "violations?limit=1000&service=pay&label=team:a",
    "violations?limit=1000&q=fraud+check",
    "violations?limit=1000&status=retracted",
    "violations?limit=1000&complete=false&control=CC6.1",
    *(
        f"violations/counts?step=1h&status=any{by}"
        for by in ("", "&by=severity", "&by=ruleId", "&by=service")
    ),
    "violations/counts?step=10m&q=charged",
)


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, set for this test's group, with its topics and one file for the index."""
    return Betrace.on(
        kafka,
        group,
        tmp_path,
        KAFKA_PARTITIONS="3",
        API_INDEX=str(tmp_path / "index.sqlite"),
    )


def publish(betrace: Betrace, records: Iterable[tuple[str, dict[str, Any] | None]]) -> None:
    """Put violations, or deletions, on their topic."""
    producer = Producer({"bootstrap.servers": betrace.settings["KAFKA_BROKERS"]})
    topic = Topics(betrace.settings["KAFKA_GROUP"]).violations
    for key, value in records:
        producer.produce(topic, json.dumps(value) if value else None, key)
    producer.flush()


def at(ago: float) -> str:
    """The time so many seconds ago."""
    return (datetime.fromtimestamp(clock.now() / 1e9, UTC) - timedelta(seconds=ago)).isoformat()[:-6] + "Z"


def many(count: int) -> list[dict[str, Any]]:
    """Violations of the last hours, of every kind."""
    chance = random.Random(5)
    return [
        violation(
            n,
            detectedAt=at(chance.randrange(10) * 1000),
            severity=chance.choice(["high", "low", "critical"]),
            mode=chance.choice(["enforce", "enforce", "shadow"]),
            ruleId=chance.choice("abc"),
            services=chance.sample(["shop", "pay", "stock"], 2),
            labels={"team": chance.choice("ab")},
            complete=chance.random() < 0.8,
            compliance=[{"framework": "soc2", "control": "CC6.1"}] if chance.random() < 0.5 else [],
            message=chance.choice(["1500 charged without a fraud check", "charged twice"]),
        )
        for n in range(count)
    ]


def answers(api: Api) -> list[Any]:
    """What all questions give, for one range of time."""
    times = f"&from={at(86_400)[:14]}00:00Z&to=2100-01-01T00:00:00Z"
    steps = times.replace("2100-01-01T00:00:00Z", f"{at(-7200)[:14]}00:00Z")
    return [get(f"{api.url}/api/{each}{steps if 'counts' in each else times}") for each in QUESTIONS]


def test_without_its_file_the_index_gives_the_same_answers(betrace: Betrace, tmp_path: Path) -> None:
    made = many(900)
    publish(betrace, ((v["id"], v) for v in made))
    changed = [v | {"revision": 2, "status": "retracted"} for v in made[:100]]
    publish(betrace, ((v["id"], v) for v in changed))
    publish(betrace, ((v["id"], v | {"revision": 1}) for v in made[:50]))  # too late: changes nothing
    publish(betrace, ((v["id"], None) for v in made[100:130]))
    with betrace.api() as api:
        first = answers(api)
        assert len(first[0]["items"]) == 870
        assert all(each["items"] if "items" in each else each["series"] for each in first)
    with betrace.api() as api:
        assert answers(api) == first
    for file in tmp_path.glob("index.sqlite*"):
        file.unlink()
    with betrace.api() as api:
        assert answers(api) == first


def test_pages_hold_still_while_violations_come_and_are_retracted(betrace: Betrace) -> None:
    steady = [v | {"mode": "enforce"} for v in many(300)]
    publish(betrace, ((v["id"], v) for v in steady))
    stopping = threading.Event()

    def disturb() -> None:
        for turn in itertools.count(2):
            new = violation(1000 + turn, detectedAt=steady[turn % 300]["detectedAt"])
            again = steady[turn % 300] | {"revision": turn}
            publish(betrace, [(new["id"], new), (again["id"], again)])
            if stopping.is_set():
                return

    with betrace.api() as api:
        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            for _ in range(10):
                seen = Counter(v["id"] for v in api.all_violations())
                assert max(seen.values()) == 1
                assert {v["id"] for v in steady} <= set(seen)
        finally:
            stopping.set()
            thread.join(60)


def test_what_is_past_its_retention_or_too_much_goes(betrace: Betrace) -> None:
    made = [violation(n, detectedAt=at(3600 + n)) for n in range(50)]
    old = [violation(1000 + n, detectedAt=at(3 * 86_400)) for n in range(30)]
    publish(betrace, ((v["id"], v) for v in [*made, *old]))
    betrace.set("VIOLATIONS_RETENTION", "2d").set("VIOLATIONS_MAX_ROWS", "40")
    with betrace.api() as api:
        until("the old and the many are gone", lambda: True if len(api.all_violations()) == 40 else None)
        assert {v["id"] for v in api.all_violations()} == {v["id"] for v in made[:40]}


def test_a_consumer_that_stands_still_is_replaced(
    betrace: Betrace, kafka: Kafka, group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    consumers = Consumers(monkeypatch, "app.reader")
    monkeypatch.setattr("app.reader._STANDS", 2.0)
    index = Index(tmp_path / "other.sqlite")
    reader = Reader(index, KafkaConfig((kafka.address,), group=group), Topics(group))
    reader.start()
    until("all is read", lambda: reader.problem is None or None)
    consumers.stand_still()
    made = violation(1, detectedAt=at(1))
    publish(betrace, [(made["id"], made)])
    until("another reads on", lambda: index.find(made["id"]))
    reader.stop()
    assert len(consumers.made) == 2
