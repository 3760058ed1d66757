"""A worker that is stuck ends itself on a real broker, and the next one finishes its work."""

import json
from pathlib import Path

import pytest

from tests.integration.processes import Betrace, until
from tests.kafka import Kafka, create_topic

DATA = Path(__file__).parent.parent / "data" / "train-ticket"
FILES = [DATA / "normal.jsonl.gz", DATA / "faults.jsonl.gz"]
RULES = Path(__file__).parent / "train-ticket.yaml"
SPANS = 15_940
STUCK = 3  # exit code


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, set for this test's group, with little patience."""
    create_topic(kafka.address, f"{group}.input", 2)
    settings = {
        "KAFKA_BROKERS": kafka.address,
        "KAFKA_GROUP": group,
        "KAFKA_INPUT_TOPICS": f"{group}.input:otlp_json",
        "KAFKA_PARTITIONS": "2",
        "KAFKA_REPLICATION_FACTOR": "1",
        "TRACE_ROOT_GRACE": "3s",
        "TRACE_MAX_WAIT": "10s",
        "TRACE_TICK": "200ms",
        "RULES_FILES": str(RULES),
        "WORKER_WATCHDOG": "6s",
    }
    return Betrace(settings, tmp_path)


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ("freeze@block-written:3", "its event loop is frozen"),
        ("freeze@fetch:100", "its group does not know it"),
        ("mute@fetch:100", "has records, and nothing moves"),
    ],
)
def test_a_stuck_worker_ends_itself_and_the_next_one_finishes(
    betrace: Betrace, point: str, said: str
) -> None:
    files = [word for file in FILES for word in ("--traces", str(file))]
    done = betrace.run("check", "--rules", str(RULES), *files, "--format", "json", code=1)
    wanted = {v["id"] for v in json.loads(done)["verdicts"] if v["verdict"] == "violated"}
    betrace.run("topics", "create")
    with betrace.start("worker", WORKER_CRASH_AT=point) as stuck, betrace.api() as api:
        betrace.run("produce", *map(str, FILES))
        until("the worker ends itself", stuck.poll)
        log = (betrace.folder / "worker-1.log").read_text()
        assert stuck.returncode == STUCK, log
        assert (
            f"the worker ends itself, so that another takes over: {said}" in " ".join(log.split())
            or said in log
        )
        assert "most recent call first" in log
        with betrace.start("worker"):
            betrace.settled(SPANS)
            violations = api.violations(len(wanted))
    assert {v["id"] for v in violations} == wanted


def test_while_kafka_is_away_a_worker_waits(betrace: Betrace, kafka: Kafka) -> None:
    betrace.run("topics", "create")
    with betrace.worker() as worker:
        until("the worker owns partitions", worker.ready)
        with kafka.silenced():
            until("it is seen that Kafka is away", lambda: worker.ready() is None or None)
        until("it goes on", worker.ready)
