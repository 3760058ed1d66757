"""Limits under pressure, on a real broker: a worker keeps its memory, the other traces their verdicts."""

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.integration.processes import Api, Betrace, free_port, until
from tests.kafka import Kafka
from tests.streams.spans import request

RULES = """\
rules:
  - {id: unaudited, condition: access and not audit}
  - {id: many, condition: count(any) >= 1000}
"""
MEMORY = 512 * 2**20
GOOD = 400


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands with small limits and short windows."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    return Betrace.on(
        kafka,
        group,
        tmp_path,
        partitions=2,
        KAFKA_INPUT_TOPICS=f"{group}.input",
        KAFKA_PARTITIONS="4",
        TRACE_ROOT_GRACE="4s",
        TRACE_MAX_WAIT="8s",
        TRACE_LATE_WINDOW="10s",
        TRACE_LATE_GRACE="1s",
        TRACE_TICK="200ms",
        WORKER_MAX_MEMORY=str(MEMORY),
        WORKER_MAX_TRACES="20000",
        RULES_FILES=str(rules),
    )


def trace(number: int, *names: str) -> list[Span]:
    """Spans of one trace below its first."""
    trace_id = number.to_bytes(16, "big")
    return [
        Span(
            trace_id=trace_id,
            span_id=(n + 1).to_bytes(8, "big"),
            parent_span_id=(1).to_bytes(8, "big") if n else b"",
            name=name,
        )
        for n, name in enumerate(names)
    ]


def good() -> list[list[Span]]:
    """Traces of which every other breaks a rule."""
    return [trace(1 + n, "access", "x", *(["audit"] if n % 2 else [])) for n in range(GOOD)]


def flood() -> Iterator[list[Span]]:
    """150,000 traces of one span."""
    for start in range(10**6, 10**6 + 150_000, 2000):
        yield [span for n in range(start, start + 2000) for span in trace(n, "lonely")]


def endless() -> Iterator[list[Span]]:
    """One trace of 1,000,000 spans."""
    trace_id = (2 * 10**6).to_bytes(16, "big")
    for start in range(0, 1_000_000, 10_000):
        yield [
            Span(trace_id=trace_id, span_id=(n + 1).to_bytes(8, "big"), name="step")
            for n in range(start, start + 10_000)
        ]


def large() -> Iterator[list[Span]]:
    """Messages of 10 MB, of spans of 5 kB."""
    for message in range(3):
        spans = []
        for n in range(2000):
            (span,) = trace(3 * 10**6 + message * 2000 + n, "large")
            span.attributes.add(key="text").value.string_value = "x" * 5000
            spans.append(span)
        yield spans


def skewed() -> Iterator[list[Span]]:
    """Traces that all belong to one group partition."""
    numbers = (n for n in itertools.count(4 * 10**6) if zlib.crc32(n.to_bytes(16, "big")) % 4 == 0)
    for _ in range(20):
        yield [span for _ in range(1000) for span in trace(next(numbers), "a", "b")]


def produce(betrace: Betrace, pressure: Iterable[list[Span]]) -> int:
    """Send it with the good traces in between, each in two parts; how many spans there are."""
    producer = Producer(
        {"bootstrap.servers": betrace.settings["KAFKA_BROKERS"], "message.max.bytes": 16 * 2**20}
    )
    messages = list(pressure)
    traces = good()
    parts = [spans[:1] for spans in traces], [spans[1:] for spans in traces]
    steps = (len(messages) + 1) // 2
    total = 0
    for number, spans in enumerate(itertools.chain(messages, [[]] * (len(messages) % 2))):
        part, at = divmod(number, steps)
        share = [span for each in parts[part][at::steps] for span in each]
        total += len(spans) + len(share)
        for group in (spans, share):
            if group:
                producer.produce(
                    betrace.settings["KAFKA_INPUT_TOPICS"], request(("shop", group)).SerializeToString()
                )
        producer.flush()
    return total


def metric(worker: Api, name: str) -> float:
    """The value of one series."""
    line = next(each for each in worker.metrics().splitlines() if each.startswith(name))
    return float(line.split()[-1])


@pytest.mark.parametrize(
    ("pressure", "told"),
    [
        (flood, 'betrace_traces_closed_total{reason="memory"}'),
        (endless, 'betrace_late_spans_total{outcome="over_limit"}'),
        (large, 'betrace_traces_closed_total{reason="root"}'),
        (skewed, 'betrace_traces_closed_total{reason="root"}'),
    ],
)
def test_under_pressure_a_worker_keeps_its_memory_and_the_other_traces_their_verdicts(
    betrace: Betrace, pressure: Callable[[], Iterator[list[Span]]], told: str
) -> None:
    address = f"127.0.0.1:{free_port()}"
    with betrace.start("worker", METRICS_LISTEN=address) as process, betrace.api() as api:
        worker = Api(f"http://{address}")
        until("the worker owns partitions", worker.ready)
        total = produce(betrace, pressure())
        account = betrace.settled(total)
        expected = {f"{1 + n:032x}" for n in range(0, GOOD, 2)}
        # A good trace that was judged early for want of memory is retracted when its rest has come.
        until(
            f"the good traces' verdicts stand alone; spans: {account}",
            lambda: unaudited(api) == expected or None,
        )
        assert metric(worker, told) > 0
        peak = peak_memory(process.pid)
        print(f"peak {peak // 2**20} MB")
        assert peak < MEMORY


def unaudited(api: Api) -> set[str]:
    """The traces that stand as breaking that rule."""
    return {each["traceId"] for each in api.all_violations() if each["ruleId"] == "unaudited"}


def peak_memory(pid: int) -> int:
    """Bytes that a process held at most."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1]) * 1024
