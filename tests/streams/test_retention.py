"""Blocks stay as long as a trace can need them, also when the clock leaps, as it does after an outage."""

from collections import Counter

import pytest

from streams.partition import Partition
from tests.streams.partitions import WINDOWS, Table, apply, block, feed, opened, run, tick
from tests.streams.spans import span

ACCESS, AUDIT = span(1, 1, name="access"), span(1, 2, 1, name="audit")


async def fed(*records: bytes) -> Partition:
    partition = await opened(Table(), 0)
    await feed(partition, *records)
    return partition


def test_a_block_whose_spans_came_at_an_old_clock_stays_for_a_trace_that_began_later() -> None:
    began = block(0, span(1, 3, 9), time=100_000)
    partition = run(fed(tick(1000), began, block(1, ACCESS, time=0), tick(101_000), tick(103_000)))
    assert (partition.state.totals.judged, partition.group.spans) == (2, 0)


def test_the_late_window_is_whole_though_the_clock_leapt_before_the_trace_was_judged() -> None:
    judged = block(0, ACCESS, time=1000), tick(20_000)
    partition = run(fed(*judged, block(1, AUDIT, time=22_000), tick(23_000)))
    assert (partition.state.totals.judged, partition.state.totals.too_late) == (2, 0)


def test_after_a_restart_it_is_whole_too() -> None:
    async def work() -> Partition:
        table = Table()
        records = block(0, ACCESS, time=1000), tick(20_000), tick(20_500)
        await feed(await opened(table, 0), *records)
        again = await opened(table.recovered(len(table.changelog)), 3)
        await feed(again, tick(21_000), block(1, AUDIT, time=22_000), tick(23_000), first=3)
        return again

    partition = run(work())
    assert (partition.state.totals.judged, partition.state.totals.too_late) == (2, 0)


def test_a_block_that_a_state_since_the_last_published_tick_needs_stays() -> None:
    """As recovery may go back to that state: here to one of a reopened trace that was judged again since."""

    async def work() -> list[int]:
        partition = await opened(Table(), 0)
        reopened = block(0, ACCESS, time=1000), tick(3000), block(1, AUDIT, time=4900), tick(5000)
        await feed(partition, *reopened)
        first = []
        for offset, time in enumerate((6000, 9000, 9500), 4):
            partition.published = 3  # and nothing after
            await apply(partition, offset, tick(time))
            first.append(partition.kept.first_block())
        await feed(partition, tick(10_000), tick(10_500), first=7)
        return [*first, partition.kept.first_block()]

    assert run(work()) == [0, 0, 0, 2]


def test_after_the_late_window_a_block_goes() -> None:
    partition = run(fed(block(0, ACCESS, time=1000), tick(20_000), tick(24_000), tick(24_500)))
    assert partition.kept.first_block() == 2**64


@pytest.mark.parametrize("rate", [1, 4])
def test_what_is_kept_is_bounded_by_retention_times_rate(rate: int) -> None:
    """So many blocks a tick, of a trace each, for three times as long as judged traces are remembered."""
    tick_time, remember = WINDOWS.tick, WINDOWS.remember
    block_time = WINDOWS.max_wait + WINDOWS.late_window + WINDOWS.late_grace + 3 * tick_time
    judged_time = remember + block_time + tick_time  # as long as a block of its time is there
    most = {
        b"B": rate * block_time / tick_time,
        b"J": judged_time / tick_time,
        b"I": rate * judged_time / tick_time,
    }

    async def work() -> list[Counter[bytes]]:
        table, offset, kept = Table(), 0, []
        partition = await opened(table, 0)
        for number in range(round(3 * remember / tick_time)):
            time = 1000 + round(1000 * number * tick_time)
            traces = range(number * rate + 1, (number + 1) * rate + 1)
            records = *(block(each, span(each, 1), time=time) for each in traces), tick(time)
            await feed(partition, *records, first=offset)
            offset += len(records)
            kept.append(Counter(key[:1] for key in table.kept))
        return kept

    kept = run(work())
    for kind, bound in most.items():
        counts = [each[kind] for each in kept]
        assert 0.5 * bound < max(counts) <= bound, kind
        assert counts[-1] == counts[len(counts) // 2], kind
