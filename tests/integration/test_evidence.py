"""Evidence on its way through stock Collectors, with the configurations that we ship."""

import contextlib
import json
import random
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Producer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client import REGISTRY

from app import clock
from streams.config import Endpoint
from streams.config import Kafka as KafkaConfig
from streams.endpoint import sender
from streams.evidence import nanoseconds, records
from streams.exporter import Exporter
from streams.otlp import json_of_request
from streams.own_spans import SCOPE
from streams.ranges import Ranges
from streams.topics import Topics
from streams.trace_files import TracesPiece, read
from streams.upheld import records as records_of_upheld
from tests.integration.collector import CONFIGS, TO_FILE, Collector, collector, post, spans_in, written
from tests.integration.processes import Betrace, until
from tests.kafka import Kafka, create_topic
from tests.streams.test_compliance import held_on
from tests.streams.test_evidence import random_violation

FAULTS = Path(__file__).parents[1] / "data" / "train-ticket" / "faults.jsonl.gz"
FAULT = "67777faa8a4f9d8af4fc8c7ad1b35883"  # at 09:04:11: no prices are asked for
RULES = Path(__file__).parent / "evidence.yaml"
GOLDEN = Path(__file__).parent / "train-ticket-fault.json"
TO_BOTH, FROM_TOPIC = CONFIGS / "to-kafka-and-tempo.yaml", CONFIGS / "evidence-to-tempo.yaml"


def of_file(file: Path, wanted: Callable[[str], bool] = lambda _: True) -> list[bytes]:
    """The spans in a file with resource and scope, of the scopes that are wanted."""
    return sorted(span for request in written(file) for span in spans_in(request, wanted))


def in_topic(kafka: Kafka, group: str) -> list[bytes]:
    """The spans in the evidence topic, likewise."""
    return sorted(span for request in requests_in(kafka, group) for span in spans_in(request))


def exported(outcome: str) -> float:
    return REGISTRY.get_sample_value("betrace_export_spans_total", {"outcome": outcome}) or 0.0


@contextlib.contextmanager
def store(
    otelcol: str, folder: Path, name: str, at: Collector | None = None
) -> Iterator[tuple[Collector, Path]]:
    """What stands for Tempo: it writes what it gets to a file."""
    (folder / name).mkdir()
    file = folder / name / "spans.jsonl"
    with collector(otelcol, TO_FILE, folder / name, {"OUTPUT_FILE": str(file)}, at) as running:
        yield running, file


def test_what_both_ways_bring_to_a_store_is_what_was_meant_field_by_field(
    kafka: Kafka, otelcol: str, group: str, tmp_path: Path
) -> None:
    rnd = random.Random(15)
    create_topic(kafka.address, f"{group}.evidence", 2)
    violations = [json.dumps(random_violation(rnd)).encode() for _ in range(500)]
    sent = [*records(violations), *records_of_upheld([held_on(n) for n in range(1, 20)])]
    meant = sorted(produced(kafka, group, sent))
    before = exported("taken")
    with (
        store(otelcol, tmp_path, "pulled") as (pulled, by_receiver),
        store(otelcol, tmp_path, "pushed") as (pushed, by_exporter),
        collector(otelcol, FROM_TOPIC, tmp_path, evidence_settings(kafka, group, pulled)),
    ):
        endpoint = sender(Endpoint(f"http://{pushed.grpc}"), clock.now)
        exporter = Exporter(KafkaConfig((kafka.address,), group=group), endpoint)
        exporter.start()
        try:
            until("all is pushed", lambda: len(of_file(by_exporter)) >= len(meant) or None)
            until("all is pulled", lambda: len(of_file(by_receiver)) >= len(meant) or None)
            until("all is counted", lambda: exported("taken") - before >= len(meant) or None)
        finally:
            exporter.stop()
    assert of_file(by_receiver) == meant
    assert of_file(by_exporter) == meant
    assert exported("rejected") == exported("refused") == 0
    assert len(meant) > 1000


