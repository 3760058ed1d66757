import itertools
import json
import random
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from app.activity import day_json, rows_of, statement_of, sums
from app.counts import Counts, series
from app.index import Index, IndexFailed
from app.index_writer import Record
from app.query import BadCursor, Query, cursor_of, nanoseconds, statements
from app.reader import Reader
from streams.config import Kafka
from streams.embedded import EmbeddedBroker
from streams.topics import Topics
from tests.app.violations import activity, record, violation
from tests.integration.processes import until


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


def test_what_a_partition_has_last_by_a_lower_revision_is_told_until_it_comes_again(index: Index) -> None:
    higher, lower = record(1, revision=2, status="retracted"), record(1, revision=1)
    index.put([record(2), record(2), higher, lower._replace(partition=3)], {})
    (told,) = index.overtaken()
    assert (told.id, told.partition) == (higher.key, 3)
    assert json.loads(told.body)["revision"] == 2
    index.put([higher], {})
    assert index.overtaken() == [told]
    index.put([higher._replace(partition=3)], {})
    assert index.overtaken() == []


def test_what_was_erased_meanwhile_is_not_told_as_overtaken(index: Index) -> None:
    index.put([record(1, revision=2), record(1), Record(record(1).key, None)], {})
    assert index.overtaken() == []
    index.put([record(1)], {})
    assert index.overtaken() == []


def test_a_deletion_deletes_and_what_is_no_violation_is_passed_over(index: Index) -> None:
    deep = Record("z", b"[" * 50_000 + b"]" * 50_000)
    far = record(3, detectedAt="9999-01-01T00:00:00Z")
    wrong = [Record("x", b"not json"), Record("y", b"{}"), deep, far, record(4, revision=2**70)]
    refused = index.put([record(1), record(2), Record(record(1).key, None), *wrong], {})
    assert (found(index), refused) == ([2], 5)


def test_old_violations_are_forgotten(index: Index) -> None:
    index.put([record(1), record(2)], {})
    index.forget(nanoseconds("2026-01-01T00:00:02Z"))
    assert found(index) == [2]
    assert found(index, services=("shop",)) == [2]


