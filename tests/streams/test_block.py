import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.block import (
    BLOCK,
    TICK,
    VERSION,
    Block,
    Builder,
    Counts,
    Position,
    Source,
    Tick,
    UnknownRecord,
    check,
)
from streams.split import Fragment, joined, split
from tests.streams.spans import request, span


def fragments(*traces: int) -> dict[bytes, Fragment]:
    return split(
        request(("shop", [span(t, n) for t in traces for n in (1, 2)])).SerializeToString()
    ).fragments


def test_a_block_gives_back_what_was_put_in() -> None:
    builder = Builder()
    put = []
    for offset, traces in enumerate([(1, 2), (2, 3), (1,)]):
        source, position = Source("otlp_spans", offset % 2), Position(offset, 0)
        builder.section(source, position, 1000 + offset)
        for trace_id, fragment in fragments(*traces).items():
            builder.add(trace_id, fragment)
            put.append((source, position, 1000 + offset, trace_id, fragment))
    data = builder.encode()
    block = Block(data)
    got = [
        (s.source, s.position, s.time, e, list(block.runs(e.at))) for s in block.sections() for e in s.entries
    ]
    assert [(s, p, t, e.trace_id, e.ids, runs) for s, p, t, e, runs in got] == [
        (s, p, t, trace_id, b"".join(f.ids), f.runs) for s, p, t, trace_id, f in put
    ]
    assert all(len(joined(iter(runs))) > e.size for *_, e, runs in got)
    assert builder.spans == 10
    assert len(data) <= builder.size


def test_a_section_without_spans_is_left_out() -> None:
    builder = Builder()
    builder.section(Source("t", 0), Position(1, 0), 5)
    builder.section(Source("t", 0), Position(2, 0), 5)
    builder.add(*next(iter(fragments(7).items())))
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