def test_a_collector_that_is_stopped_while_the_store_is_away_loses_nothing(
    kafka: Kafka, otelcol: str, group: str, tmp_path: Path
) -> None:
    create_topic(kafka.address, f"{group}.evidence", 2)
    meant = sorted(produced(kafka, group, records_of_upheld([held_on(n) for n in range(1, 100)])))
    at = Collector()
    settings = evidence_settings(kafka, group, at)
    log = tmp_path / f"{FROM_TOPIC.stem}.log"
    with collector(otelcol, FROM_TOPIC, tmp_path, settings):
        until("it has tried", lambda: "connection refused" in log.read_text() or None)
    with (
        store(otelcol, tmp_path, "tempo", at) as (_, file),
        collector(otelcol, FROM_TOPIC, tmp_path, settings),
    ):
        until("all is there", lambda: set(meant) <= set(of_file(file)) or None)
    assert set(of_file(file)) == set(meant)


def produced(kafka: Kafka, group: str, sent: list[tuple[str, bytes]]) -> list[bytes]:
    """Write records to the evidence topic; the spans in them."""
    producer = Producer({"bootstrap.servers": kafka.address})
    for key, value in sent:
        producer.produce(f"{group}.evidence", value, key.encode())
    producer.flush()
    requests = [ExportTraceServiceRequest.FromString(value) for _, value in sent]
    return [span for request in requests for span in spans_in(request)]


def evidence_settings(kafka: Kafka, group: str, tempo: Collector) -> dict[str, str]:
    return {
        "KAFKA_BROKERS": kafka.address,
        "KAFKA_TOPIC": f"{group}.evidence",
        "KAFKA_CONSUMER_GROUP": f"{group}-tempo",
        "TEMPO_ENDPOINT": tempo.grpc,
    }


def fault(end: int) -> list[ExportTraceServiceRequest]:
    """The spans of the fault's trace, moved in time so that its root ends then (Unix ns)."""
    found = []
    for piece in read(str(FAULTS)):
        assert isinstance(piece, TracesPiece)
        for group in piece.request.resource_spans:
            for scope in group.scope_spans:
                kept = [span for span in scope.spans if span.trace_id.hex() == FAULT]
                del scope.spans[:]
                scope.spans.extend(kept)
        if any(scope.spans for group in piece.request.resource_spans for scope in group.scope_spans):
            found.append(piece.request)
    spans = [span for each in found for span in all_spans(each)]
    shift = end - max(span.end_time_unix_nano for span in spans)
    for span in spans:
        span.start_time_unix_nano += shift
        span.end_time_unix_nano += shift
    return found


def all_spans(request: ExportTraceServiceRequest) -> list[Span]:
    return [span for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]


@pytest.mark.timeout(900)
def test_a_real_fault_stands_in_its_trace_as_the_collector_wrote_it(
    kafka: Kafka, otelcol: str, group: str, tmp_path: Path
) -> None:
    betrace = Betrace.on(kafka, group, tmp_path)
    settings = {
        "KAFKA_INPUT_TOPICS": f"{group}.input",
        "RULES_FILES": str(RULES),
        "TRACE_ROOT_GRACE": "1s",
        "TRACE_TICK": "200ms",
    }
    for name, value in settings.items():
        betrace.set(name, value)
    with (
        store(otelcol, tmp_path, "tempo") as (tempo, file),
        collector(otelcol, TO_BOTH, tmp_path, input_settings(kafka, group, tempo)) as app,
        collector(otelcol, FROM_TOPIC, tmp_path, evidence_settings(kafka, group, tempo)),
        betrace.worker() as worker,
    ):
        until("the worker is ready", worker.ready)
        sent = fault(clock.now())
        for request in sent:
            until("the Collector takes spans", partial(post, app.http, request))
        until("the evidence is there", lambda: len(in_topic(kafka, group)) >= 4 or None)
        evidence = in_topic(kafka, group)
        until("it is in the store", lambda: len(of_file(file, is_own_scope)) >= len(evidence) or None)
        brought = list(written(file))
        for request in requests_in(kafka, group):
            assert post(app.http, request)
        own = f"betrace_own_spans_total {len(evidence)}.0"
        until("they came back and were known", lambda: own in worker.metrics() or None)
        betrace.settled(10 + len(evidence))
        assert in_topic(kafka, group) == evidence
    meant = sorted(span for request in sent for span in spans_in(request))
    assert sorted(s for each in brought for s in spans_in(each, lambda scope: scope != SCOPE)) == meant
    assert sorted(s for each in brought for s in spans_in(each, is_own_scope)) == evidence
    shown = golden(brought)
    (tmp_path / GOLDEN.name).write_text(shown)
    assert shown == GOLDEN.read_text(), f"compare {tmp_path / GOLDEN.name}"


