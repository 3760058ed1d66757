"""What the chart writes is what the settings read: mounted as in a pod, it starts a worker and an API."""

import hashlib
import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from app import healthy
from tests.deploy.helm import EXAMPLES, VALUES, manifests, one
from tests.integration.processes import Api, Betrace, free_port, until
from tests.integration.test_kafka_security import RULE, TRACE
from tests.kafka import create_topic
from tests.secure_kafka import PASSWORD, USER, SecureKafka, allow, secure_kafka

TOKEN = "t0ken"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """A broker that asks for a name and a password over TLS."""
    secure = secure_kafka(tmp_path_factory.mktemp("secure"))
    try:
        secure.kafka.start()
        allow(secure.kafka.address, USER, "test-")
        yield secure
    finally:
        secure.kafka.remove()


def mounted(folder: Path, files: Mapping[str, str]) -> Path:
    """A folder as a kubelet mounts a ConfigMap or a Secret: links into a folder that is replaced whole."""
    version = folder / "..2026_11_25_19_00_00.1"
    version.mkdir(parents=True)
    (folder / "..data").symlink_to(version.name)
    for name, text in files.items():
        (version / name).write_text(text)
        (folder / name).symlink_to(Path("..data", name))
    return folder


class Cluster:
    """A release's pods, as far as a machine without Kubernetes can run them."""

    def __init__(
        self, folder: Path, values: Mapping[str, Any], secrets: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.folder = folder
        file = folder / "values.yaml"
        file.write_text(json.dumps(values))
        self.manifests = manifests(file)
        self.secrets = secrets
        self.api_port = free_port()

    def files(self, config_map: str) -> Path:
        """Where a pod would find its settings, with all mounts; its paths become paths of the folder."""
        root = self.folder / config_map
        own = one(self.manifests, "ConfigMap", config_map)["data"]["betrace.yaml"]
        rules = one(self.manifests, "ConfigMap", "betrace-rules")["data"]
        mounted(root / "etc/betrace/rules", rules)
        for name, secret in self.secrets.items():
            mounted(root / "etc/betrace/secrets" / name, secret)
        for path in ("/etc/betrace", "/var/lib/betrace"):
            own = own.replace(path, f"{root}{path}")
        # a pod has a network of its own
        own = own.replace("0.0.0.0:12011", f"127.0.0.1:{self.api_port}")
        own = own.replace("0.0.0.0:9464", f"127.0.0.1:{free_port()}")
        return mounted(root / "etc/betrace/config", {"betrace.yaml": own}) / "betrace.yaml"

    def command(self, kind: str, name: str) -> list[str]:
        """What a pod runs."""
        (container,) = one(self.manifests, kind, name)["spec"]["template"]["spec"]["containers"]
        assert container["env"][0] == {"name": "BETRACE_CONFIG", "value": "/etc/betrace/config/betrace.yaml"}
        arguments: list[str] = container["args"]
        return arguments


class Pod(Betrace):
    """BeTrace's commands with the settings that are mounted, and none in the environment."""

    def _environment(self, **settings: str) -> dict[str, str]:
        return os.environ | {f"BETRACE_{name}": value for name, value in (self.settings | settings).items()}


@pytest.fixture
def cluster(secure: SecureKafka, group: str, tmp_path: Path) -> Cluster:
    """A release that logs in by SCRAM over TLS, with tokens and a rule."""
    create_topic(secure.kafka.address, f"{group}.input", 2)
    values = {
        "secrets": ["kafka"],
        "rules": {"inline": {"rule.yaml": RULE}},
        "api": {"tokensSecret": "tokens"},
        "config": {
            "kafka": {
                "brokers": [secure.sasl],
                "group": group,
                "security": {"protocol": "SASL_SSL"},
                "sasl": {
                    "mechanism": "SCRAM-SHA-512",
                    "username": USER,
                    "password_file": "/etc/betrace/secrets/kafka/password",
                },
                "tls": {"ca_file": "/etc/betrace/secrets/kafka/ca.crt"},
                "input_topics": [{"name": f"{group}.input", "encoding": "otlp_json"}],
                "partitions": 2,
                "replication_factor": 1,
            },
            "trace": {"root_grace": "1s", "tick": "200ms"},
            "log": {"format": "json"},
        },
    }
    tokens = {"grafana": {"sha256": hashlib.sha256(TOKEN.encode()).hexdigest(), "role": "viewer"}}
    secrets = {
        "kafka": {"password": PASSWORD, "ca.crt": secure.authority.cert.read_text()},
        "tokens": {"tokens.yaml": yaml.safe_dump(tokens)},
    }
    return Cluster(tmp_path, values, secrets)


def test_a_release_finds_a_violation_over_sasl_ssl(cluster: Cluster, tmp_path: Path) -> None:
    before, pod = (Pod({"CONFIG": str(cluster.files(n))}, tmp_path) for n in ("betrace-topics", "betrace"))
    assert before.run(*cluster.command("Job", "betrace-topics")).startswith("created test-")
    (tmp_path / "traces.json").write_text(json.dumps(TRACE))
    settings = yaml.safe_load(Path(pod.settings["CONFIG"]).read_text())
    worker, api = (Api(f"http://{settings[group]['listen']}") for group in ("metrics", "api"))
    with (
        pod.start(*cluster.command("StatefulSet", "betrace-worker")),
        pod.start(*cluster.command("Deployment", "betrace-api")),
    ):
        until("both are ready", lambda: (worker.ready() and api.ready()) or None)
        assert healthy.main([f"{api.url}/readyz", f"{worker.url}/healthz"]) == 0
        pod.run("produce", str(tmp_path / "traces.json"))
        found = until("the violation is there", lambda: asked(f"{api.url}/api/violations")["items"] or None)
    assert [each["message"] for each in found] == ["not audited"]
    for name in ("worker-1", "api-2"):
        told = [json.loads(line) for line in (tmp_path / f"{name}.log").read_text().splitlines()]
        assert all({"time", "level", "logger", "message"} <= line.keys() for line in told)
        assert {"ready", "told to stop by SIGTERM"} <= {line["message"] for line in told}
        assert {line["logger"].split(".")[0] for line in told if line["level"] == "info"} == {"betrace"}


def asked(url: str) -> dict[str, Any]:
    """What is answered to Grafana's token."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        read: dict[str, Any] = json.load(answer)
        return read


def test_a_changed_number_of_partitions_stops_the_job_and_so_the_upgrade(
    cluster: Cluster, tmp_path: Path
) -> None:
    settings = cluster.files("betrace-topics")
    pod = Pod({"CONFIG": str(settings)}, tmp_path)
    pod.run(*cluster.command("Job", "betrace-topics"))
    settings.write_text(settings.read_text().replace("partitions: 2", "partitions: 4"))
    said = pod.refused(*cluster.command("Job", "betrace-topics"))
    assert "have 2 partitions, and kafka.partitions is 4: set it back, or take another kafka.group" in said


def test_a_real_collector_takes_what_the_chart_writes(otelcol: str, tmp_path: Path) -> None:
    for values in (everything_on(), next(file for file in EXAMPLES if file.stem == "grafana-stack")):
        (written,) = [each for each in manifests(values) if "collector.yaml" in each.get("data", {})]
        config = yaml.safe_load(written["data"]["collector.yaml"].replace("/etc/betrace", str(tmp_path)))
        for name in ("memory_limiter", "spansigner"):  # not in the Collector that the tests build
            config["processors"].pop(name, None)
            pipeline = config["service"]["pipelines"]["traces"]
            pipeline["processors"] = [each for each in pipeline["processors"] if each != name]
        secret = tmp_path / "secrets" / "kafka"
        secret.mkdir(parents=True, exist_ok=True)
        (secret / "password").write_text(PASSWORD)
        (tmp_path / "collector.yaml").write_text(yaml.safe_dump(config))
        command = [otelcol, "validate", "--config", str(tmp_path / "collector.yaml")]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def everything_on() -> Path:
    """The values with which everything is made."""
    return next(file for file in VALUES if file.stem == "everything-on")
