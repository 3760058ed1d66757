"""What `make run` has in one process, in many: the shop sends to a Collector, and its violations come."""

import signal
from pathlib import Path

import pytest

from tests.integration.collector import CONFIGS, collector
from tests.integration.processes import Betrace, free_port, until
from tests.kafka import Kafka

TOP = Path(__file__).parents[2]


@pytest.mark.timeout(900)
def test_the_shop_sends_through_a_collector_and_violates_its_rules(
    otelcol: str, kafka: Kafka, group: str, tmp_path: Path
) -> None:
    betrace = Betrace({"KAFKA_BROKERS": kafka.address, "KAFKA_GROUP": group}, tmp_path)
    betrace.set("KAFKA_INPUT_TOPICS", f"{group}.input").set("KAFKA_PARTITIONS", "2")
    betrace.set("KAFKA_REPLICATION_FACTOR", "1").set("TRACE_ROOT_GRACE", "1s").set("TRACE_TICK", "200ms")
    betrace.set("RULES_FILES", str(TOP / "deploy" / "rules" / "shop.yaml"))
    assert f"{group}.input" in betrace.run("topics", "create", "--inputs")
    assert betrace.run("topics", "create", "--inputs") == "all topics are there\n"
    told = {"KAFKA_BROKERS": kafka.address, "KAFKA_TOPIC": f"{group}.input"}
    with (
        collector(otelcol, CONFIGS / "to-kafka.yaml", tmp_path, told) as running,
        betrace.worker() as worker,
        betrace.api() as api,
    ):
        until("the worker is ready", worker.ready)
        with betrace.start("shop", f"http://{running.http}") as shop:
            until("a violation is there", lambda: api.all_violations() or None)
            shop.send_signal(signal.SIGTERM)
            assert shop.wait(10) == 0


def test_a_shop_waits_for_an_endpoint_that_is_away_and_says_so(tmp_path: Path) -> None:
    betrace = Betrace({}, tmp_path)
    for wrong in ("collector:4318", "http://", "http://collector:99999"):
        assert f"{wrong}: a URL is http(s)://host:port" in betrace.refused("shop", wrong)
    log = tmp_path / "shop-1.log"
    with betrace.start("shop", f"http://127.0.0.1:{free_port()}") as shop:
        until("it says so", lambda: "waiting for http" in log.read_text() or None)
        shop.send_signal(signal.SIGINT)
        assert shop.wait(10) == 0
    assert "Traceback" not in log.read_text()
