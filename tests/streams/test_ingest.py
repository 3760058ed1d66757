import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from streams import metrics
from streams.block import Block, Position
from streams.config import Encoding, Limits
from streams.crash import CrashPoints
from streams.ingest import Ingest
from streams.letters import SIZE, DeadLetter, Record
from streams.producer import LARGEST
from streams.tick import Counts, Source
from tests.streams.spans import request, span

INPUT = Source("spans", 0)
NOW = 1_000_000


@dataclass
class Sent:
    """What ingest sent."""

    blocks: list[tuple[int, bytes]] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    async def block(self, partition: int, value: bytes) -> Awaitable[object]:
        self.blocks.append((partition, value))
        return asyncio.sleep(0)

    async def dead_letter(self, letter: DeadLetter) -> Awaitable[object]:
        self.letters.append(letter)
        return asyncio.sleep(0)

    def sections(self) -> list[tuple[int, Position, int]]:
        """(partition, position, time) of every section."""
        return [(p, s.position, s.time) for p, data in self.blocks for s in Block(data).sections()]


def ingest(
    *values: bytes | None,
    limits: Limits | None = None,
    encoding: Encoding = "otlp_proto",
    time: int | None = NOW,
) -> tuple[Sent, list[Counts], list[int]]:
    """Ingest records of one input partition; their counts, and the offsets that may be acknowledged."""
    counts: list[Counts] = []
    acknowledged: list[int] = []

    async def work() -> Sent:
        sent = Sent()
        stage = Ingest(sent, 4, {"spans": encoding}, limits or Limits(), CrashPoints(), lambda: NOW)
        for offset, value in enumerate(values):
            record = Record(INPUT, offset, time, b"key", value)
            stage.add(record, lambda offset=offset: acknowledged.append(offset))  # type: ignore[misc]
        await stage.flush()
        for flushed in stage.take():
            flushed.acknowledge()
            counts.append(flushed.counts)
        return sent

    return asyncio.run(work()), counts, acknowledged


def message(*traces: int, **more: Any) -> bytes:
    return request(("shop", [span(t, n, **more) for t in traces for n in (1, 2)])).SerializeToString()


def test_a_trace_always_goes_to_the_same_partition_whatever_its_key() -> None:
    sent, _, _ = ingest(message(1, 2, 3), message(3, 1, 2))
    where: dict[bytes, set[int]] = {}
    for partition, data in sent.blocks:
        for section in Block(data).sections():
            for entry in section.entries:
                where.setdefault(entry.trace_id, set()).add(partition)
    assert len(where) == 3
    assert all(len(partitions) == 1 for partitions in where.values())


def test_several_records_share_a_block_and_keep_their_positions() -> None:
    sent, _, acknowledged = ingest(message(1), message(1), message(1))
    assert len(sent.blocks) == 1
    assert [position for _, position, _ in sent.sections()] == [Position(n, 0) for n in range(3)]
    assert acknowledged == [0, 1, 2]


def test_a_record_too_large_for_one_block_is_cut_the_same_way_whatever_came_before() -> None:
    limits = replace(Limits(), block_bytes=20_000)
    large = message(*range(1, 400), name="x" * 100)
    alone, _, _ = ingest(large, limits=limits)
    after, _, _ = ingest(message(5, name="y" * 3000), large, limits=limits)

    def parts(sent: Sent, offset: int) -> list[tuple[int, Position, list[bytes]]]:
        return sorted(
            (p, s.position._replace(offset=0), [e.trace_id for e in s.entries])
            for p, data in sent.blocks
            for s in Block(data).sections()
            if s.position.offset == offset
        )

    assert parts(alone, 0) == parts(after, 1)
    assert max(position.part for _, position, _ in alone.sections()) > 0
    assert all(len(data) <= limits.block_bytes for _, data in alone.blocks + after.blocks)


def test_a_span_too_large_for_a_block_is_dead_lettered_and_counted() -> None:
    data = request(("shop", [span(1, 1), span(1, 2, name="x" * 30_000)])).SerializeToString()
    sent, counts, _ = ingest(data, limits=replace(Limits(), block_bytes=20_000))
    assert [dict(letter.headers)["betrace.reason"] for letter in sent.letters] == [b"span_too_large"]
    assert counts == [Counts(0, 2, 0, 1)]


