"""What is told of the spans that came: names and keys that several traces have, bounded, never a value."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from dsl.trace import Trace
from streams.redaction import Redaction
from streams.vocabulary import Vocabulary
from tests.streams.partitions import Table, apply, block, opened, tick
from tests.streams.spans import request, span

DAY = 86_400_000


def trace(number: int, *names: str, service: str = "shop", **attributes: Any) -> Trace:
    spans = [span(number, n + 1, name=name) for n, name in enumerate(names)]
    for each in spans:
        for key, value in attributes.items():
            each.attributes.add(key=key.replace("__", ".")).value.string_value = value
    return Trace.of(request((service, spans)).SerializeToString())


def told(vocabulary: Vocabulary, partition: int = 0) -> dict[str, Any]:
    ((_, value),) = vocabulary.records(partition)
    found: dict[str, Any] = json.loads(value)
    return found


def looked_at(traces: Sequence[Trace], apart: int = 1000) -> Vocabulary:
    vocabulary = Vocabulary(Redaction())
    for number, each in enumerate(traces):
        vocabulary.look(each, number * apart)
    return vocabulary


def test_names_and_keys_of_several_traces_are_told_without_values() -> None:
    traces = [trace(n, "charge", f"order-{n}", card="4111", http__route=f"/{n}") for n in range(3)]
    found = told(looked_at(traces))
    assert (found["day"], found["spanNames"]) == ("1970-01-01", ["charge"])
    assert sorted(found["attributes"]) == ["card", "http.route", "service.name"]


def test_what_redaction_would_change_is_not_told() -> None:
    names = ("mail to ann@example.com", "charge")
    assert told(looked_at([trace(n, *names) for n in range(3)]))["spanNames"] == ["charge"]


def test_traces_that_come_at_once_are_not_all_looked_at() -> None:
    assert looked_at([trace(n, "charge") for n in range(20)], apart=1).records(0) == []


def test_it_is_bounded_in_number_and_length() -> None:
    names = [f"n{n}" for n in range(190)]
    traces = [trace(n, *(f"{m}-{name}" for name in names)) for m in range(40) for n in (2 * m, 2 * m + 1)]
    vocabulary = looked_at([*traces, *(trace(n, "x" * 129) for n in range(100, 103))])
    assert len(told(vocabulary)["spanNames"]) == 500
    assert len(vocabulary._names) <= 5000
    assert not any(len(name) > 128 for name in vocabulary._names)
    wide = [trace(n, *(["any"] * 200), "last") for n in range(3)]
    assert told(looked_at(wide))["spanNames"] == ["any"]


def test_it_is_told_again_only_when_there_is_more_and_a_day_begins_anew() -> None:
    vocabulary = looked_at([trace(n, "charge") for n in range(2)])
    assert told(vocabulary)["spanNames"] == ["charge"]
    assert vocabulary.records(0) == []
    assert vocabulary.records(1) != []
    for time in (5000, 6000):
        vocabulary.look(trace(time, "charge"), time)
    assert vocabulary.records(0) == []
    for time in (DAY, DAY + 1000):
        vocabulary.look(trace(time, "refund"), time)
    assert [key for key, _ in vocabulary.records(0)] == ["seen/1970-01-02/0"]
    assert "charge" not in vocabulary._names


def test_a_partition_tells_it_with_its_activity() -> None:
    async def work() -> dict[str, Any]:
        partition = await opened(Table(), 0)
        now = iter(range(10**18, 10**19, 10**9))
        partition.judge.now = lambda: next(now)
        found: dict[str, Any] = {}
        records = [block(n, span(n + 1, 1, name="charge"), time=1000) for n in range(3)]
        for offset, record in enumerate([*records, tick(2500), tick(40_000), tick(80_000)]):
            found |= dict((await apply(partition, offset, record)).activity)
        return found

    found = {key: value for key, value in asyncio.run(work()).items() if key.startswith("seen/")}
    assert [json.loads(value)["spanNames"] for value in found.values()] == [["charge"]]
