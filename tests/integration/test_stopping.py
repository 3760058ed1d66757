"""A worker that is told to stop, under load and at awkward moments: in time, in order, without a gap."""

import asyncio
import gzip
import json
import re
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from streams.activity import Version
from streams.config import Config, InputTopic, Kafka, Windows
from streams.inputs import Inputs
from streams.judge import Rules
from streams.worker import Worker
from tests.integration.processes import Api, Betrace, free_port, until
from tests.kafka import Kafka as Broker

DATA = Path(__file__).parent.parent / "data" / "train-ticket"
FILES = [DATA / "normal.jsonl.gz", DATA / "faults.jsonl.gz"]
RULES = Path(__file__).parent / "train-ticket.yaml"
SPANS = 15_940
COPIES, PACE = 20, 0.01  # of the files, and seconds between two of their lines
IN_TIME = 10.0  # seconds in which a worker ends


@pytest.fixture
def betrace(kafka: Broker, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, set for this test's group, topics, folder and short windows."""
    return Betrace.of(
        kafka,
        group,
        tmp_path,
        partitions=4,
        KAFKA_PARTITIONS="4",
        TRACE_ROOT_GRACE="12s",
        TRACE_MAX_WAIT="25s",
        TRACE_TICK="200ms",
        RULES_FILES=str(RULES),
    )


def expected(betrace: Betrace) -> set[str]:
    """The ids of all violations, by `betrace check`."""
    files = [word for file in FILES for word in ("--traces", str(file))]
    done = betrace.run("check", "--rules", str(RULES), *files, "--format", "json", code=1)
    return {v["id"] for v in json.loads(done)["verdicts"] if v["verdict"] == "violated"}


def stream(betrace: Betrace, begun: threading.Event) -> None:
    """Send all lines of the files, often enough that it takes a while."""
    lines = [line for file in FILES for line in gzip.decompress(file.read_bytes()).splitlines()]
    producer = Producer({"bootstrap.servers": betrace.settings["KAFKA_BROKERS"]})
    for number, line in enumerate(lines * COPIES):
        producer.produce(betrace.settings["KAFKA_INPUT_TOPICS"].partition(":")[0], line)
        producer.poll(0)
        time.sleep(PACE)
        if number > len(lines):
            begun.set()
    producer.flush()


def said(worker: Api) -> str | None:
    """What a worker is waiting for; None when it does not answer."""
    try:
        with urllib.request.urlopen(f"{worker.url}/readyz", timeout=5) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as problem:
        return problem.read().decode()
    except OSError:
        return None


def inputs(worker: Api) -> int:
    """How many input partitions a worker owns."""
    lags = re.findall(
        r"^betrace_kafka_consumer_lag{.*topic=\"[^\"]+\.input\"}", worker.metrics(), re.MULTILINE
    )
    return len(lags)


def test_under_load_one_leaves_in_time_and_the_other_goes_on_at_once(betrace: Betrace, group: str) -> None:
    wanted = expected(betrace)
    betrace.run("topics", "create")
    address = f"127.0.0.1:{free_port()}"
    with betrace.worker() as stays, betrace.start("worker", METRICS_LISTEN=address) as leaves:
        for each in (stays, Api(f"http://{address}")):
            until("a worker owns partitions", each.ready)
        until("both have a share", lambda: inputs(stays) == 2 or None)
        begun = threading.Event()
        load = threading.Thread(target=stream, args=(betrace, begun))
        load.start()
        assert begun.wait(30)
        asked = time.monotonic()
        leaves.send_signal(signal.SIGTERM)
        assert leaves.wait(IN_TIME) == 0
        admin = AdminClient({"bootstrap.servers": betrace.settings["KAFKA_BROKERS"]})
        left = admin.describe_consumer_groups([group])[group].result(30)
        assert len(left.members) == 1, "the group waits for the worker's session to end"
        until("the other owns all input partitions", lambda: inputs(stays) == 4 or None)
        until("the other judges", stays.ready)
        print(f"another worker judges {time.monotonic() - asked:.1f} s after the signal")
        assert load.is_alive(), "the load was over before the worker had left"
        load.join()
        with betrace.api() as api:
            betrace.settled(SPANS * COPIES)
            violations = api.violations(len(wanted))
    assert {v["id"] for v in violations} == wanted


class NoRules:
    """A rules log that is never read: nothing is judged."""

    ready = False

    def in_force(self) -> Rules:
        raise NotImplementedError

    def in_force_at(self, offset: int) -> list[Version]:
        raise NotImplementedError


def test_a_tick_that_finds_the_consumer_closed_does_not_fail_a_worker_that_stops(
    betrace: Betrace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    betrace.run("topics", "create")
    said = betrace.settings
    config = Config(
        Kafka(
            (said["KAFKA_BROKERS"],),
            input_topics=(InputTopic(said["KAFKA_INPUT_TOPICS"].partition(":")[0]),),
            group=said["KAFKA_GROUP"],
            partitions=4,
        ),
        Windows(tick=0.05),
        data_dir=betrace.folder,
    )
    tick = Inputs.tick

    async def work() -> None:
        stop = asyncio.Event()
        worker = Worker(config, NoRules(), time.time_ns)

        async def late(inputs: Inputs, slowest: int | None, crowded: bool = False) -> None:
            if inputs.owned:
                stop.set()
                consumer: Any = worker.app.consumer
                while not consumer._thread.thread_loop.is_closed():
                    await asyncio.sleep(0)
            await tick(inputs, slowest, crowded)

        monkeypatch.setattr(Inputs, "tick", late)
        await worker.run(stop)

    with caplog.at_level("INFO", "betrace.worker"):
        asyncio.run(work())
    assert "Event loop is closed" in caplog.text  # it did find that


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_while_it_joins_and_recovers_a_worker_ends_in_order(betrace: Betrace, signal_number: int) -> None:
    betrace.run("topics", "create")
    address = f"127.0.0.1:{free_port()}"
    with betrace.start("worker", METRICS_LISTEN=address) as worker:
        until(
            "it answers, and is not ready",
            lambda: "recovered" in (said(Api(f"http://{address}")) or "") or None,
        )
        worker.send_signal(signal_number)
        assert worker.wait(IN_TIME) == 0


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of what takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_before_kafka_has_answered_a_worker_ends_at_once(
    betrace: Betrace, silent: str, signal_number: int
) -> None:
    address = f"127.0.0.1:{free_port()}"
    with betrace.start("worker", KAFKA_BROKERS=silent, METRICS_LISTEN=address) as worker:
        until("it has started", lambda: "Kafka" in (said(Api(f"http://{address}")) or "") or None)
        worker.send_signal(signal_number)
        assert worker.wait(5) == 0


def test_while_kafka_is_away_a_worker_ends_in_time_and_at_a_second_signal_at_once(
    betrace: Betrace, kafka: Broker
) -> None:
    betrace.run("topics", "create")
    address, other = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    with (
        betrace.start("worker", METRICS_LISTEN=address) as twice,
        betrace.start("worker", METRICS_LISTEN=other) as once,
    ):
        for each in (address, other):
            until("it owns partitions", Api(f"http://{each}").ready)
        with kafka.silenced():
            for process in (twice, once):
                process.send_signal(signal.SIGTERM)
            until("it has heard the signal", lambda: said(Api(f"http://{address}")) is None or None)
            assert twice.poll() is None
            twice.send_signal(signal.SIGTERM)
            assert twice.wait(2) == 128 + signal.SIGTERM
            assert once.wait(IN_TIME) in (0, 1)


def test_a_command_that_is_broken_off_is_told_from_one_that_found_violations(betrace: Betrace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as kafka:
        address = f"127.0.0.1:{kafka.getsockname()[1]}"
        with betrace.start("replay", "--from", "1h", KAFKA_BROKERS=address) as replay:
            kafka.settimeout(30)
            connection, _ = kafka.accept()
            with connection:  # it asks, and is not answered
                replay.send_signal(signal.SIGINT)
                assert replay.wait(30) == 130
    assert (betrace.folder / "replay-1.log").read_text().strip() == "betrace: interrupted"
