"""The loops of blocks in machine code, held to those in Python."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import block
from streams.block import Block, Builder, Position
from streams.fragment import Fragment
from streams.kinds import Kinds, Prefix
from streams.tick import Source

stored = pytest.importorskip("streams.stored", reason="not compiled: make says why")

KNOWN = Kinds()
SPANS = st.tuples(
    st.binary(min_size=16, max_size=16),
    st.binary(max_size=300),
    st.builds(lambda name, of: KNOWN.under(Prefix(b"", of))[name], st.text(max_size=3), st.just(b"")),
    st.integers(0, 300),
)
FRAGMENTS = st.lists(SPANS, min_size=1, max_size=8)


def fragment(spans: list[tuple[bytes, bytes, Any, int]]) -> Fragment:
    ids, contents, kinds, heads = (list(each) for each in zip(*spans, strict=True))
    return Fragment(ids, contents, kinds, [min(h, len(c)) for h, c in zip(heads, contents, strict=True)])


def blocks(fragments: list[list[tuple[bytes, bytes, Any, int]]]) -> list[tuple[Block, int]]:
    """The places of traces in two blocks."""
    builders = Builder(), Builder()
    for number, spans in enumerate(fragments):
        builder = builders[number % 2]
        builder.section(Source("spans", 0), Position(number, 0), 1)
        builder.add(number.to_bytes(16, "big"), fragment(spans))
    made = [Block(builder.encode()) for builder in builders]
    return [(each, entry.at) for each in made for section in each.sections() for entry in section.entries]


@given(FRAGMENTS, FRAGMENTS)
def test_an_entry_has_the_same_bytes_and_kinds_the_same_numbers(first: Any, second: Any) -> None:
    in_c, in_python = block._Numbers(), block._Numbers()
    for spans in (first, second):
        assert stored.entry(fragment(spans), in_c) == block._entry(fragment(spans), in_python)
    assert (list(in_c), in_c.prefixes, in_c.size) == (list(in_python), in_python.prefixes, in_python.size)


@given(st.lists(FRAGMENTS, min_size=1, max_size=5))
def test_the_same_is_gathered(fragments: Any) -> None:
    places = blocks(fragments)
    assert stored.gathered(places) == block._gathered(places)


def test_a_fragment_with_a_list_that_is_too_short_is_refused() -> None:
    kind = KNOWN.under(Prefix(b"", b""))["work"]
    for spoilt in (
        Fragment([bytes(16)], [b"span"], [], [0]),
        Fragment([bytes(16)], [b"span"], [kind], []),
        Fragment([bytes(16)], [b"span"], [kind], [5]),
        Fragment([bytes(16)], [b"span"], [kind], [-1]),
    ):
        with pytest.raises(ValueError, match=r"fragment|head"):
            stored.entry(spoilt, block._Numbers())


def test_a_spoilt_block_is_refused_or_read_within_its_bounds() -> None:
    draw = random.Random(5)
    kind = KNOWN.under(Prefix(b"", b""))["work"]
    places = blocks([[(bytes(16), b"x" * n, kind, 0)] * 3 for n in (5, 50)])
    refused = 0
    for made in {id(each): each for each, _ in places}.values():
        made.open()
    for _ in range(20_000):
        made, at = draw.choice(places)
        spoilt = Block(made.data)
        data, payload = bytearray(made.data), bytearray(made.payload)
        for each in draw.choice(([data], [payload], [data, payload])):
            each[draw.randrange(len(each))] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        spoilt.data, spoilt.payload, spoilt.kinds = bytes(data), bytes(payload), made.kinds
        try:
            _, names, origins, contents, starts, ends = stored.gathered([(spoilt, at)])
        except ValueError:
            refused += 1
        else:
            assert len({len(each) for each in (names, origins, contents, starts, ends)}) == 1
            assert all(0 <= start <= end <= len(payload) for start, end in zip(starts, ends, strict=True))
    assert refused > 1000
    for at in (-1, len(made.data) - 27, len(made.data), 2**40):
        with pytest.raises(ValueError, match="outside"):
            stored.gathered([(made, at)])
