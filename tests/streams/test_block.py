from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsl.trace import Trace
from streams.block import Block, Builder, Position, trace_of
from streams.split import Split, joined, split
from streams.tick import BLOCK, TICK, VERSION, Counts, Source, Tick, UnknownRecord, check
from tests.streams.spans import request, span


def parts(*traces: int) -> Split:
    spans = [span(t, n) for t in traces for n in (1, 2)]
    return split(request(("shop", spans[::2]), ("pay", spans[1::2])).SerializeToString())


def test_a_block_gives_back_what_was_put_in() -> None:
    builder = Builder()
    put = []
    for offset, traces in enumerate([(1, 2), (2, 3), (1,)]):
        source, position = Source("otlp_spans", offset % 2), Position(offset, 0)
        record = parts(*traces)
        builder.section(source, position, 1000 + offset)
        for trace_id, fragment in record.fragments.items():
            builder.add(trace_id, fragment)
            spans = described(Trace.of(joined(fragment.runs())))
            put.append((source, position, 1000 + offset, trace_id, b"".join(fragment.ids), spans))
    block = Block(builder.encode())
    got = [
        (s.source, s.position, s.time, e.trace_id, e.ids, described(trace_of(e.trace_id, [(block, e.at)])))
        for s in block.sections()
        for e in s.entries
    ]
    assert got == put
    assert sum(entry.spans for section in block.sections() for entry in section.entries) == 10


@given(st.lists(st.binary(min_size=300), min_size=1, max_size=5))
def test_a_block_is_never_larger_than_its_builder_says(names: list[bytes]) -> None:
    builder = Builder()
    for number, name in enumerate(names):
        record = split(request((name.hex(), [span(1, number + 1)])).SerializeToString())
        builder.section(Source("t", 0), Position(number, 0), 5)
        builder.add(*next(iter(record.fragments.items())))
    assert len(builder.encode()) <= builder.size


def described(trace: Trace) -> list[tuple[object, ...]]:
    return [
        (each.span_id, each.parent_id, each.name, rest(each.message), each.scope.name, each.service)
        for each in trace.spans
    ]


def rest(message: Any) -> bytes:
    """All that a span says but ids and name."""
    for field in ("trace_id", "span_id", "parent_span_id", "name"):
        message.ClearField(field)
    return bytes(message.SerializeToString())


def test_a_section_without_spans_is_left_out() -> None:
    builder = Builder()
    record = parts(7)
    for offset in (1, 2):
        builder.section(Source("t", 0), Position(offset, 0), 5)
    builder.add(*next(iter(record.fragments.items())))
    assert [section.position.offset for section in Block(builder.encode()).sections()] == [2]


sources = st.builds(Source, st.sampled_from(["a", "b-ü"]), st.integers(0, 100))
whole = st.integers(0, 2**53)


@given(
    st.dictionaries(sources, whole, max_size=4),
    st.dictionaries(st.text(max_size=5), st.integers(1, 100), max_size=3),
    st.dictionaries(sources, st.lists(st.builds(Counts, whole, whole, whole, whole), max_size=3), max_size=3),
)
def test_a_tick_gives_back_what_was_put_in(
    watermarks: dict[Source, int], partitions: dict[str, int], counts: dict[Source, list[Counts]]
) -> None:
    tick = Tick(watermarks, partitions, counts)
    assert Tick.decode(tick.encode()) == tick


@pytest.mark.parametrize(
    "data", [b"", bytes((VERSION,)), bytes((VERSION - 1,)) + b"B....", bytes((VERSION,)) + b"X", b"{}"]
)
def test_a_record_of_another_version_or_kind_is_refused(data: bytes) -> None:
    for kind in (BLOCK, TICK):
        with pytest.raises(UnknownRecord, match="another BeTrace"):
            check(data, kind)
