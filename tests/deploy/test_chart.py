"""The chart, rendered by Helm: what Kubernetes takes, policies, what is refused, what never changes."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import load
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
    return number * {"m": 2**20, "Mi": 2**20, "Gi": 2**30}[text.strip(" B0123456789.")]


def test_the_index_has_room_for_what_the_settings_let_it_keep() -> None:
    api = one(manifests(DEFAULT), "Deployment", "betrace-api")["spec"]["template"]["spec"]
    (data,) = [volume["emptyDir"] for volume in api["volumes"] if volume["name"] == "data"]
    (row,) = re.findall(
        r"A violation takes ([\d.]+) kB in the index", (TOP / "docs" / "sizing.md").read_text()
    )
    assert quantity(data["sizeLimit"]) > load(environment={}).settings.violations.max_rows * float(row) * 1000


def test_the_embedded_kafka_has_a_heap_that_leaves_room_for_the_rest() -> None:
    embedded = one(manifests(options=["--set", "kafka.embedded=true"]), "StatefulSet", "betrace-kafka")
    (container,) = embedded["spec"]["template"]["spec"]["containers"]
    (options,) = [each["value"] for each in container["env"] if each["name"] == "KAFKA_HEAP_OPTS"]
    heap = quantity(re.findall(r"-Xmx(\S+)", options)[0])
    assert heap <= quantity(container["resources"]["limits"]["memory"]) / 2


def test_the_job_may_reach_the_brokers_of_the_release_that_is_to_come() -> None:
    found = manifests(next(file for file in EXAMPLES if file.stem == "strimzi"))
    policy = one(found, "NetworkPolicy", "betrace-topics")
    job = one(found, "Job", "betrace-topics")
    assert policy["metadata"]["annotations"]["helm.sh/hook"] == job["metadata"]["annotations"]["helm.sh/hook"]
    assert policy["metadata"]["annotations"]["helm.sh/hook-weight"] == "-1"
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert {"port": 9093} in [port for rule in policy["spec"]["egress"] for port in rule["ports"]]


def test_nobody_is_let_in_but_who_is_named() -> None:
    def ingress(*options: str) -> list[Manifest]:
        policy = one(manifests(DEFAULT, release="123", options=options), "NetworkPolicy", "123-betrace")
        rules: list[Manifest] = policy["spec"]["ingress"]
        return rules

    everybody, test = ingress()
    assert everybody["from"] == [{"namespaceSelector": {}}]
    labels = {"app.kubernetes.io/instance": "123", "app.kubernetes.io/component": "test"}
    assert test["from"] == [{"podSelector": {"matchLabels": labels}}]
    assert ingress("--set-json", "networkPolicy.allowFrom=[]") == [test]


@pytest.mark.parametrize("values", ALL, ids=NAMES)
def test_hooks_leave_nothing_behind(values: Path) -> None:
    for each in manifests(values):
        marks = each["metadata"].get("annotations", {})
        if marks.get("helm.sh/hook", "test") != "test":
            assert "hook-succeeded" in marks["helm.sh/hook-delete-policy"], each["metadata"]["name"]


def test_the_collector_is_replaced_when_its_configuration_changes_and_only_then() -> None:
    on = next(file for file in VALUES if file.stem == "everything-on")

    def mark(*options: str) -> str:
        found = one(manifests(on, options=options), "Deployment", "traces-collector")
        annotations: dict[str, str] = found["spec"]["template"]["metadata"]["annotations"]
        return annotations["checksum/config"]

    assert mark() != mark("--set", "tempo.endpoint=http://tempo:4317")
    assert mark() == mark("--set", "config.trace.tick=2s")


def test_images_of_others_are_taken_by_digest_too() -> None:
    digest = f"sha256:{'0' * 64}"
    options = [f"--set={part}.image.digest={digest}" for part in ("kafka", "collector")]
    embedded = next(file for file in EXAMPLES if file.stem == "embedded")
    images = {
        c["image"] for _, spec in pods(manifests(embedded, options=options)) for c in spec["containers"]
    }
    assert {f"apache/kafka@{digest}", f"otel/opentelemetry-collector-contrib@{digest}"} < images


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