def is_own_scope(scope: str) -> bool:
    return scope == SCOPE


def input_settings(kafka: Kafka, group: str, tempo: Collector) -> dict[str, str]:
    return {
        "KAFKA_BROKERS": kafka.address,
        "KAFKA_TOPIC": f"{group}.input",
        "TEMPO_ENDPOINT": tempo.grpc,
    }


def golden(found: list[ExportTraceServiceRequest]) -> str:
    """The trace for reading: in the order of times, which are ms after its start."""
    parts = [part for each in found for part in json.loads(json_of_request(each))["resourceSpans"]]
    flat = [
        {"resource": part["resource"], "scope": scope.get("scope", {}), **span}
        for part in parts
        for scope in part["scopeSpans"]
        for span in scope.get("spans", ())
    ]
    assert {span["traceId"] for span in flat} == {FAULT}
    start = min(int(span["startTimeUnixNano"]) for span in flat)
    end = max(int(span["endTimeUnixNano"]) for span in flat)
    for span in flat:
        for key in ("startTimeUnixNano", "endTimeUnixNano"):
            span[key] = (int(span[key]) - start) / 10**6
        for attribute in span.get("attributes", ()):
            if attribute["key"] == "betrace.violation.detected_at":
                assert end < nanoseconds(attribute["value"]["stringValue"]) <= clock.now()
                attribute["value"]["stringValue"] = "when it was found"
    flat.sort(key=lambda span: (span["startTimeUnixNano"], -span["endTimeUnixNano"], span["spanId"]))
    return json.dumps(flat, indent=1, ensure_ascii=False) + "\n"


def test_acts_of_the_api_become_compliance_spans(kafka: Kafka, group: str, tmp_path: Path) -> None:
    betrace = Betrace.on(kafka, group, tmp_path)
    with betrace.api() as api:
        assert create_rule(api.url, {}) == 201
        assert create_rule(api.url, {"origin": "https://elsewhere.example"}) == 403
    found = [span for each in requests_in(kafka, group) for span in all_spans(each)]
    told = [{a.key: a.value.string_value for a in span.attributes} for span in found]
    stated = {(a["compliance.operation"], a["compliance.framework"], a["compliance.control"]) for a in told}
    assert stated == {
        ("rule.change", "soc2", "CC8.1"),
        ("rule.change", "pci-dss", "6.5.1"),
        ("access.refuse", "soc2", "CC6.1"),
        ("access.refuse", "hipaa", "164.312(a)(1)"),
        ("access.refuse", "pci-dss", "7.3.1"),
    }
    assert {a["compliance.outcome"] for a in told} == {"success"}


def create_rule(url: str, headers: dict[str, str]) -> int:
    """The status that the API answers."""
    data, own = json.dumps({"id": "r", "condition": "any"}).encode(), {"content-type": "application/json"}
    asked = urllib.request.Request(f"{url}/api/rules", data, {**own, **headers})
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def requests_in(kafka: Kafka, group: str) -> list[ExportTraceServiceRequest]:
    with Ranges(KafkaConfig((kafka.address,), group=group), "test") as reader:
        found = list(reader.records(reader.of(Topics(group).evidence)))
    return [ExportTraceServiceRequest.FromString(record.value() or b"") for record in found]
