"""deploy/compose.yaml: the schema takes it; every port, path, setting and version that it names is there."""

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from app.cli import cli
from app.security import read_tokens
from app.settings import load
from tests.deploy.helm import TOP, tool

DEPLOY = TOP / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "betrace" in service["image"]]
# where each service listens: its own settings in the file or beside it, else its program's default
LISTENS = {
    "kafka": {9092},
    "worker": {9464},
    "api": {12011},
    "betrace-api": {12011},
    "collector": {4317, 4318},
    "tempo": {3200, 4317, 4318},
    "prometheus": {9090},
    "grafana": {3000},
}


def binds() -> Iterator[tuple[str, Path, str]]:
    """Service, path here and path there of every file or folder that is mounted."""
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source, target, *_ = volume.split(":")
            if source.startswith("."):
                yield name, DEPLOY / source, target


def test_the_specification_takes_it() -> None:
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text())
    assert not [error.message for error in Draft202012Validator(schema).iter_errors(COMPOSE)]


def test_every_file_that_is_mounted_is_there_and_read_only() -> None:
    assert len(list(binds())) > 8
    for name, source, _ in binds():
        assert source.exists(), (name, source)
    assert all(
        v.endswith(":ro") for s in SERVICES.values() for v in s.get("volumes", []) if v.startswith(".")
    )


def test_every_volume_is_declared_and_used() -> None:
    named = {
        v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", []) if not v.startswith(".")
    }
    assert named == COMPOSE["volumes"].keys()


def test_nothing_is_open_to_other_machines() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_published_port_is_one_where_the_service_listens() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            assert int(port.rpartition(":")[2]) in LISTENS[name], (name, port)


def texts() -> Iterator[str]:
    """The file, and all configurations that it mounts."""
    yield (DEPLOY / "compose.yaml").read_text()
    for _, source, _ in binds():
        for file in [source] if source.is_file() else source.rglob("*.yaml"):
            yield file.read_text()


def test_every_address_of_a_service_is_one_where_it_listens() -> None:
    found = {(n, int(p)) for text in texts() for n, p in re.findall(r"\b([a-z][a-z-]+):(\d{4,5})\b", text)}
    addresses = {(name, port) for name, port in found if name in LISTENS}
    assert len(addresses) >= 8
    assert not {(name, port) for name, port in addresses if port not in LISTENS[name]}


def test_what_the_services_are_told_is_where_they_listen() -> None:
    assert "PLAINTEXT://:9092" in SERVICES["kafka"]["environment"]["KAFKA_LISTENERS"]
    assert SERVICES["worker"]["environment"]["BETRACE_METRICS_LISTEN"] == "0.0.0.0:9464"
    assert SERVICES["api"]["environment"]["BETRACE_API_LISTEN"] == "0.0.0.0:12011"
    told = SERVICES["collector"]["environment"]
    assert {int(told[f"OTLP_{kind}_LISTEN"].rpartition(":")[2]) for kind in ("GRPC", "HTTP")} == {4317, 4318}
    tempo = yaml.safe_load((DEPLOY / "compose" / "tempo.yaml").read_text())
    receivers = tempo["distributor"]["receivers"]["otlp"]["protocols"].values()
    ports = {int(each["endpoint"].rpartition(":")[2]) for each in receivers}
    assert ports | {tempo["server"]["http_listen_port"]} == LISTENS["tempo"]


@pytest.mark.parametrize("name", OURS)
def test_the_settings_are_settings(name: str) -> None:
    environment = SERVICES[name].get("environment") or {}
    places = {target: str(source) for service, source, target in binds() if service == name}
    here = {
        key: places.get(value, value).replace("/opt/betrace", str(TOP)) for key, value in environment.items()
    }
    settings = load(environment=here).settings
    for key in ("BETRACE_RULES_FILES", "BETRACE_API_TOKENS_FILE"):
        assert key not in here or Path(here[key]).exists()
    assert name == "shop" or settings.kafka.brokers == ["kafka:9092"]


@pytest.mark.parametrize("name", OURS)
def test_the_commands_are_commands(name: str) -> None:
    assert CliRunner().invoke(cli, [*SERVICES[name]["command"], "--help"]).exit_code == 0


def test_the_tokens_are_those_that_grafana_sends() -> None:
    tokens = read_tokens(DEPLOY / "compose" / "tokens.yaml")
    file = yaml.safe_load((DEPLOY / "compose" / "tokens.yaml").read_text())
    sent = SERVICES["grafana"]["environment"]
    for name, variable in (("viewer", "BETRACE_TOKEN"), ("grafana", "BETRACE_EDITOR_TOKEN")):
        assert file[name]["sha256"] == hashlib.sha256(sent[variable].encode()).hexdigest()
    assert SERVICES["api"]["environment"]["BETRACE_API_TRUST_USER_HEADER"] in tokens
    used = {name for text in texts() for name in re.findall(r"\$(BETRACE_\w*TOKEN)\b", text)}
    assert used <= sent.keys()


def test_grafana_finds_the_dashboards_where_they_are_mounted() -> None:
    provider = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/betrace.yaml").read_text())
    path = provider["providers"][0]["options"]["path"]
    assert path in {target for _, _, target in binds()}


def test_the_versions_are_those_that_are_tested() -> None:
    version = yaml.safe_load((DEPLOY / "helm/betrace/Chart.yaml").read_text())["appVersion"]
    values = yaml.safe_load((DEPLOY / "helm/betrace/values.yaml").read_text())
    assert f":{version}" in SERVICES["worker"]["image"]
    kafka = re.findall(r"<version>(\d+\.\d+\.\d+)</version>", (DEPLOY / "kafka/pom.xml").read_text())[0]
    collector = yaml.safe_load((DEPLOY / "collector/builder.yaml").read_text())["dist"]["version"]
    assert SERVICES["kafka"]["image"].endswith(f":{kafka}")
    assert values["kafka"]["image"]["tag"] == kafka
    assert SERVICES["collector"]["image"].endswith(f":{collector}")
    assert values["collector"]["image"]["tag"] == collector


@pytest.mark.timeout(900)
def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    for _, source, target in binds():
        if target.startswith("/etc/prometheus/"):
            (tmp_path / Path(target).name).write_text(source.read_text())
    command = [tool("promtool"), "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "15 rules found" in done.stdout