def test_the_oldest_beyond_so_many_are_forgotten_also_of_one_time(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.index._BATCH", 3)
    index.put([record(n, detectedAt="2026-01-01T00:00:00Z") for n in range(20)], {})
    index.put([record(20, status="retracted"), record(21, mode="shadow")], {})
    index.keep(12)
    assert found(index, modes=(), statuses=()) == list(range(21, 9, -1))
    index.keep(12)
    index.keep(100)
    assert len(found(index, modes=(), statuses=())) == 12
    index.keep(0)
    assert found(index, modes=(), statuses=()) == []


def test_a_violation_that_changes_while_pages_are_turned_is_neither_skipped_nor_repeated(
    index: Index,
) -> None:
    index.put([record(n, detectedAt="2026-01-01T00:00:00Z") for n in range(12)], {})
    seen, cursor = [], None
    for turn in range(4):
        page = index.page(Query(limit=3, cursor=cursor, statuses=()))
        seen += [json.loads(item) for item in page.items]
        cursor = page.next_cursor
        changed = [record(n, detectedAt="2026-01-01T00:00:00Z", revision=turn + 2) for n in range(12)]
        index.put([*changed, record(100 + turn, detectedAt="2026-01-01T00:00:00Z")], {})
    assert [int(v["id"], 16) for v in seen] == list(range(11, -1, -1))
    assert [v["revision"] for v in seen] == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    retracted = [record(1, detectedAt="2026-01-01T00:00:00Z", revision=9, status="retracted")]
    first = index.page(Query(limit=110))
    index.put(retracted, {})
    assert first.next_cursor is None
    assert 1 not in found(index)


def test_pages_of_violations_that_come_and_go_by_other_threads(index: Index) -> None:
    """What is there all the time comes once in every turn of all pages."""
    steady = [record(n, labels={"team": "ab"[n % 2]}) for n in range(0, 200, 2)]
    index.put(steady, {})
    stopping = threading.Event()

    def disturb() -> None:
        for revision in itertools.count(2):
            index.put(
                [record(n, labels={"team": "ba"[n % 2]}, revision=revision) for n in range(1, 200, 2)], {}
            )
            index.put([Record(record(n).key, None) for n in range(1, 200, 2)], {})
            changed = [
                record(n, labels={"team": "ab"[(n // 2 + revision) % 2]}, revision=revision)
                for n in range(0, 200, 2)
            ]
            index.put(changed, {})
            if stopping.is_set():
                return

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(20):
            seen: Counter[int] = Counter()
            cursor = None
            while True:
                page = index.page(Query(labels={"team": ("a", "b")}, limit=17, cursor=cursor))
                seen.update(int(json.loads(item)["id"], 16) for item in page.items)
                cursor = page.next_cursor
                if cursor is None:
                    break
            assert max(seen.values()) == 1
            assert [n for n in range(0, 200, 2) if n not in seen] == []
    finally:
        stopping.set()
        thread.join(60)


def test_the_reader_goes_on_when_the_file_can_be_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = EmbeddedBroker()
    kafka = Kafka(brokers=tuple(broker.address.split(",")), embedded=True)
    names = Topics("betrace")
    broker.touch(names.violations, names.activity)
    producer = Producer({"bootstrap.servers": broker.address})
    producer.produce(names.violations, record(1).value, key=record(1).key.encode())
    producer.flush()
    index = Index(tmp_path / "index.sqlite")
    put = index.put

    def full(*_: Any) -> int:
        raise IndexFailed("the disk is full")

    monkeypatch.setattr(index, "put", full)
    reader = Reader(index, kafka, names)
    reader.start()
    until("it says so", lambda: True if reader.problem == "the disk is full" else None)
    assert reader.as_of is None
    monkeypatch.setattr(index, "put", put)
    until("it goes on", lambda: True if reader.problem is None else None)
    reader.stop()
    assert found(index) == [1]
    assert reader.as_of is not None


def test_a_cursor_from_elsewhere_is_refused(index: Index) -> None:
    index.put([record(n) for n in range(3)], {})
    good = index.page(Query(limit=1)).next_cursor or ""
    assert index.page(Query(cursor=good)).items
    forged = [cursor_of(5, key) for key in ("", "a", "G" * 32, "a" * 33)]
    forged += [cursor_of(at, "a" * 32) for at in (-1, 2**63, 10**30)]
    for cursor in ("nonsense!", "", "e30", f"{good}=", f"{good}!", good[:-1], f" {good}", "é", *forged):
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


def has_read(reader: Reader) -> bool | None:
    return reader.problem is None or None


def test_the_index_follows_its_topic_and_is_rebuilt_when_its_file_is_deleted(tmp_path: Path) -> None:
    broker = EmbeddedBroker()
    kafka = Kafka(brokers=tuple(broker.address.split(",")), embedded=True)
    names = Topics("betrace")
    broker.touch(names.violations, names.activity)
    producer = Producer({"bootstrap.servers": broker.address})
    for n in range(50):
        key, value, *_ = record(n)
        producer.produce(names.violations, value, key=key.encode())
    for partition in range(2):
        told = activity("2026-01-01", partition, (1, 10, 4))
        producer.produce(names.activity, told, key=f"a-rule/2026-01-01/{partition}".encode())
    producer.flush()
    for turn in range(2):
        index = Index(tmp_path / f"index-{turn}.sqlite")
        reader = Reader(index, kafka, names)
        reader.start()
        until("all is read", partial(has_read, reader), 30)
        reader.stop()
        assert len(found(index)) == 50
        assert sum(index.offsets(names.violations).values()) == 50
        assert index.rows(*statement_of("a-rule")) == [("2026-01-01", 1, 20, 8, 0, 0, 1.0)]


def test_activity_adds_up_over_partitions_by_the_row_of_each_that_counted_most(index: Index) -> None:
    told = [
        activity("2026-01-01", 0, (1, 5, 1)),
        activity("2026-01-01", 1, (1, 3, 0), (2, 1, 1)),
        activity("2026-01-01", 0, (1, 7, 2)),
        activity("2026-01-01", 0, (1, 5, 1)),
        activity("2026-01-02", 0, (2, 4, 0)),
        b"no json",
        b'{"ruleId": "a-rule"}',
        None,
    ]
    index.put([], {}, rows_of(told))
    found = [day_json(row, "day", "version") for row in index.rows(*statement_of("a-rule"))]
    assert [(d["day"], d["version"], d["evaluated"], d["applied"]) for d in found] == [
        ("2026-01-02", 2, 4, 0),
        ("2026-01-01", 2, 1, 1),
        ("2026-01-01", 1, 10, 2),
    ]
    assert sums(rows_of(told))["a-rule"][:2] == (15, 3)
    index.forget(nanoseconds("2026-01-02T00:00:00Z"))
    assert [row[0] for row in index.rows(*statement_of("a-rule"))] == ["2026-01-02"]


def test_labels_controls_words_and_completeness_are_filters_too(index: Index) -> None:
    soc2 = [{"framework": "soc2", "control": "CC6.1"}]
    index.put(
        [
            record(1, labels={"team": "pay", "tier": "1"}, message="1500 charged without a fraud check"),
            record(2, labels={"team": "shop"}, compliance=soc2, complete=False),
            record(3, labels={"team": "pay", "tier": "2"}, message="Charged twice", compliance=soc2),
        ],
        {},
    )
    assert found(index, labels={"team": ("pay",)}) == [3, 1]
    assert found(index, labels={"team": ("pay", "shop"), "tier": ("2",)}) == [3]
    assert found(index, frameworks=("soc2",), controls=("CC6.1",)) == [3, 2]
    assert found(index, controls=("CC6.1", "CC7.2"), labels={"team": ("shop",)}) == [2]
    assert found(index, words=("charged",)) == [3, 1]
    assert found(index, words=("charged", "fraud")) == [1]
    assert found(index, complete=False) == [2]
    assert found(index, complete=True) == [3, 1]


def test_pages_of_several_values_are_merged_in_order(index: Index) -> None:
    teams = ("a", "b", "c")
    index.put([record(n, labels={"team": teams[n % 3]}, services=["x", "y"]) for n in range(30)], {})
    seen: list[int] = []
    cursor = None
    while True:
        page = index.page(Query(labels={"team": ("a", "b")}, services=("x", "y"), limit=7, cursor=cursor))
        seen += [int(json.loads(item)["id"], 16) for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [n for n in range(29, -1, -1) if n % 3 < 2]


def counted(index: Index, start: int, end: int, step: int, by: str | None, **query: object) -> dict[str, int]:
    wanted = Counts(Query(start=start, end=end, **query), step, by)  # type: ignore[arg-type]
    made = series(index, wanted)
    assert len({len(each["points"]) for each in made}) <= 1
    return {next(iter(each["labels"].values()), ""): sum(n for _, n in each["points"]) for each in made}


@pytest.mark.parametrize("by", [None, "severity", "ruleId", "service"])
def test_counts_of_whole_hours_and_their_edges_are_those_of_the_violations(
    index: Index, by: str | None
) -> None:
    chance = random.Random(7)
    severities, statuses, modes = (
        ("high", "low"),
        ("open", "open", "retracted"),
        ("enforce", "enforce", "shadow"),
    )
    records: list[dict[str, Any]] = []
    for n in range(400):
        at = (
            datetime.fromtimestamp(1767225600 + chance.randrange(6 * 3600), UTC)
            .isoformat()
            .replace("+00:00", "Z")
        )
        chosen = {"severity": chance.choice(severities), "status": chance.choice(statuses)}
        chosen |= {"mode": chance.choice(modes), "ruleId": chance.choice("ab"), "detectedAt": at}
        records.append(violation(n, **chosen, services=chance.sample(["x", "y", "z"], 2)))
    index.put([Record(v["id"], json.dumps(v).encode()) for v in records], {})
    changed = [v | {"revision": 2, "status": "retracted"} for v in records[:50]]
    index.put([Record(v["id"], json.dumps(v).encode()) for v in changed], {})
    index.put([Record(v["id"], None) for v in records[50:90]], {})
    kept = changed + records[90:]
    base = 1767225600 * 10**9
    for start, end, step in (
        (0, 6, 3600),
        (0.5, 5.25, 3600),
        (1.1, 1.9, 3600),
        (0.5, 5.5, 7200),
        (0, 6, 600),
    ):
        first, last = base + round(start * 3600e9), base + round(end * 3600e9)
        wanted: Counter[str] = Counter()
        for v in kept:
            if (
                v["status"] == "open"
                and v["mode"] == "enforce"
                and first <= nanoseconds(v["detectedAt"]) < last
            ):
                values = v["services"] if by == "service" else [v[by] if by else ""]
                wanted.update(values)
        assert counted(index, first, last, step * 10**9, by) == (dict(wanted) if by else {"": wanted[""]})
