"""What dashboards and alerts ask for is there: metrics of a worker and an API, fields of the datasource."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.deploy.helm import TOP, tool
from tests.integration.processes import Betrace, until
from tests.integration.test_kafka_security import RULE, TRACE
from tests.kafka import Kafka

GRAFANA = TOP / "deploy" / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
QUERY_GO = TOP / "grafana" / "datasource" / "pkg" / "models" / "query.go"
SETTINGS_TS = TOP / "grafana" / "app" / "src" / "settings.ts"
# of Grafana's own, and of Prometheus itself
OF_ALL_QUERIES = {"refId", "datasource", "intervalMs", "maxDataPoints"}
OF_PROMETHEUS = {"le", "instance", "job", "namespace"}
FIELDS = {"queryType", "severities", "rules", "services", "labels", "groupBy", "limit"}
VARIABLES = {
    "$namespace": ".*",
    "$__rate_interval": "5m",
    "$__range": "1h",
    "$rule": ".*",
    "$framework": ".*",
}


def targets(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every query of a dashboard."""
    for panel in dashboard["panels"]:
        assert panel["targets"], panel["title"]
        yield from panel["targets"]


def expressions() -> list[str]:
    """PromQL of all dashboards and alerts, with Grafana's variables filled in."""
    found = [
        target["expr"]
        for file in DASHBOARDS
        for target in targets(json.loads(file.read_text()))
        if "expr" in target
    ]
    for group in yaml.safe_load((GRAFANA / "alerts" / "prometheus.yaml").read_text())["groups"]:
        found += [rule["expr"] for rule in group["rules"]]
    for name, value in VARIABLES.items():
        found = [each.replace(name, value) for each in found]
    return found


