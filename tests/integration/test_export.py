"""Evidence reaches an OTLP endpoint, whatever happens to it and to the workers."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import REGISTRY

from streams.config import Endpoint
from streams.config import Kafka as KafkaConfig
from streams.endpoint import sender
from streams.exporter import Exporter
from tests.integration.outage import outage
from tests.integration.processes import Betrace, free_port, until
from tests.kafka import Kafka, create_topic
from tests.streams.spans import request, span
from tests.web import Answer, Web, serving

BAD = b"refuse me"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_nothing_is_lost_while_the_endpoint_is_away_and_a_worker_is_killed(
    kafka: Kafka, otelcol: str, tmp_path: Path, protocol: str
) -> None:
    outcome = outage(kafka, otelcol, tmp_path, 20, protocol)
    print(outcome)
    outcome.check()
    assert outcome.waiting >= 500


@contextlib.contextmanager
def exporting(kafka: Kafka, group: str, web: Web) -> Iterator[None]:
    endpoint = Endpoint(f"http://{web.address}", "http")
    config = KafkaConfig((kafka.address,), group=group)
    exporter = Exporter(config, sender(endpoint, lambda: 0), chance=lambda: 0)
    exporter.start()
    try:
        yield
    finally:
        exporter.stop()


def fill(kafka: Kafka, group: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": kafka.address})
    for value in values:
        producer.produce(f"{group}.evidence", value, partition=0)
    producer.flush()


def numbered(number: int, name: str = "work") -> bytes:
    return request(("betrace", [span(number, number, name=name)])).SerializeToString()


def arrived(web: Web) -> set[int]:
    """The numbers of the spans in requests that were taken."""
    sent = [ExportTraceServiceRequest.FromString(body) for _, _, body in web.seen if BAD not in body]
    groups = [group for each in sent for group in each.resource_spans]
    return {int.from_bytes(group.scope_spans[0].spans[0].span_id, "big") for group in groups}


def committed(kafka: Kafka, group: str) -> int:
    """The offset that the exporters have committed; negative if none."""
    consumer = Consumer({"bootstrap.servers": kafka.address, "group.id": f"{group}-export"})

    def look() -> int | None:
        with contextlib.suppress(KafkaException):  # a young group's coordinator is not known at once
            return int(consumer.committed([TopicPartition(f"{group}.evidence", 0)], timeout=10)[0].offset)
        return None

    try:
        return until("the coordinator answers", look)
    finally:
        consumer.close()


def exported(outcome: str) -> float:
    return REGISTRY.get_sample_value("betrace_export_spans_total", {"outcome": outcome}) or 0.0


def picky(body: bytes) -> Answer:
    return (400, {}, b"bad span") if BAD in body else (200, {}, b"")


def test_what_the_endpoint_refuses_or_nobody_can_read_is_left_behind_alone(kafka: Kafka, group: str) -> None:
    create_topic(kafka.address, f"{group}.evidence", 1)
    values = [numbered(n, BAD.decode() if n % 100 == 7 else "work") for n in range(1, 301)]
    fill(kafka, group, [*values[:50], b"\xff no request", *values[50:]])
    before = [exported(outcome) for outcome in ("taken", "refused", "unreadable")]
    web = Web()
    web.answer_to = picky
    with serving(web), exporting(kafka, group, web):
        until("all is committed", lambda: True if committed(kafka, group) == 301 else None)
    assert arrived(web) == {n for n in range(1, 301) if n % 100 != 7}
    after = [exported(outcome) for outcome in ("taken", "refused", "unreadable")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [297, 3, 1]


@pytest.mark.parametrize("status", [400, 401, 404, 503])
def test_an_endpoint_that_takes_nothing_at_all_loses_nothing(kafka: Kafka, group: str, status: int) -> None:
    create_topic(kafka.address, f"{group}.evidence", 1)
    fill(kafka, group, [numbered(n) for n in range(1, 6)])
    web = Web()
    web.answer = (status, {"retry-after": "1"}, b"")
    with serving(web), exporting(kafka, group, web):
        until("it was tried again", lambda: True if len(web.seen) >= 4 else None)
        assert committed(kafka, group) < 0
        web.answer = (200, {}, b"")
        until("all is committed", lambda: True if committed(kafka, group) == 5 else None)
    assert arrived(web) == {1, 2, 3, 4, 5}


def test_a_worker_shows_its_headers_to_the_endpoint_alone(kafka: Kafka, group: str, tmp_path: Path) -> None:
    (tmp_path / "headers").write_text("x-scope-orgid: s3cr3t-tenant\n")
    betrace, web = Betrace.on(kafka, group, tmp_path), Web()
    web.answer = (401, {}, b"no: s3cr3t-tenant")
    for name, value in {
        "EVIDENCE_OTLP_ENDPOINT": f"http://{web.address}",
        "EVIDENCE_OTLP_PROTOCOL": "http",
        "EVIDENCE_OTLP_HEADERS_FILE": str(tmp_path / "headers"),
        "LOG_LEVEL": "debug",
    }.items():
        betrace.set(name, value)
    fill(kafka, group, [numbered(1)])
    with serving(web), betrace.worker() as worker:
        until("it was tried", lambda: True if web.seen else None)
        until("it says so", lambda: "export_stalled_seconds 0.0" not in worker.metrics() or None)
        shown = worker.metrics() + betrace.run("config")
        web.answer = (200, {}, b"")
        until("all is committed", lambda: True if committed(kafka, group) == 1 else None)
    assert {orgid for _, orgid, _ in web.seen} == {"s3cr3t-tenant"}
    log = (tmp_path / "worker-1.log").read_text()
    assert "the endpoint takes no evidence, which waits in its topic: HTTP 401" in log
    assert "s3cr3t" not in shown + log


def test_dev_exports_from_its_embedded_broker(tmp_path: Path) -> None:
    web = Web()
    betrace = Betrace({"API_LISTEN": f"127.0.0.1:{free_port()}"}, tmp_path)
    betrace.set("EVIDENCE_OTLP_ENDPOINT", f"http://{web.address}").set("EVIDENCE_OTLP_PROTOCOL", "http")
    with serving(web), betrace.start("dev"):
        until(
            "a violation arrives",
            lambda: True if any(b"rule_id" in body for _, _, body in web.seen) else None,
        )


def test_an_exporter_goes_on_while_another_comes_and_goes(kafka: Kafka, group: str) -> None:
    create_topic(kafka.address, f"{group}.evidence", 1)
    fill(kafka, group, [numbered(n) for n in range(1, 6)])
    web = Web()
    web.answer = (503, {}, b"")
    with serving(web), exporting(kafka, group, web):
        until("it has tried", lambda: True if web.seen else None)
        with exporting(kafka, group, web):
            tried = len(web.seen)
            until("one tries on", lambda: True if len(web.seen) > tried + 2 else None)
        web.answer = (200, {}, b"")
        until("all is committed", lambda: True if committed(kafka, group) == 5 else None)
        fill(kafka, group, [numbered(6)])
        until("what comes is committed", lambda: True if committed(kafka, group) == 6 else None)
    assert arrived(web) == {1, 2, 3, 4, 5, 6}
