"""The endpoint of evidence is away for a time, and a worker is killed meanwhile: what arrives in the end.

`python -m tests.integration.outage --minutes 10` runs it for longer than a test does.
"""

import argparse
import signal
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from confluent_kafka import Producer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams.config import Kafka as KafkaConfig
from streams.evidence import VIOLATION
from streams.ranges import Ranges
from streams.topics import Topics
from tests.integration.collector import TO_FILE, Collector, built, collector, written
from tests.integration.processes import Betrace, until
from tests.kafka import Kafka
from tests.streams.spans import request, span

RATE = 100  # traces a second, each with one violation
_RULES = """\
rules:
  - id: charge-without-check
    severity: high
    condition: "when { charge } always { check }"
"""


@dataclass
class Load:
    """Traces that break the rule, sent at a rate until told to stop."""

    address: str
    topic: str
    sent: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._run, daemon=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """It sends until the block ends, or `stop`."""
        self._thread.start()
        try:
            yield
        finally:
            self.stop()

    def stop(self) -> None:
        """Send no more; returns when all that was sent is in Kafka."""
        self._stop.set()
        self._thread.join(30)

    def _run(self) -> None:
        producer = Producer({"bootstrap.servers": self.address, "linger.ms": 5})
        begun = time.monotonic()
        while not self._stop.wait(0.02):
            while self.sent < (time.monotonic() - begun) * RATE:
                self.sent += 1
                producer.produce(self.topic, _trace(self.sent))
            producer.poll(0)
        producer.flush()


def _trace(number: int) -> bytes:
    now = time.time_ns() // 10**6
    root = span(number, 1, name="POST /pay", start=now - 30, end=now)
    charge = span(number, 2, parent=1, name="charge", start=now - 20, end=now - 10)
    return request(("shop", [root, charge])).SerializeToString()


@dataclass(frozen=True)
class Outcome:
    """Counts: of traces sent, of evidence in the topic and of what the endpoint wrote, by violation."""

    traces: int
    away: float  # seconds
    waiting: int  # records that waited in the topic when the endpoint came back
    topic: Counter[tuple[str, str]]  # (violation, span id)
    arrived: Counter[tuple[str, str]]

    def check(self) -> None:
        """All is there, and nothing under two ids; AssertionError says what is not."""
        assert len(self.topic) == self.traces, (len(self.topic), self.traces)
        missing, foreign = self.topic.keys() - self.arrived.keys(), self.arrived.keys() - self.topic.keys()
        assert not missing, (len(missing), list(missing)[:3])
        assert not foreign, (len(foreign), list(foreign)[:3])
        assert len({violation for violation, _ in self.arrived}) == len(self.arrived)

    def __str__(self) -> str:
        missing = len(self.topic.keys() - self.arrived.keys())
        two_ids = len(self.arrived) - len({violation for violation, _ in self.arrived})
        repeats = sum(self.arrived.values()) - len(self.arrived)
        before = sum(self.topic.values()) - len(self.topic)
        return (
            f"endpoint away for {self.away:.0f} s, worker killed meanwhile: {self.traces:,} violations, "
            f"{self.waiting:,} spans waited in the topic, {len(self.arrived):,} arrived, {missing} missing, "
            f"{two_ids} under two ids, {repeats} repeats under the same id, {before} of them in the topic"
        )


def outage(kafka: Kafka, otelcol: str, folder: Path, seconds: float, protocol: str = "grpc") -> Outcome:
    """Run it: the endpoint is away for so long, and in the middle of that a worker is killed."""
    file, at = folder / "arrived.jsonl", Collector()
    group = f"outage-{uuid.uuid4().hex[:8]}"
    betrace = _betrace(kafka, group, folder, f"http://{at.grpc if protocol == 'grpc' else at.http}", protocol)
    endpoint = partial(collector, otelcol, TO_FILE, folder, {"OUTPUT_FILE": str(file)}, at)
    load = Load(kafka.address, f"{group}.input")
    patience = 60 + 2 * seconds

    def reached(what: str, count: float, look: Callable[[], int]) -> None:
        until(f"{what}: {count:.0f}", lambda: True if look() >= count else None, patience)

    with betrace.start("worker") as victim, load.running():
        with endpoint():
            reached("violations arrive", 3 * RATE, lambda: _spans_in(file))
        gone, at_first = time.monotonic(), load.sent
        reached("half of the time", at_first + seconds * RATE / 2, lambda: load.sent)
        victim.send_signal(signal.SIGKILL)
        with betrace.start("worker") as worker:
            reached("all of the time", at_first + seconds * RATE, lambda: load.sent)
            away, waiting = time.monotonic() - gone, sum(_in_topic(kafka, group).values()) - _spans_in(file)
            with endpoint():
                load.stop()
                reached("violations found", load.sent, lambda: len(_in_topic(kafka, group)))
                topic = _in_topic(kafka, group)
                reached("violations arrived", len(topic), lambda: len(topic.keys() & _arrived(file).keys()))
                worker.terminate()
                worker.wait(30)
    return Outcome(load.sent, away, waiting, topic, _arrived(file))


def _betrace(kafka: Kafka, group: str, folder: Path, url: str, protocol: str) -> Betrace:
    rules = folder / "rules.yaml"
    rules.write_text(_RULES)
    betrace = Betrace.on(kafka, group, folder)
    settings = {
        "KAFKA_INPUT_TOPICS": f"{group}.input",
        "TRACE_ROOT_GRACE": "500ms",
        "TRACE_MAX_WAIT": "5s",
        "TRACE_TICK": "200ms",
        "RULES_FILES": str(rules),
        "EVIDENCE_OTLP_ENDPOINT": url,
        "EVIDENCE_OTLP_PROTOCOL": protocol,
    }
    for name, value in settings.items():
        betrace.set(name, value)
    return betrace


def _spans_in(file: Path) -> int:
    return file.read_bytes().count(f'"name":"{VIOLATION}"'.encode()) if file.exists() else 0


def _arrived(file: Path) -> Counter[tuple[str, str]]:
    return Counter(pair for each in written(file) for pair in _violations(each))


def _in_topic(kafka: Kafka, group: str) -> Counter[tuple[str, str]]:
    config = KafkaConfig((kafka.address,), group=group)
    with Ranges(config, "test") as reader:
        values = [record.value() or b"" for record in reader.records(reader.of(Topics(group).evidence))]
    return Counter(
        pair for each in values for pair in _violations(ExportTraceServiceRequest.FromString(each))
    )


def _violations(sent: ExportTraceServiceRequest) -> Iterator[tuple[str, str]]:
    for group in sent.resource_spans:
        for scope in group.scope_spans:
            for each in scope.spans:
                told = {a.key: a.value.string_value for a in each.attributes}
                if each.name == VIOLATION:
                    yield told["betrace.violation.id"], each.span_id.hex()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--protocol", choices=("grpc", "http"), default="grpc")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="betrace-outage-") as name:
        kafka = Kafka(Path(name) / "kafka")
        try:
            outcome = outage(kafka.start(), built(), Path(name), given.minutes * 60, given.protocol)
        finally:
            kafka.remove()
    print(outcome)
    outcome.check()


if __name__ == "__main__":
    main()
