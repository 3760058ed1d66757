"""Alert rules: Prometheus' own tool checks and tries them, and Grafana's forms say the same."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.helm import TOP, tool
from tests.traceql import metrics

ALERTS = TOP / "deploy" / "grafana" / "alerts"
CASES = Path(__file__).parent / "alerts.test.yaml"
DATASOURCES = {"betrace", "prometheus", "tempo", "__expr__"}


def promtool(*arguments: str | Path) -> str:
    """What it prints; it has to succeed."""
    done = subprocess.run([tool("promtool"), *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def prometheus() -> dict[str, dict[str, Any]]:
    """The rules for Prometheus, by name."""
    groups = yaml.safe_load((ALERTS / "prometheus.yaml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def grafana(file: str) -> list[dict[str, Any]]:
    """The rules of a file for Grafana."""
    groups = yaml.safe_load((ALERTS / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.timeout(900)
def test_prometheus_takes_the_rules() -> None:
    assert "15 rules found" in promtool("check", "rules", "--lint-fatal", ALERTS / "prometheus.yaml")


@pytest.mark.timeout(900)
def test_each_alert_fires_when_it_has_to_and_not_else(tmp_path: Path) -> None:
    shutil.copy(ALERTS / "prometheus.yaml", tmp_path)
    shutil.copy(CASES, tmp_path)
    assert "SUCCESS" in promtool("test", "rules", tmp_path / CASES.name)
    cases = [case for test in yaml.safe_load(CASES.read_text())["tests"] for case in test["alert_rule_test"]]
    for fires in (True, False):
        tried = {case["alertname"] for case in cases if bool(case["exp_alerts"]) is fires}
        assert tried == prometheus().keys(), (
            "every alert needs a case in which it fires, and one in which not"
        )


def test_grafanas_rules_about_betrace_itself_are_those_for_prometheus() -> None:
    of_grafana = {
        data["model"]["expr"]
        for rule in grafana("betrace.yaml")
        for data in rule["data"]
        if data["datasourceUid"] == "prometheus"
    }
    groups = yaml.safe_load((ALERTS / "prometheus.yaml").read_text())["groups"]
    itself = next(group for group in groups if group["name"] == "betrace-itself")
    assert of_grafana == {rule["expr"] for rule in itself["rules"]}


@pytest.mark.parametrize("file", ["betrace.yaml", "tempo.yaml"])
def test_grafanas_rules_are_whole(file: str) -> None:
    rules = grafana(file)
    assert len({rule["uid"] for rule in rules}) == len({rule["title"] for rule in rules}) == len(rules)
    for rule in rules:
        references = [data["refId"] for data in rule["data"]]
        assert rule["condition"] == references[-1], rule["uid"]
        assert len(rule["uid"]) <= 40
        for data in rule["data"]:
            assert data["model"]["refId"] == data["refId"]
            assert data["datasourceUid"] in DATASOURCES
            asked = re.sub(r"is_number\(\$(\w)\)", r"\1", data["model"].get("expression", "A"))
            assert asked in references, rule["uid"]


def test_the_alerts_that_are_promised_stand_in_every_form() -> None:
    for file in ("betrace.yaml", "tempo.yaml"):
        titles = " ".join(rule["title"] for rule in grafana(file))
        for promised in ("Critical", "one rule", "Many", "SOC 2", "service"):
            assert promised in titles, (file, promised)


def test_tempos_queries_are_traceql_metrics() -> None:
    for rule in grafana("tempo.yaml"):
        query = rule["data"][0]["model"]["query"]
        assert metrics(query, []) == {}, query
        assert re.search(r"\| count_over_time\(\)( by\([\w., ]+\))?$", query), query
