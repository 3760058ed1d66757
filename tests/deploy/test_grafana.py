"""What the chart gives Grafana: the files of deploy/grafana, under names that no other release has."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.deploy.helm import EXAMPLES, TOP, manifests

STACK = next(file for file in EXAMPLES if file.stem == "grafana-stack")
GRAFANA = TOP / "deploy" / "grafana"


def files(release: str, *options: str) -> dict[str, Any]:
    """What Grafana's sidecars find: datasource, alerts, dashboard-overview and so on."""
    found = {}
    for each in manifests(STACK, release=release, options=options):
        if each["metadata"].get("namespace") == "monitoring":
            (text,) = each["data"].values()
            found[each["metadata"]["name"].partition("betrace-")[2]] = yaml.safe_load(text)
    return found


def rules(alerts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every alert rule."""
    for group in alerts["groups"]:
        yield from group["rules"]


def once(found: dict[str, Any]) -> set[str]:
    """What a Grafana may have only once."""
    (datasource,) = found["datasource"]["datasources"]
    dashboards = {each["uid"] for name, each in found.items() if name.startswith("dashboard-")}
    folders = {group["folder"] for group in found["alerts"]["groups"]}
    named = {datasource["uid"], datasource["name"]} | {rule["uid"] for rule in rules(found["alerts"])}
    return dashboards | folders | named


def test_the_release_betrace_gives_the_files_as_they_are() -> None:
    found = files("betrace")
    own = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "betrace.yaml").read_text())
    own["datasources"][0]["url"] = "http://betrace-api.tracing:12011"
    assert found["datasource"] == own
    assert found["alerts"] == yaml.safe_load((GRAFANA / "alerts" / "betrace.yaml").read_text())
    for file in (GRAFANA / "dashboards").glob("*.json"):
        shown = found[f"dashboard-{file.stem}"]
        for variable in shown["templating"]["list"]:
            if variable["name"] == "betrace":
                assert variable.pop("current") == {"text": "BeTrace", "value": "betrace"}
                variable["current"] = {}
        assert shown == json.loads(file.read_text())


@pytest.mark.parametrize("release", ["acme", "a-customer-with-a-name-that-is-long"])
def test_two_releases_have_nothing_in_common_in_one_grafana(release: str) -> None:
    found = files(release)
    names = once(found)
    assert len(names) > 20
    assert not names & once(files("betrace"))
    (datasource,) = found["datasource"]["datasources"]
    assert f"{release}-betrace-api.tracing" in datasource["url"]
    asked = {data["datasourceUid"] for rule in rules(found["alerts"]) for data in rule["data"]}
    assert asked == {datasource["uid"], "prometheus", "__expr__"}
    uids = [each["uid"] for each in (datasource, *rules(found["alerts"]))]
    assert max(map(len, uids)) <= 40


def test_folder_token_and_prometheus_are_what_the_values_say() -> None:
    options = (
        *("--set", "grafana.folder=Traces", "--set", "grafana.datasource.tokenVariable=ACME_TOKEN"),
        *("--set", "grafana.alerts.prometheusUid=mimir"),
    )
    found = files("acme", *options)
    assert {group["folder"] for group in found["alerts"]["groups"]} == {"Traces"}
    assert found["datasource"]["datasources"][0]["secureJsonData"] == {"apiToken": "$ACME_TOKEN"}
    asked = {data["datasourceUid"] for rule in rules(found["alerts"]) for data in rule["data"]}
    assert "mimir" in asked
    assert "prometheus" not in asked
