"""The sessions of the guides: machines of one's own, partitions, backup, erasing what tells of a person."""

import json
import re
import textwrap
from pathlib import Path

from tests.integration.processes import Api, Betrace, free_port, until
from tests.integration.test_chart import Pod
from tests.integration.test_kafka_security import TRACE
from tests.kafka import Kafka

TOP = Path(__file__).parents[2]
RULE = {"id": "charge-checked", "condition": "when { pay } always { audit }", "message": "charged unchecked"}


def test_partitions_backup_and_erasing_go_as_the_page_says(kafka: Kafka, group: str, tmp_path: Path) -> None:
    betrace = Betrace.on(kafka, group, tmp_path).set("TRACE_TICK", "200ms").set("TRACE_ROOT_GRACE", "1s")
    (tmp_path / "rules.yaml").write_text(json.dumps({"rules": [RULE]}))
    (tmp_path / "traces.json").write_text(json.dumps(TRACE))
    betrace.run("rules", "import", str(tmp_path / "rules.yaml"))
    with betrace.worker() as worker, betrace.api() as api:
        until("the worker owns partitions", worker.ready)
        betrace.run("produce", str(tmp_path / "traces.json"))
        api.violations(1)
        page = (TOP / "docs" / "maintenance.md").read_text()
        assert len(betrace.session(page, API=api.url)) > 8
        assert api.all_violations() == []


def test_what_is_no_violation_is_not_erased(kafka: Kafka, group: str, tmp_path: Path) -> None:
    betrace = Betrace.on(kafka, group, tmp_path)
    assert "is no id of a violation" in betrace.refused("erase", "--yes", "charge-checked")
    betrace.set("KAFKA_GROUP", f"{group}-other")
    assert f"{group}-other.violations does not exist" in betrace.refused("erase", "--yes", "0" * 32)


def test_the_readmes_lines_for_a_kafka_of_ones_own_work(kafka: Kafka, group: str, tmp_path: Path) -> None:
    block = re.findall(
        r"((?: {4}.*\n)+)", (TOP / "README.md").read_text().partition("## With a Kafka of your own")[2]
    )
    script = textwrap.dedent(block[0]).replace("localhost:9092", kafka.address)
    address = f"127.0.0.1:{free_port()}"
    pod = Pod({"KAFKA_GROUP": group, "API_LISTEN": address, "METRICS_LISTEN": "127.0.0.1:0"}, tmp_path)
    pod.set("KAFKA_INPUT_TOPICS", f"{group}.input")
    (pod.session_folder / "traces.jsonl").write_text(json.dumps(TRACE) + "\n")
    (pod.session_folder / "rules.yaml").write_text(json.dumps({"rules": [RULE]}))
    with pod.shell(script):
        api = Api(f"http://{address}")
        until("the API is ready", api.ready)
        found = until("a violation is there", lambda: api.all_violations() or None, 90)
    assert [each["message"] for each in found] == ["charged unchecked"]


def test_a_machine_is_set_up_as_the_page_says(kafka: Kafka, group: str, tmp_path: Path) -> None:
    settings = (TOP / "deploy" / "systemd" / "betrace.yaml").read_text()
    own = f'"{kafka.address}"]\n  group: {group}\n  input_topics: [{{name: {group}.input}}]'
    pod = Pod({}, tmp_path)
    file = pod.session_folder / "betrace.yaml"
    file.write_text(
        settings.replace('"localhost:9092"]', own).replace("/etc/betrace/rules", str(TOP / "deploy/rules"))
    )
    assert len(pod.session((TOP / "docs" / "machines.md").read_text())) == 3
