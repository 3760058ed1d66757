"""The chart on a real Kubernetes API server: it installs, upgrades, goes back, and stands beside itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.server import Server, server
from tests.deploy.helm import CHART, DEFAULT, EXAMPLES, FOREIGN, TOP, VALUES, manifests, pods, rendered
from tests.deploy.test_guides import helm_lines

# Hooks are jobs that would run: nothing runs here, so Helm is told not to wait for them.
NO_HOOKS = "--no-hooks"
# what only operators know that are not here
OPERATORS = (
    *("--set", "monitoring.serviceMonitor.enabled=false", "--set", "monitoring.prometheusRule.enabled=false"),
    *("--set", "api.gateway.enabled=false"),
)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests; each has namespaces of its own."""
    with server(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture
def namespace(cluster: Server, request: pytest.FixtureRequest) -> str:
    """A namespace of the test, in which pods have to be restricted as far as Kubernetes knows it."""
    name: str = request.node.name.split("[")[0].removeprefix("test_").replace("_", "-")[:40].strip("-")
    name += f"-{abs(hash(request.node.name)) % 10**6}"
    labels = {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    cluster.post("/api/v1/namespaces", namespace)
    return name


def without_keda(values: Path) -> list[str]:
    """KEDA is not here either."""
    return ["--set", "worker.autoscaling.kind=none"] if "keda" in values.read_text() else []


def options(values: Path, namespace: str) -> list[str]:
    """For Helm, with values, in a namespace."""
    return [
        "-f",
        str(values),
        "-n",
        namespace,
        NO_HOOKS,
        "--set",
        "grafana.namespace=",
        *OPERATORS,
        *without_keda(values),
    ]


@pytest.mark.parametrize("values", [*EXAMPLES, *VALUES], ids=[file.stem for file in [*EXAMPLES, *VALUES]])
def test_the_server_takes_every_value_file(cluster: Server, namespace: str, values: Path) -> None:
    said = cluster.helm("install", "betrace", CHART, *options(values, namespace), "--dry-run=server")
    assert "STATUS: pending-install" in said
    cluster.helm("install", "betrace", CHART, *options(values, namespace))
    assert '"status":"deployed"' in cluster.helm("list", "-n", namespace, "-o", "json")


@pytest.mark.parametrize("values", EXAMPLES, ids=[file.stem for file in EXAMPLES])
def test_the_default_is_upgraded_to_every_example_and_goes_back(
    cluster: Server, namespace: str, values: Path
) -> None:
    cluster.helm("install", "betrace", CHART, *options(DEFAULT, namespace))
    cluster.helm("upgrade", "betrace", CHART, *options(values, namespace))
    cluster.helm("rollback", "betrace", "-n", namespace, NO_HOOKS)
    history = cluster.helm("history", "betrace", "-n", namespace)
    assert "Rollback to 1" in history
    cluster.helm("uninstall", "betrace", "-n", namespace, NO_HOOKS)


def names(cluster: Server, namespace: str, release: str) -> set[tuple[str, str]]:
    """Kind and name of what a release has made."""
    found = set()
    for path in (
        "apis/apps/v1/statefulsets",
        "apis/apps/v1/deployments",
        "api/v1/services",
        "api/v1/configmaps",
    ):
        group, _, kind = path.rpartition("/")
        selector = f"labelSelector=app.kubernetes.io/instance={release}"
        listed = cluster.get(f"/{group}/namespaces/{namespace}/{kind}?{selector}")
        items = listed["items"]
        assert isinstance(items, list)
        found |= {(kind, item["metadata"]["name"]) for item in items}
    return found


def test_a_release_with_its_own_kafka_is_upgraded_though_jobs_never_change(
    cluster: Server, namespace: str
) -> None:
    embedded = next(file for file in EXAMPLES if file.stem == "embedded")
    cluster.helm("install", "betrace", CHART, *options(embedded, namespace))
    more = ["--set", "extraEnv[0].name=BETRACE_LOG_LEVEL", "--set", "extraEnv[0].value=info"]
    cluster.helm("upgrade", "betrace", CHART, *options(embedded, namespace), *more)


def test_two_releases_stand_side_by_side(cluster: Server, namespace: str) -> None:
    tenants = next(file for file in EXAMPLES if file.stem == "tenants")
    for release in ("acme", "globex"):
        cluster.helm("install", release, CHART, *options(tenants, namespace))
    acme, globex = (names(cluster, namespace, release) for release in ("acme", "globex"))
    assert len(acme) == len(globex) >= 4
    assert not acme & globex
    cluster.helm("uninstall", "acme", "-n", namespace, NO_HOOKS)
    assert (names(cluster, namespace, "acme"), names(cluster, namespace, "globex")) == (set(), globex)


@pytest.mark.parametrize("value", ["config.kafka.brokrs={a:1}", "worker.replicas=9", "kafka.embedded=true"])
def test_a_wrong_value_changes_nothing(cluster: Server, namespace: str, value: str) -> None:
    cluster.helm("install", "betrace", CHART, *options(DEFAULT, namespace))
    cluster.helm("upgrade", "betrace", CHART, *options(DEFAULT, namespace), "--set", value, code=1)
    (line,) = cluster.helm("history", "betrace", "-n", namespace).splitlines()[1:]
    assert "deployed" in line


def test_the_server_refuses_what_can_never_change(cluster: Server, namespace: str) -> None:
    cluster.helm("install", "betrace", CHART, *options(DEFAULT, namespace))
    changed = [*options(DEFAULT, namespace), "--set", "worker.persistence.size=40Gi"]
    assert "Forbidden: updates to statefulset spec" in cluster.helm(
        "upgrade", "betrace", CHART, *changed, code=1
    )


def test_the_lines_of_the_guide_install_and_upgrade(
    cluster: Server, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(TOP)
    for number, (verb, *arguments) in enumerate(helm_lines()):
        told = [*arguments, "-n", namespace, NO_HOOKS]
        if "--reset-then-reuse-values" in arguments:
            cluster.helm("install", "betrace", CHART, *options(DEFAULT, namespace))
            cluster.helm(verb, *told)
        elif verb in ("rollback", "uninstall"):
            cluster.helm(verb, *told)
        elif verb in ("install", "upgrade"):
            release = f"r{number}"
            words = [release if word == "betrace" else word for word in told if word != "--install"]
            cluster.helm("install", *words, *OPERATORS, "--dry-run=server")


def test_hooks_are_jobs_that_the_server_takes(cluster: Server, namespace: str) -> None:
    said = cluster.helm("install", "betrace", CHART, "-f", DEFAULT, "-n", namespace, "--dry-run=server")
    assert "helm.sh/hook: pre-install,pre-upgrade" in said
    assert not any(f"kind: {kind}" in rendered(DEFAULT) for kind in FOREIGN)


@pytest.mark.parametrize("values", [*EXAMPLES, *VALUES], ids=[file.stem for file in [*EXAMPLES, *VALUES]])
def test_every_pod_may_run_where_kubernetes_restricts_pods_most(
    cluster: Server, namespace: str, values: Path
) -> None:
    found = pods(manifests(values))
    accounts = {spec.get("serviceAccountName", "default") for _, spec in found}
    for account in accounts:
        made = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}
        cluster.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", made)
    for number, (_, spec) in enumerate(found):
        # a StatefulSet's pods have volumes for its claims
        claims = [{"name": "data", "emptyDir": {}}] if "data" not in str(spec.get("volumes")) else []
        whole = spec | {"volumes": [*spec.get("volumes", []), *claims]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"p{number}"}, "spec": whole}
        cluster.post(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)


def test_a_pod_with_rights_is_refused_there(cluster: Server, namespace: str) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    cluster.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    spec = {"containers": [{"name": "x", "image": "x"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec}
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        cluster.post(f"/api/v1/namespaces/{namespace}/pods?dryRun=All", pod)
