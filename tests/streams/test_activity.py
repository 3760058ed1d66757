"""Proof of operation: every judged trace is told of once, by rule, version and day, over crashes too."""

import asyncio
import json
from typing import Any

from streams.activity import Activity, Counts, Row, Told, Version, is_due
from streams.tick import Counts as Ingested
from tests.streams.partitions import Table, apply, block, feed, opened, tick
from tests.streams.spans import span

DAY = 86_400_000


async def told(table: Table, records: list[bytes], first: int = 0) -> dict[str, Any]:
    """The last activity record of each key that these records lead to."""
    partition = await opened(table, first)
    found: dict[str, Any] = {}
    for offset, record in enumerate(records, first):
        step = await apply(partition, offset, record)
        found |= {key: json.loads(value) for key, value in step.activity}
    return found


def test_every_judged_trace_is_told_of_by_rule_version_and_day() -> None:
    access, audit, other = span(1, 1, name="access"), span(2, 2, name="audit"), span(3, 3, name="x")
    records = [
        block(0, access, audit, other, time=1000),
        tick(2500, Ingested(0, 3, 0, 0)),
        block(1, span(4, 4, name="access"), time=DAY + 1000),
        tick(DAY + 2500),
        tick(DAY + 40_000),
    ]
    found = asyncio.run(told(Table(), records))
    assert set(found) == {"no-audit/1970-01-01/3", "no-audit/1970-01-02/3"}
    first, second = found["no-audit/1970-01-01/3"], found["no-audit/1970-01-02/3"]
    assert first == {
        "ruleId": "no-audit",
        "day": "1970-01-01",
        "partition": 3,
        "versions": [
            {"version": 1, "evaluated": 3, "applied": 1, "violated": 1, "errors": 0, "seconds": 0.0}
        ],
    }
    assert [v["evaluated"] for v in second["versions"]] == [1]


def test_rows_are_told_again_after_a_restart_as_the_last_may_not_have_arrived() -> None:
    async def work() -> dict[str, Any]:
        table = Table()
        await feed(await opened(table, 0), block(0, span(1, 1), time=1000), tick(2500), tick(40_000))
        return await told(table.recovered(len(table.changelog)), [tick(41_000)], first=3)

    found = asyncio.run(work())
    assert found["no-audit/1970-01-01/3"]["versions"][0]["evaluated"] == 1


def test_a_telling_that_was_added_before_a_crash_is_not_added_again() -> None:
    row = Row(0, (-1, 0))
    gathered = Activity(0, 0, 5, {Version("a", 1): Counts(applied=2)})
    assert row.add(gathered, Version("a", 1), (7, 1))
    assert not Row.decode(row.encode()).add(gathered, Version("a", 1), (7, 1))
    assert row.versions[1] == (5, Counts(applied=2))


def test_thousands_of_rules_are_told_of_less_often() -> None:
    assert is_due(60_000, Told(0, 10), tick=1)
    assert not is_due(60_000, Told(0, 5000), tick=1)
    assert is_due(300_000, Told(0, 5000), tick=1)