def test_what_is_not_otlp_is_dead_lettered_as_it_came_and_the_rest_goes_on() -> None:
    sent, counts, acknowledged = ingest(b"\xff\xff\xff", message(1), b"", None)
    (letter,) = sent.letters
    assert (letter.key, letter.value) == (b"key", b"\xff\xff\xff")
    assert dict(letter.headers) == {
        "betrace.reason": b"malformed",
        "betrace.topic": b"spans",
        "betrace.partition": b"0",
        "betrace.offset": b"0",
    }
    assert [count.received for count in counts] == [0, 2, 0, 0]
    assert acknowledged == [0, 1, 2, 3]


def test_json_is_read_where_the_topic_says_so() -> None:
    text = b"""{"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": "0000000000000000000000000000000A", "spanId": "000000000000000b", "name": "x"},
        {"traceId": "ABC", "spanId": "DEF", "name": "bad"}]}]}]}"""
    sent, counts, _ = ingest(text, b"{", encoding="otlp_json")
    assert counts[0] == Counts(0, 2, 0, 1)
    assert [
        entry.trace_id[-1] for _, d in sent.blocks for s in Block(d).sections() for entry in s.entries
    ] == [10]
    assert dict(sent.letters[0].headers)["betrace.reason"] == b"bad_trace_id"
    assert len(sent.letters) == 2


def test_a_record_without_a_time_or_from_the_future_comes_at_the_clock_and_moves_no_watermark() -> None:
    async def reached(time: int | None) -> int:
        stage = Ingest(Sent(), 4, {"spans": "otlp_proto"}, Limits(), CrashPoints(), lambda: NOW)
        stage.add(Record(INPUT, 0, time, None, message(1)), lambda: None)
        await stage.flush()
        return stage.progress[INPUT].time

    for time in (None, NOW + 5000, -1):
        sent, _, _ = ingest(message(1), time=time)
        assert [t for *_, t in sent.sections()] == [0]
        assert asyncio.run(reached(time)) == 0
    assert asyncio.run(reached(NOW - 500)) == NOW - 500
    sent, _, _ = ingest(message(1), time=NOW - 500)
    assert [t for *_, t in sent.sections()] == [NOW - 500]


def test_after_a_rebalance_nothing_of_before_is_sent() -> None:
    async def work() -> tuple[Sent, Ingest]:
        sent = Sent()
        stage = Ingest(sent, 4, {"spans": "otlp_proto"}, Limits(), CrashPoints(), lambda: NOW)
        stage.add(Record(INPUT, 0, NOW, None, message(1)), lambda: None)
        stage.reset()
        await stage.flush()
        return sent, stage

    sent, stage = asyncio.run(work())
    assert (sent.blocks, stage.take(), stage.progress) == ([], [], {})


def test_what_was_on_its_way_at_a_rebalance_is_neither_told_nor_acknowledged() -> None:
    async def work() -> Ingest:
        sent = Sent()
        stage = Ingest(sent, 4, {"spans": "otlp_proto"}, Limits(), CrashPoints(), lambda: NOW)
        stage.add(Record(INPUT, 0, NOW, None, message(1)), lambda: None)
        flushing = asyncio.create_task(stage.flush())
        while not sent.blocks:
            await asyncio.sleep(0)
        stage.reset()
        await flushing
        return stage

    stage = asyncio.run(work())
    assert (stage.take(), stage.progress) == ([], {})


def test_a_dead_letter_that_does_not_fit_is_cut_and_tells_its_size() -> None:
    value = b"\xff" * (LARGEST + 1)
    sent, _, acknowledged = ingest(value)
    (letter,) = sent.letters
    assert len(letter.value) < LARGEST
    assert dict(letter.headers)[SIZE] == b"%d" % len(value)
    assert acknowledged == [0]


@pytest.mark.parametrize("asked", [True, False])
def test_spans_without_a_good_signature_are_counted_if_the_setting_says_so(asked: bool) -> None:
    count = metrics.UNVERIFIED.labels("absent")._value
    before = count.get()
    stage = Ingest(Sent(), 4, {"spans": "otlp_proto"}, Limits(), CrashPoints(), lambda: NOW, signatures=asked)
    stage.add(Record(INPUT, 0, NOW, None, message(1)), lambda: None)
    counted = count.get() - before
    assert (counted > 0) is asked