@pytest.fixture(scope="module")
def texts(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The metrics of a worker and of an API after a violation."""
    folder = tmp_path_factory.mktemp("dashboards")
    betrace = Betrace.on(kafka, "test-dashboards", folder)
    (folder / "rule.yaml").write_text(RULE)
    (folder / "traces.json").write_text(json.dumps(TRACE))
    betrace.set("TRACE_ROOT_GRACE", "1s").set("TRACE_TICK", "200ms")
    betrace.set("RULES_FILES", str(folder / "rule.yaml"))
    with betrace.worker() as worker, betrace.api() as api:
        until("the worker is ready", worker.ready)
        betrace.run("produce", str(folder / "traces.json"))
        api.violations(1)
        return worker.metrics(), api.metrics()


@pytest.fixture(scope="module")
def shown(texts: tuple[str, str]) -> dict[str, set[str] | None]:
    """Every metric that the two show, with labels; None without a sample."""
    found: dict[str, set[str] | None] = {}
    for family in (each for text in texts for each in text_string_to_metric_families(text)):
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        for suffix in suffixes:
            labels = {name for sample in family.samples for name in sample.labels}
            found[f"{family.name}{suffix}"] = (labels if family.samples else None) or found.get(
                f"{family.name}{suffix}"
            )
    return found


def test_every_metric_that_is_asked_for_is_shown(shown: dict[str, set[str] | None]) -> None:
    asked = {name for each in expressions() for name in re.findall(r"\b(?:betrace|process)_\w+", each)}
    assert len(asked) > 30
    assert not asked - shown.keys()


def test_every_label_that_is_asked_for_is_one_of_its_metric(shown: dict[str, set[str] | None]) -> None:
    looked_at = 0
    for each in expressions():
        for name, matchers in re.findall(r"\b(betrace_\w+)\{([^}]*)\}", each):
            labels = shown[name]
            if labels is not None:
                looked_at += 1
                assert set(re.findall(r"(\w+)\s*(?:=~|=|!=)", matchers)) <= labels | OF_PROMETHEUS, each
        for names in re.findall(r"\bby \(([^)]*)\)", each):
            metrics = [shown[name] for name in re.findall(r"\bbetrace_\w+", each)]
            known = set().union(*(labels or () for labels in metrics)) | OF_PROMETHEUS
            if None not in metrics:
                assert {name.strip() for name in names.split(",")} <= known, each
    assert looked_at > 5


def test_what_is_missed_when_no_worker_runs_is_of_workers_alone(texts: tuple[str, str]) -> None:
    (missed,) = [name for each in expressions() for name in re.findall(r"absent\((\w+)\)", each)]
    worker, api = (re.search(rf"^{missed}[{{ ]", text, re.MULTILINE) for text in texts)
    assert worker
    assert not api


@pytest.mark.timeout(900)
def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"x{number}", "expr": each} for number, each in enumerate(expressions())]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": rules}]}))
    done = subprocess.run(
        [tool("promtool"), "check", "rules", tmp_path / "rules.yaml"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def of_datasource() -> Iterator[dict[str, Any]]:
    """Every query of the BeTrace datasource in dashboards and alerts."""
    for file in DASHBOARDS:
        for target in targets(json.loads(file.read_text())):
            if target["datasource"]["type"] == "betrace-datasource":
                yield target
    for group in yaml.safe_load((GRAFANA / "alerts" / "betrace.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield from (data["model"] for data in rule["data"] if data["datasourceUid"] == "betrace")


def test_every_query_of_the_datasource_names_fields_that_it_has() -> None:
    known = set(re.findall(r'`json:"(\w+)"`', QUERY_GO.read_text())) if QUERY_GO.exists() else FIELDS
    queries = list(of_datasource())
    assert len(queries) > 5
    for query in queries:
        assert query.keys() - OF_ALL_QUERIES <= known, query
        assert query["queryType"] in ("violations", "timeseries", "count")
        assert set(query.get("groupBy", [])) <= {"severity", "rule", "service"}


@pytest.mark.parametrize("file", DASHBOARDS, ids=[file.stem for file in DASHBOARDS])
def test_a_dashboard_is_whole(file: Path) -> None:
    dashboard = json.loads(file.read_text())
    assert dashboard["uid"] == f"betrace-{file.stem}"
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(
        re.findall(r"\$\{?(prometheus|betrace|namespace|rule|framework)\b", json.dumps(dashboard["panels"]))
    )
    assert used <= variables
    taken = [(p["gridPos"]["x"] + x, p["gridPos"]["y"] + y) for p in dashboard["panels"]
             for x in range(p["gridPos"]["w"]) for y in range(p["gridPos"]["h"])]  # fmt: skip
    assert len(taken) == len(set(taken)), "panels overlap"
    assert max(x for x, _ in taken) < 24


def test_every_metric_of_a_dashboard_is_of_the_namespace_that_is_chosen() -> None:
    for file in DASHBOARDS:
        for target in targets(json.loads(file.read_text())):
            metrics = re.findall(r"\b(?:betrace|process)_\w+", target.get("expr", ""))
            assert target.get("expr", "").count('{namespace=~"$namespace"') == len(metrics), target


def test_the_provisioning_names_what_is_there() -> None:
    read = {
        file.parent.name + "/" + file.stem: yaml.safe_load(file.read_text())
        for file in (GRAFANA / "provisioning").rglob("*.yaml")
    }
    assert all(each["apiVersion"] == 1 for each in read.values())
    uids = {
        each["uid"] for name in ("betrace", "stack") for each in read[f"datasources/{name}"]["datasources"]
    }
    assert uids == {"betrace", "prometheus", "tempo"}
    assert read["datasources/betrace"]["datasources"][0]["type"] == "betrace-datasource"
    (app,) = read["plugins/betrace"]["apps"]
    assert app["type"] == "betrace-app"
    known = SETTINGS_TS.read_text() if SETTINGS_TS.exists() else "apiUrl tempoUid"
    assert all(name in known for name in app["jsonData"])
