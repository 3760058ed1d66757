from dataclasses import replace

from streams.block import Entry
from streams.config import Limits, Windows
from streams.group import Group, Load, fragments

WINDOWS = Windows(max_wait=30, root_grace=5)


def ids(*pairs: tuple[int, int]) -> bytes:
    return b"".join(n.to_bytes(8, "big") for pair in pairs for n in pair)


def entry(trace: int, *pairs: tuple[int, int], at: int = 0, size: int = 100) -> Entry:
    return Entry(trace.to_bytes(16, "big"), at, len(pairs), size, ids(*pairs))


def group(limits: Limits | None = None) -> Group:
    return Group(WINDOWS, limits or Limits(), Load())


def due(of: Group, clock: int) -> list[tuple[int, str]]:
    found = [(int.from_bytes(d.trace_id, "big"), d.reason) for d in of.due(clock)]
    for trace, _ in found:
        of.remove(trace.to_bytes(16, "big"))
    return sorted(found)


def test_a_whole_trace_is_done_when_its_roots_grace_is_over() -> None:
    traces = group()
    traces.add(0, entry(1, (1, 0), (2, 1)), 1000)
    assert due(traces, 5999) == []
    assert due(traces, 6000) == [(1, "root")]


def test_a_trace_with_a_missing_parent_waits_for_it_and_is_done_when_it_is_there() -> None:
    traces = group()
    traces.add(0, entry(1, (1, 0), (3, 2)), 1000)
    assert due(traces, 9000) == []
    traces.add(1, entry(1, (2, 1)), 9500)
    assert due(traces, 9000) == [(1, "root")]


def test_a_trace_without_a_root_or_with_two_is_done_by_timeout() -> None:
    traces = group()
    traces.add(0, entry(1, (2, 1)), 1000)
    traces.add(0, entry(2, (1, 0), (2, 0)), 1000)
    assert due(traces, 30_999) == []
    assert due(traces, 31_000) == [(1, "timeout"), (2, "timeout")]


def test_copies_of_the_root_are_one_root() -> None:
    traces = group()
    traces.add(0, entry(1, (1, 0)), 1000)
    traces.add(1, entry(1, (1, 0)), 2000)
    assert due(traces, 6000) == [(1, "root")]


def test_a_trace_over_its_limit_is_done_at_once_and_takes_no_more() -> None:
    traces = group(replace(Limits(), trace_spans=3))
    assert traces.add(0, entry(1, (2, 1), (3, 1)), 1000)
    assert traces.add(0, entry(1, (4, 1)), 1000)
    assert not traces.add(0, entry(1, (5, 1)), 1000)
    assert due(traces, 0) == [(1, "span_limit")]


def test_a_trace_of_too_many_bytes_is_done_at_once() -> None:
    traces = group(replace(Limits(), trace_bytes=150))
    traces.add(0, entry(1, (2, 1)), 1000)
    assert due(traces, 1000) == []
    traces.add(0, entry(1, (3, 1)), 1000)
    assert due(traces, 1000) == [(1, "size_limit")]


def test_over_the_workers_limit_the_oldest_traces_are_done() -> None:
    traces = group(replace(Limits(), traces=2))
    for trace in (7, 5, 6, 4):
        traces.add(0, entry(trace, (2, 1)), 1000)
    assert due(traces, 1000) == [(5, "memory"), (7, "memory")]


def test_over_the_workers_limit_each_group_gives_its_share() -> None:
    load, limits = Load(), replace(Limits(), traces=3)
    one, two = Group(WINDOWS, limits, load), Group(WINDOWS, limits, load)
    for trace in range(3):
        one.add(0, entry(1 + trace, (2, 1)), 1000)
        two.add(0, entry(11 + trace, (2, 1)), 1000)
    assert due(one, 1000) == [(1, "memory"), (2, "memory")]
    assert due(two, 1000) == [(11, "memory")]


def test_over_the_workers_limit_a_reopened_trace_is_judged_with_the_late_spans_that_came() -> None:
    traces = group(replace(Limits(), traces=0))
    traces.reopen((1).to_bytes(16, "big"), 5, entry_at(3), 1000)
    traces.add(4, entry(1, (2, 1)), 1000)
    assert due(traces, 1000) == [(1, "late")]


def entry_at(block: int) -> bytes:
    """A packed place in a block."""
    return block.to_bytes(8, "little") + bytes(4)


def test_a_group_knows_where_its_spans_are_and_forgets_it_all() -> None:
    traces = group()
    traces.add(10, entry(1, (1, 0), at=4), 1000)
    traces.add(11, entry(1, (2, 1), at=9), 1000)
    assert list(fragments(traces.traces[(1).to_bytes(16, "big")].at)) == [(10, 4), (11, 9)]
    assert (traces.spans, traces.load.traces) == (2, 1)
    traces.clear()
    assert (traces.spans, traces.load.traces, traces.load.memory, traces.traces) == (0, 0, 0, {})
