"""The main job on a real broker: what the API shows equals what `betrace check` says of the same files."""

import json
import signal
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams.config import Kafka as KafkaConfig
from streams.crash import POINTS
from streams.own_spans import is_own
from streams.ranges import Ranges
from streams.topics import Topics
from tests.integration.processes import Betrace, until
from tests.kafka import Kafka

DATA = Path(__file__).parent.parent / "data" / "train-ticket"
FILES = [DATA / "normal.jsonl.gz", DATA / "faults.jsonl.gz"]
RULES = Path(__file__).parent / "train-ticket.yaml"
SPANS = 15_940


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, set for this test's group, topics, folder and short windows."""
    return Betrace.of(
        kafka,
        group,
        tmp_path,
        partitions=4,
        KAFKA_PARTITIONS="4",
        TRACE_ROOT_GRACE="3s",
        TRACE_MAX_WAIT="10s",
        TRACE_LATE_WINDOW="60s",
        TRACE_TICK="200ms",
        RULES_FILES=str(RULES),
    )


def expected(betrace: Betrace) -> set[tuple[str, str, str]]:
    """(id, rule, trace) of every violation, by `betrace check`."""
    files = [word for file in FILES for word in ("--traces", str(file))]
    done = betrace.run("check", "--rules", str(RULES), *files, "--format", "json", code=1)
    found = {
        (v["id"], v["ruleId"], v["traceId"])
        for v in json.loads(done)["verdicts"]
        if v["verdict"] == "violated"
    }
    assert len({rule for _, rule, _ in found}) >= 3
    return found


def linked(betrace: Betrace) -> list[tuple[str, str]]:
    """The violation and the trace that each span of the evidence topic is of: these are long past."""
    kafka = KafkaConfig((betrace.settings["KAFKA_BROKERS"],), group=betrace.settings["KAFKA_GROUP"])
    found = []
    with Ranges(kafka, "test") as reader:
        for message in reader.records(reader.of(Topics(kafka.group).evidence)):
            value = message.value()
            assert isinstance(value, bytes)
            sent = ExportTraceServiceRequest.FromString(value).resource_spans[0].scope_spans[0]
            span = sent.spans[0]
            assert (is_own(sent.scope.name, span), message.key()) == (True, span.trace_id.hex().encode())
            told = {a.key: a.value.string_value for a in span.attributes}
            assert {link.trace_id.hex() for link in span.links} == {told["betrace.violation.trace_id"]}
            found.append((told["betrace.violation.id"], told["betrace.violation.trace_id"]))
    return found


def test_two_workers_find_what_check_finds(betrace: Betrace) -> None:
    wanted = expected(betrace)
    betrace.run("topics", "create")
    with betrace.worker() as one, betrace.worker() as two, betrace.api() as api:
        for each in (one, two):
            until("a worker owns partitions", each.ready)
        betrace.run("produce", *map(str, FILES))
        betrace.settled(SPANS)
        violations = api.violations(len(wanted))
    assert {(v["id"], v["ruleId"], v["traceId"]) for v in violations} == wanted
    assert len(violations) == len({v["id"] for v in violations})
    assert all(v["decisionReason"] in ("root", "timeout") for v in violations)
    assert sorted(linked(betrace)) == sorted((v["id"], v["traceId"]) for v in violations)


def test_shuffled_doubled_and_with_a_killed_worker_they_find_the_same(betrace: Betrace) -> None:
    wanted = expected(betrace)
    betrace.run("topics", "create")
    betrace.set("TRACE_ROOT_GRACE", "12s").set("TRACE_MAX_WAIT", "25s")
    with betrace.start("worker"), betrace.start("worker") as victim, betrace.api() as api:
        betrace.produce_shuffled(FILES, copies=2, seed=3, between=lambda: victim.send_signal(signal.SIGKILL))
        with betrace.start("worker"):
            betrace.settled(2 * SPANS)
            violations = api.violations(len(wanted))
    assert {(v["id"], v["ruleId"], v["traceId"]) for v in violations} == wanted


@pytest.mark.parametrize("point", ["restored:3", "published", "tick-written"])
def test_killed_once_more_where_it_comes_back_to_state_the_next_worker_finds_the_same(
    betrace: Betrace, point: str
) -> None:
    wanted = expected(betrace)
    betrace.run("topics", "create")
    betrace.set("WORKER_DATA_DIR", str(betrace.folder / "data"))
    betrace.run("produce", *map(str, FILES))
    with betrace.api() as api:
        for crash in ("judged-written:2", point):
            with betrace.start("worker", WORKER_CRASH_AT=crash) as victim:
                until(f"the worker dies at {crash}", victim.poll)
                assert victim.returncode == -signal.SIGKILL
        with betrace.start("worker"):
            betrace.settled(SPANS)
            violations = api.violations(len(wanted))
    assert {(v["id"], v["ruleId"], v["traceId"]) for v in violations} == wanted


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_crash_point_the_next_worker_finds_the_same(betrace: Betrace, point: str) -> None:
    wanted = expected(betrace)
    betrace.run("topics", "create")
    with betrace.start("worker", WORKER_CRASH_AT=point) as victim, betrace.api() as api:
        betrace.run("produce", *map(str, FILES))
        until(f"the worker dies at {point}", victim.poll)
        assert victim.returncode == -signal.SIGKILL
        with betrace.start("worker"):
            betrace.settled(SPANS)
            violations = api.violations(len(wanted))
    assert {(v["id"], v["ruleId"], v["traceId"]) for v in violations} == wanted
