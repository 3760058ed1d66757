"""A partition over crashes: whatever is lost at a crash, the same verdicts come out, each published."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.activity import row_key
from streams.block import Block
from streams.partition import Partition
from streams.state import INDEXED_KEY, PartitionState
from streams.tick import Counts, Source, Tick
from tests.streams.partitions import INPUT, Table, apply, block, feed, opened, run, tick
from tests.streams.spans import span


def test_a_trace_is_judged_at_the_tick_after_its_grace_and_its_violation_published() -> None:
    async def work() -> tuple[list[dict[str, Any]], Partition]:
        partition = await opened(Table(), 0)
        records = block(0, span(1, 1, name="access"), time=1000), tick(1500, Counts(0, 1, 0, 0)), tick(2000)
        return await feed(partition, *records), partition

    (violation,), partition = run(work())
    assert (violation["ruleId"], violation["traceId"]) == ("no-audit", f"{1:032x}")
    assert (violation["decisionReason"], violation["complete"]) == ("root", True)
    assert violation["spans"][0]["name"] == "access"
    totals = partition.state.totals
    assert (totals.received, totals.judged, partition.group.spans) == (1, 1, 0)
    judged, trace, _ = partition.find((1).to_bytes(16, "big")) or pytest.fail("not found")
    assert (judged.clock, trace.reason) == (2000, "root")


def test_nothing_is_judged_before_every_input_partition_was_heard_of() -> None:
    async def work() -> list[dict[str, Any]]:
        partition = await opened(Table(), 0)
        unheard = Tick({INPUT: 99_000}, {"spans": 2}).encode()
        return await feed(partition, block(0, span(1, 1, name="access"), time=1000), unheard)

    assert run(work()) == []


def test_a_partition_that_is_left_out_stops_no_judgement_over_a_restart_too() -> None:
    async def work() -> list[dict[str, Any]]:
        table = Table()
        partition = await opened(table, 0)
        heard = Tick({INPUT: 99_000}, {"spans": 2}).encode()
        skip = Tick({}, {}, skipped=(Source("spans", 1),)).encode()
        assert await feed(partition, block(0, span(1, 1), time=1000), heard, skip) == []
        again = await opened(table.recovered(len(table.changelog)), 3)
        later = Tick({INPUT: 199_000}, {"spans": 2}).encode()
        return await feed(again, block(1, span(2, 1, name="access"), time=1000), later, first=3)

    assert len(run(work())) == 1


def test_spans_of_a_judged_trace_are_too_late_and_never_a_second_trace() -> None:
    async def work() -> Partition:
        partition = await opened(Table(), 0)
        access = span(1, 1, name="access")
        await feed(
            partition, block(0, access, time=1000), tick(2500), block(1, access, time=4600), tick(9000)
        )
        return partition

    partition = run(work())
    assert (partition.state.totals.judged, partition.state.totals.too_late) == (1, 1)


def test_an_input_record_that_is_ingested_twice_is_taken_once() -> None:
    async def work() -> Partition:
        partition = await opened(Table(), 0)
        one, two = span(1, 1, name="access"), span(1, 2, 1)
        again = block(0, one, time=1000)
        await feed(partition, again, again, block(1, two, time=1000), again, tick(2500))
        return partition

    totals = run(work()).state.totals
    assert (totals.judged, totals.duplicate, totals.too_late) == (2, 0, 0)


def test_a_copy_of_a_span_is_a_duplicate() -> None:
    async def work() -> Partition:
        partition = await opened(Table(), 0)
        await feed(partition, *(block(n, span(1, 1), time=1000) for n in range(3)), tick(2500))
        return partition

    totals = run(work()).state.totals
    assert (totals.judged, totals.duplicate) == (1, 2)


def test_counts_that_are_told_twice_count_once() -> None:
    state = PartitionState.decode(
        PartitionState(run(opened(Table(), 0)).state.clock).encode(), frozenset({"spans"})
    )
    state.count(INPUT, [Counts(5, 10, 1, 2), Counts(6, 10, 0, 0)])
    state.count(INPUT, [Counts(6, 10, 0, 0), Counts(9, 1, 0, 0)])
    assert (state.totals.received, state.totals.own, state.totals.rejected) == (21, 1, 2)


def test_blocks_and_judged_ids_are_forgotten_in_time() -> None:
    async def work() -> tuple[Table, Partition]:
        table = Table()
        partition = await opened(table, 0)
        await feed(partition, block(0, span(1, 1), time=1000), tick(2500))
        await feed(partition, tick(9_000), tick(70_000), tick(70_500), first=2)
        return table, partition

    table, partition = run(work())
    assert sorted(table.kept) == [row_key("no-audit"), b"T", b"i"]
    assert partition.kept.size == 0


spans = st.builds(
    span, st.integers(1, 4), st.integers(1, 5), st.integers(0, 4), st.sampled_from(["access", "audit", "x"])
)
events = st.lists(st.one_of(st.lists(spans, min_size=1, max_size=4), st.integers(1, 20)), max_size=14)


def records_of(drawn: list[Any]) -> list[bytes]:
    """Blocks and ticks with rising times; a number is a tick after that many tenths of a second."""
    time, offset, records = 1000, 0, []
    for event in drawn:
        if isinstance(event, int):
            time += event * 100
            records.append(tick(time, *[Counts(o, 0, 0, 0) for o in range(offset)]))
        else:
            records.append(block(offset, *event, time=time))
            offset += 1
    return [*records, tick(time + 60_000)]


def told(partition: Partition) -> Any:
    totals = partition.state.totals
    return totals.judged, totals.duplicate, totals.too_late, partition.group.spans, partition.state.clock.now


@settings(max_examples=200, deadline=None)
@given(events, st.data())
def test_a_crash_anywhere_changes_no_verdict(drawn: list[Any], data: st.DataObject) -> None:
    async def work() -> None:
        records = records_of(drawn)
        crashed_at = data.draw(st.integers(0, len(records) - 1), label="record at which it crashed")
        committed = data.draw(st.integers(0, crashed_at), label="committed, so published")
        table = Table()
        partition = await opened(table, 0)
        expected: list[dict[str, bytes]] = []  # what each record published
        durable_after = []  # writes in the changelog when each record was done
        for offset, record in enumerate(records):
            partition.published = min(offset, committed) - 1
            step = await apply(partition, offset, record)
            expected.append(dict(step.violations))
            durable_after.append(len(table.changelog))

        before = durable_after[crashed_at - 1] if crashed_at else 0
        writes = data.draw(st.integers(before, durable_after[crashed_at]), label="writes that were durable")
        other = table.recovered(writes)
        again = await opened(other, committed)
        again.published = committed - 1
        published = {key: text for step in expected[:committed] for key, text in step.items()}
        for offset in range(committed, len(records)):
            published |= dict((await apply(again, offset, records[offset])).violations)
        closing = tick(10**6), tick(10**6 + 1), tick(10**6 + 2)  # with all published, what may go is gone
        await feed(partition, *closing, first=len(records))
        await feed(again, *closing, first=len(records))
        assert told(again) == told(partition)
        assert published == {key: text for step in expected for key, text in step.items()}
        for key in (set(other.kept) | set(table.kept)) - {INDEXED_KEY}:
            assert other.kept.get(key) == table.kept.get(key), key[:1]

    run(work())


@settings(max_examples=200, deadline=None)
@given(events, st.data())
def test_where_rocksdb_was_ahead_of_the_changelog_the_changelog_catches_up(
    drawn: list[Any], data: st.DataObject
) -> None:
    async def work() -> None:
        records = records_of(drawn)
        crashed_at = data.draw(st.integers(0, len(records) - 1), label="record at which it crashed")
        committed = data.draw(st.integers(0, crashed_at), label="committed, so published")
        straight, table = Table(), Table()
        whole, partition = await opened(straight, 0), await opened(table, 0)
        before = 0  # writes that were durable when the committed records were done
        for offset, record in enumerate(records):
            whole.published = partition.published = min(offset, committed) - 1
            await apply(whole, offset, record)
            if offset <= crashed_at:
                await apply(partition, offset, record)
            before = len(table.changelog) if offset < committed else before
        durable = data.draw(st.integers(before, len(table.changelog)), label="writes that were durable")
        del table.changelog[durable:]
        again = await opened(table, committed)
        for offset in range(committed, len(records)):
            again.published = committed - 1
            await apply(again, offset, records[offset])
        rebuilt = table.recovered(len(table.changelog))
        for key, value in straight.kept.items():
            if not key.startswith((b"I", INDEXED_KEY)):
                assert rebuilt.kept.get(key) == value, key[:1]
        left = {key[:1] for key in set(rebuilt.kept) - set(straight.kept)}
        assert left <= {b"B", b"J"}  # deleted in RocksDB alone: it goes when it is past its time

    run(work())


def test_a_block_of_another_version_ends_the_work() -> None:
    with pytest.raises(ValueError, match="another BeTrace"):
        Block(b"\x09B")
