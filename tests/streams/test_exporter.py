"""How what was read is cut into requests, and how long is waited between two tries."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams.batch import Batch, batches
from streams.exporter import pause
from tests.streams.spans import request, span


class Record:
    """As much of a Kafka record as is looked at."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    def value(self) -> bytes:
        return self._value


def record(number: int, size: int = 0) -> Record:
    return Record(request(("shop", [span(number, number, name="x" * size)])).SerializeToString())


def cut(*records: Record) -> list[Batch]:
    return list(batches(records))  # type: ignore[arg-type]


def test_requests_are_bounded_by_their_bytes_and_keep_the_order() -> None:
    made = cut(*(record(n, 100_000) for n in range(1, 36)))
    assert [len(each.records) for each in made] == [10, 10, 10, 5]
    assert all(len(each.request) <= 2**20 for each in made)
    sent = [ExportTraceServiceRequest.FromString(each.request) for each in made]
    spans = [g.scope_spans[0].spans[0].span_id for each in sent for g in each.resource_spans]
    assert spans == [n.to_bytes(8, "big") for n in range(1, 36)]


def test_a_record_that_is_larger_goes_alone() -> None:
    made = cut(record(1), record(2, 2**21), record(3))
    assert [[r.value() for r in each.records] for each in made] == [
        [record(1).value()],
        [record(2, 2**21).value()],
        [record(3).value()],
    ]
    assert cut() == []


def test_halves_hold_all_and_a_batch_counts_its_spans() -> None:
    (batch,) = cut(*(record(n) for n in range(1, 8)))
    one, other = batch.halves()
    assert (one.records + other.records, batch.spans, one.spans, other.spans) == (batch.records, 7, 3, 4)


@pytest.mark.parametrize(
    ("tries", "after", "chance", "seconds"),
    [
        (0, None, 0.0, 0.25),
        (0, None, 0.999999, 0.5),
        (3, None, 0.0, 2.0),
        (99, None, 0.999999, 30.0),
        (0, 7.0, 0.0, 7.0),
        (0, 10**9, 0.0, 600.0),
        (9, 1.0, 0.0, 15.0),
    ],
)
def test_the_pause_doubles_up_to_half_a_minute_and_is_what_the_endpoint_asks(
    tries: int, after: float | None, chance: float, seconds: float
) -> None:
    assert pause(tries, after, chance) == pytest.approx(seconds, abs=1e-4)
