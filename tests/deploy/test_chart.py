"""The chart, rendered by Helm: what Kubernetes takes, policies, what is refused, what never changes."""

import json
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import schemas
from tests.deploy.helm import (
    CHART,
    DEFAULT,
    EXAMPLES,
    FOREIGN,
    TOP,
    VALUES,
    Manifest,
    helm,
    manifests,
    one,
    pods,
    rendered,
    tool,
)

ALL = [*EXAMPLES, *VALUES]
NAMES = [file.stem for file in ALL]


def test_there_are_a_dozen_value_files() -> None:
    assert len(ALL) >= 12


@pytest.mark.parametrize("values", ALL, ids=NAMES)
def test_helm_finds_nothing_to_complain_of(values: Path) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART, "-f", values)


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schemas of Kubernetes."""
    return schemas.bundle(schemas.bundled(), tmp_path_factory.mktemp("schemas"))


@pytest.mark.timeout(900)
def test_every_manifest_is_what_kubernetes_takes(kinds: Path, tmp_path: Path) -> None:
    for values in ALL:
        (tmp_path / values.name).write_text(rendered(values))
    options = ["-strict", "-summary", "-output", "json", "-skip", ",".join(FOREIGN)]
    where = f"{kinds}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    command = [tool("kubeconform"), *options, "-schema-location", where, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    told = json.loads(done.stdout)
    assert not told.get("resources"), done.stdout
    assert told["summary"]["valid"] > 100
    assert (told["summary"]["invalid"], told["summary"]["errors"]) == (0, 0)


@pytest.mark.parametrize("values", ALL, ids=NAMES)
def test_every_container_may_do_as_little_as_can_be(values: Path) -> None:
    for name, spec in pods(manifests(values)):
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, f"{name}: BETRACE_API_PORT and such would be settings"
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in spec.get("initContainers", []) + spec["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert security["readOnlyRootFilesystem"] is (container["name"] != "kafka"), name
            assert {"requests", "limits"} <= container["resources"].keys(), name
            assert not container["image"].endswith(":latest"), name


@pytest.mark.parametrize("values", ALL, ids=NAMES)
def test_what_runs_for_long_is_asked_for_its_health(values: Path) -> None:
    for each in manifests(values):
        if each["kind"] in ("Deployment", "StatefulSet"):
            for container in each["spec"]["template"]["spec"]["containers"]:
                assert {"livenessProbe", "readinessProbe"} <= container.keys(), each["metadata"]["name"]


@pytest.mark.parametrize("values", ALL, ids=NAMES)
def test_every_name_that_a_pod_asks_for_is_there(values: Path) -> None:
    found = manifests(values)
    made = {each["metadata"]["name"] for each in found if each["kind"] == "ConfigMap"}
    given = yaml.safe_load(values.read_text())
    foreign = {given.get("rules", {}).get("configMap")}
    for name, spec in pods(found):
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        assert {v["configMap"]["name"] for v in volumes.values() if "configMap" in v} <= made | foreign, name
        claimed = {"data"} if name.startswith("StatefulSet/") else set()
        for container in spec.get("initContainers", []) + spec["containers"]:
            mounts = [mount["name"] for mount in container.get("volumeMounts", [])]
            assert set(mounts) <= volumes.keys() | claimed, name


@pytest.mark.parametrize("values", ALL, ids=NAMES)
def test_memory_is_enough_for_what_the_settings_allow(values: Path) -> None:
    found = manifests(values)
    settings = next(each for each in found if "betrace.yaml" in each.get("data", {}))["data"]["betrace.yaml"]
    allowed = yaml.safe_load(settings)["worker"].get("max_memory", "1 GiB")
    for _, spec in pods(found):
        for container in spec["containers"]:
            if container["name"] == "worker":
                assert quantity(container["resources"]["limits"]["memory"]) >= 1.25 * quantity(allowed)


def quantity(text: str) -> float:
    """Bytes of 1536Mi, 3 GiB and such."""
    number = float("".join(c for c in text if c.isdigit() or c == "."))
    return number * {"Mi": 2**20, "Gi": 2**30}[text.strip(" B0123456789.")]


def immutable(each: Manifest) -> Any:
    """What Kubernetes lets nobody change."""
    spec = each["spec"]
    if each["kind"] == "StatefulSet":
        changeable = ("replicas", "template", "updateStrategy", "minReadySeconds", "ordinals")
        return {key: value for key, value in spec.items() if key not in changeable}
    return spec["selector"]


@pytest.mark.parametrize("values", EXAMPLES, ids=[file.stem for file in EXAMPLES])
def test_from_the_default_to_an_example_nothing_immutable_changes(values: Path) -> None:
    def of(*files: Path) -> dict[tuple[str, str], Any]:
        kept = ("StatefulSet", "Deployment")
        return {
            (each["kind"], each["metadata"]["name"]): immutable(each)
            for each in manifests(*files)
            if each["kind"] in kept
        }

    before, after = of(DEFAULT), of(values)
    assert len(before) == 2
    assert before == {name: after[name] for name in before}


def test_two_releases_share_no_name() -> None:
    tenants = next(file for file in EXAMPLES if file.stem == "tenants")
    names = [
        {(each["kind"], each["metadata"]["name"]) for each in manifests(tenants, release=release)}
        for release in ("acme", "globex")
    ]
    assert not names[0] & names[1]
    settings = [
        yaml.safe_load(
            one(manifests(tenants, release=r), "ConfigMap", f"{r}-betrace")["data"]["betrace.yaml"]
        )
        for r in ("acme", "globex")
    ]
    assert [each["kafka"]["group"] for each in settings] == ["acme-betrace", "globex-betrace"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "config.kafka.brokrs={kafka:9092}",
            "at '/config/kafka': additional properties 'brokrs' not allowed",
        ),
        ("config.kafka.brokers=kafka:9092", "at '/config/kafka/brokers': got string, want array"),
        ("config.kafka.partitions=many", "at '/config/kafka/partitions': got string, want integer"),
        ("config.kafka.security.protocol=TLS", "value must be one of 'PLAINTEXT', 'SSL', 'SASL_SSL'"),
        ("config.trace.max_wait=soon", "at '/config/trace/max_wait': 'soon' does not match"),
        ("config.worker.data_dir=/x", "at '/config/worker': additional properties 'data_dir' not allowed"),
        ("wroker.replicas=3", "additional properties 'wroker' not allowed"),
        ("worker.replicas=0", "at '/worker/replicas': minimum: got 0, want 1"),
        ("worker.autoscaling.kind=vpa", "value must be one of 'none', 'hpa', 'keda'"),
        ("worker.persistence.size=huge", "at '/worker/persistence/size': 'huge' does not match"),
        ("tempo.endpoint=tempo:4317", "at '/tempo/endpoint': 'tempo:4317' does not match"),
        ("secrets={Kafka_User}", "at '/secrets/0': 'Kafka_User' does not match"),
        ("worker.replicas=9", "9 workers for 8 partitions (config.kafka.partitions): 1 would have nothing"),
        ("kafka.embedded=true", "kafka.embedded and config.kafka.brokers exclude each other"),
        ("api.ingress.enabled=true", "api.tokensSecret is needed where others are to reach the API"),
        ("collector.evidence=true", "collector.evidence needs tempo.endpoint"),
        (
            "config.redaction.key_file=/etc/betrace/secrets/redaction/key",
            "the Secret redaction, which is not",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_right(value: str, said: str) -> None:
    assert said in helm("template", "betrace", CHART, "-f", DEFAULT, "--set", value, code=1)


def test_without_a_kafka_the_way_to_one_is_told() -> None:
    told = helm("template", "betrace", CHART, code=1)
    assert "config.kafka.brokers is needed" in told
    assert "--set kafka.embedded=true" in told


def test_the_schema_knows_the_settings_as_they_are() -> None:
    script = runpy.run_path(str(TOP / "scripts" / "chart-schema"))
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema == script["with_settings"](schema), "run: .venv/bin/python scripts/chart-schema"


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def known(values: Any, schema: Any, where: str) -> None:
        if schema.get("additionalProperties") is False and where != ".config":
            assert values.keys() == schema["properties"].keys() - {"global"} - optional(where), where
            for name, value in values.items():
                known(value, schema["properties"][name], f"{where}.{name}")

    def optional(where: str) -> set[str]:
        return {"digest"} if where.endswith((".kafka.image", ".collector.image")) else set()

    known(values, schema, "")


def test_the_version_is_the_programs() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (TOP / "pyproject.toml").read_text()
    assert f'version = "{chart["appVersion"]}"' in project


def test_the_aliases_of_older_values_do_what_they_say() -> None:
    stack = manifests(next(file for file in EXAMPLES if file.stem == "grafana-stack"))
    settings = yaml.safe_load(one(stack, "ConfigMap", "betrace")["data"]["betrace.yaml"])
    assert settings["evidence"] == {"otlp_endpoint": "http://tempo.monitoring:4317"}
    on = manifests(next(file for file in VALUES if file.stem == "everything-on"))
    collector = yaml.safe_load(one(on, "ConfigMap", "traces-collector")["data"]["collector.yaml"])
    assert collector["processors"]["spansigner"] == {
        "key_provider": "aws-kms",
        "key_id": "arn:aws:kms:eu-central-1:123456789012:key/1",
        "aws": {"region": "eu-central-1"},
    }
    assert collector["service"]["pipelines"]["traces"]["processors"] == [
        "memory_limiter",
        "spansigner",
        "batch",
    ]


# What kube-score asks for in vain: pull policies make nothing safer, local space is bounded by the volumes,
# hosts are spread over by topology, and one Collector may do.
IGNORED = (
    "container-ephemeral-storage-request-and-limit",
    "container-image-pull-policy",
    "deployment-has-host-podantiaffinity",
    "deployment-replicas",
    "pod-probes-identical",
    "statefulset-has-host-podantiaffinity",
)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("values", ALL, ids=NAMES)
def test_policies_are_kept(values: Path) -> None:
    kept = [each for each in manifests(values) if not each["metadata"]["name"].endswith("-kafka")]
    ignored = [word for name in IGNORED for word in ("--ignore-test", name)]
    command = [
        tool("kube-score"),
        "score",
        "--ignore-container-cpu-limit",
        "--output-format",
        "ci",
        *ignored,
        "-",
    ]
    done = subprocess.run(command, input=yaml.dump_all(kept), capture_output=True, text=True)
    said = [line for line in done.stdout.splitlines() if line.startswith(("[CRITICAL]", "[WARNING]"))]
    if values.stem == "everything-off":
        expected = ("NetworkPolicy", "PodDisruptionBudget")
        said = [line for line in said if not any(name in line.replace(" ", "") for name in expected)]
    assert not said
    assert "[OK]" in done.stdout
