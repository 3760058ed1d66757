"""A stock OpenTelemetry Collector's Kafka exporter writes what BeTrace reads."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams.otlp import request_of_json, request_of_proto
from streams.trace_files import TracesPiece, read
from tests.integration.collector import CONFIGS, collector, post, spans_in
from tests.integration.processes import until
from tests.kafka import Kafka, create_topic

TOP = Path(__file__).parent.parent.parent
DATA = TOP / "tests" / "data"
FILES = [DATA / "otel-demo" / "traces.json", DATA / "otlp-edge-cases" / "jaeger_otel_traces_01.json"]


def values(address: str, topic: str) -> Iterator[bytes]:
    """The values in a topic of one partition, as they come."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": topic})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    try:
        while True:
            message = until("a record arrives", lambda: consumer.poll(1))
            assert not message.error()
            yield message.value() or b""
    finally:
        consumer.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("encoding", "reader"), [("otlp_proto", request_of_proto), ("otlp_json", request_of_json)]
)
def test_what_a_stock_collector_writes_is_read_as_what_it_was_sent(
    otelcol: str,
    kafka: Kafka,
    group: str,
    tmp_path: Path,
    encoding: str,
    reader: Callable[[bytes], ExportTraceServiceRequest],
) -> None:
    topic = f"{group}.input"
    create_topic(kafka.address, topic, 1)
    sent = [part.request for file in FILES for part in read(str(file)) if isinstance(part, TracesPiece)]
    expected = sorted(span for request in sent for span in spans_in(request))
    settings = {"KAFKA_BROKERS": kafka.address, "KAFKA_TOPIC": topic, "KAFKA_ENCODING": encoding}
    found: list[bytes] = []
    with collector(otelcol, CONFIGS / "to-kafka.yaml", tmp_path, settings) as running:
        for request in sent:
            until("the Collector takes spans", lambda request=request: post(running.http, request))  # type: ignore[misc]
        for value in values(kafka.address, topic):
            found += spans_in(reader(value))
            if len(found) >= len(expected):
                break
    assert sorted(found) == expected
