"""A worker that is stuck ends itself on a real broker, and the next one finishes its work."""

import json
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.integration.processes import Api, Betrace, free_port, until
from tests.kafka import Kafka

DATA = Path(__file__).parent.parent / "data" / "train-ticket"
FILES = [DATA / "normal.jsonl.gz", DATA / "faults.jsonl.gz"]
RULES = Path(__file__).parent / "train-ticket.yaml"
SPANS = 15_940
STUCK = 3  # exit code


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, set for this test's group, with little patience."""
    return Betrace.of(
        kafka,
        group,
        tmp_path,
        partitions=2,
        TRACE_ROOT_GRACE="3s",
        TRACE_MAX_WAIT="10s",
        TRACE_TICK="200ms",
        RULES_FILES=str(RULES),
        WORKER_WATCHDOG="6s",
    )


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


def in_transaction(betrace: Betrace) -> None:
    """Produce a span to both input partitions, each with the mark of its transaction's end after it."""
    settings = {"bootstrap.servers": betrace.settings["KAFKA_BROKERS"], "transactional.id": "test"}
    producer = Producer(settings)
    producer.init_transactions()
    producer.begin_transaction()
    for partition in (0, 1):
        span = {"traceId": f"{partition + 1:032x}", "spanId": "1" * 16, "name": "a"}
        value = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
        topic = betrace.settings["KAFKA_INPUT_TOPICS"].partition(":")[0]
        producer.produce(topic, value, partition=partition)
    producer.commit_transaction()


def kafka_time(betrace: Betrace) -> int:
    """The slowest clock, Unix ms."""
    clocks: dict[str, int] = json.loads(betrace.run("clock", "show", "--format", "json"))["clocks"]
    return min(clocks.values())


def test_a_worker_with_nothing_new_to_do_is_not_stuck(betrace: Betrace) -> None:
    betrace.run("topics", "create")
    in_transaction(betrace)
    for _ in range(2):
        idle_for_long(betrace)


def idle_for_long(betrace: Betrace) -> None:
    """Run a worker past its watchdog's patience with nothing to do."""
    address = f"127.0.0.1:{free_port()}"
    with betrace.start("worker", METRICS_LISTEN=address) as process:
        until("the worker owns partitions", Api(f"http://{address}").ready)
        betrace.settled(2)
        began = kafka_time(betrace)
        until("it has had nothing to do for long", lambda: kafka_time(betrace) > began + 15_000 or None)
        assert process.poll() is None


def test_while_kafka_is_away_a_worker_waits(betrace: Betrace, kafka: Kafka) -> None:
    betrace.run("topics", "create")
    with betrace.worker() as worker:
        until("the worker owns partitions", worker.ready)
        with kafka.silenced():
            until("it is seen that Kafka is away", lambda: worker.ready() is None or None)
        until("it goes on", worker.ready)
