import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Producer

from app.index import Index, Record
from app.query import BadCursor, Query, nanoseconds, statements
from app.reader import Reader
from streams.config import Kafka
from streams.embedded import EmbeddedBroker
from tests.app.violations import record


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index(tmp_path / "index.sqlite")


def found(index: Index, **query: object) -> list[int]:
    return [int(json.loads(item)["id"], 16) for item in index.page(Query(**query)).items]  # type: ignore[arg-type]


def test_the_newest_come_first(index: Index) -> None:
    index.put([record(n) for n in (2, 3, 1)], {})
    assert found(index) == [3, 2, 1]


def test_pages_neither_skip_nor_repeat_while_new_ones_arrive(index: Index) -> None:
    index.put([record(n, detectedAt="2026-01-01T00:00:00Z") for n in range(10)], {})
    seen, cursor = [], None
    for turn in range(4):
        page = index.page(Query(limit=3, cursor=cursor))
        seen += [int(json.loads(item)["id"], 16) for item in page.items]
        cursor = page.next_cursor
        index.put([record(100 + turn)], {})
    assert seen == list(range(9, -1, -1))
    assert cursor is None


def test_filters_mean_any_of_a_parameter_and_all_of_the_parameters(index: Index) -> None:
    index.put(
        [
            record(1, severity="critical", services=["shop", "pay"]),
            record(2, ruleId="other", services=["pay"]),
            record(3, status="retracted"),
            record(4, mode="shadow"),
        ],
        {},
    )
    assert found(index, severities=("critical", "low")) == [1]
    assert found(index, services=("pay",)) == [2, 1]
    assert found(index, services=("pay",), rule_ids=("a-rule",)) == [1]
    assert found(index, trace_ids=(f"{2:032x}",)) == [2]
    assert found(index, statuses=("retracted",)) == [3]
    assert found(index, modes=()) == [4, 2, 1]
    second = nanoseconds("2026-01-01T00:00:02Z")
    assert found(index, start=second) == [2]
    assert found(index, end=second) == [1]


def test_a_higher_revision_replaces_and_a_lower_one_does_not(index: Index) -> None:
    index.put([record(1, revision=2, status="retracted"), record(1, revision=1)], {})
    assert found(index) == []
    assert found(index, statuses=()) == [1]


def test_a_deletion_deletes_and_what_is_no_violation_is_passed_over(index: Index) -> None:
    wrong = [Record("x", b"not json"), Record("y", b"{}")]
    refused = index.put([record(1), record(2), Record(record(1).key, None), *wrong], {})
    assert (found(index), refused) == ([2], 2)


def test_old_violations_are_forgotten(index: Index) -> None:
    index.put([record(1), record(2)], {})
    index.forget(nanoseconds("2026-01-01T00:00:02Z"))
    assert found(index) == [2]
    assert found(index, services=("shop",)) == [2]


def test_a_cursor_from_elsewhere_is_refused(index: Index) -> None:
    for cursor in ("nonsense!", "", "e30"):
        with pytest.raises(BadCursor):
            index.page(Query(cursor=cursor))


@pytest.mark.parametrize(
    "query",
    [
        Query(severities=("high",)),
        Query(rule_ids=("a",)),
        Query(trace_ids=("a",)),
        Query(services=("a",)),
        Query(),
        Query(statuses=("retracted",)),
        Query(modes=("shadow",)),
        Query(complete=False),
        Query(labels={"team": ("a",)}),
        Query(frameworks=("soc2",)),
        Query(controls=("CC6.1",)),
        Query(words=("charged",)),
    ],
    ids=lambda query: str(query)[6:40],
)
def test_no_single_filter_with_a_time_range_scans_the_table(index: Index, query: Query) -> None:
    ((text, values),) = statements(replace(query, start=1, end=2))
    with index._connection() as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
    assert plan
    assert not any(step.startswith("SCAN") for step in plan), plan


def test_a_time_keeps_its_nanoseconds() -> None:
    assert nanoseconds("2026-01-01T00:00:00.123456789Z") == 1767225600123456789
    assert nanoseconds("2026-01-01T01:00:00+01:00") == 1767225600000000000


def test_the_index_follows_its_topic_and_is_rebuilt_when_its_file_is_deleted(tmp_path: Path) -> None:
    broker = EmbeddedBroker()
    kafka = Kafka(brokers=tuple(broker.address.split(",")), embedded=True)
    broker.touch("violations")
    producer = Producer({"bootstrap.servers": broker.address})
    for n in range(50):
        key, value, *_ = record(n)
        producer.produce("violations", value, key=key.encode())
    producer.flush()
    for turn in range(2):
        index = Index(tmp_path / f"index-{turn}.sqlite")
        reader = Reader(index, kafka, "violations")
        reader.start()
        end = time.monotonic() + 30
        while reader.problem and time.monotonic() < end:
            time.sleep(0.02)
        reader.stop()
        assert reader.problem is None
        assert len(found(index)) == 50
        assert sum(index.offsets("violations").values()) == 50
