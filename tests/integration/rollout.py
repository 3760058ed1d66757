"""Does to processes what Kubernetes does to the chart's pods: probes, hooks, grace periods, one by one."""

import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.deploy.helm import DEFAULT, Manifest, manifests, one
from tests.integration.processes import Api, Betrace, free_port, until
from tests.integration.test_kafka_security import reason

_PROPAGATION = 2.0  # seconds until nobody is sent to a pod any more that is to go


@dataclass(frozen=True)
class Orders:
    """What a manifest says of how its pods are watched and ended."""

    period: float  # seconds between two questions for readiness
    path: str
    pre_stop: float  # seconds before SIGTERM
    grace: float  # seconds until SIGKILL, of which the hook is part

    @classmethod
    def of(cls, workload: Manifest) -> "Orders":
        """Those of a StatefulSet or Deployment."""
        spec = workload["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        probe = container["readinessProbe"]
        hook = (
            container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
        )
        assert hook[0] == "sleep"
        asked = probe.get("httpGet", {}).get("path") or probe["exec"]["command"][-1]
        path = "/" + asked.rpartition("/")[2]
        return cls(probe["periodSeconds"], path, float(hook[1]), spec["terminationGracePeriodSeconds"])


def workloads() -> tuple[Manifest, Manifest]:
    """The chart's workers and APIs; the one are replaced in place, the other by a new one first."""
    found = manifests(DEFAULT)
    workers = one(found, "StatefulSet", "betrace-worker")
    apis = one(found, "Deployment", "betrace-api")
    assert apis["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    return workers, apis


class Pod:
    """A process, as a pod is one."""

    def __init__(self, stack: ExitStack, betrace: Betrace, command: str, name: str, orders: Orders) -> None:
        address = f"127.0.0.1:{free_port()}"
        data = {"WORKER_DATA_DIR": str(betrace.folder / name)}
        listen = {"METRICS_LISTEN" if command == "worker" else "API_LISTEN": address}
        self.process: subprocess.Popen[bytes] = stack.enter_context(betrace.start(command, **listen, **data))
        self.shown = Api(f"http://{address}")
        self.name = name
        self.orders = orders

    def wait(self) -> "Pod":
        """Until its readiness probe succeeds."""

        said = "nothing"

        def look() -> bool | None:
            nonlocal said
            assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}"
            time.sleep(self.orders.period)
            said = reason(self.shown)
            return said == "" or None

        try:
            until(f"{self.name} is ready", look, 120)
        except AssertionError as problem:
            raise AssertionError(f"{problem}: {said}") from None
        return self

    def delete(self, service: "Service | None" = None) -> None:
        """The hook, SIGTERM, and the end in time and in order."""
        began = time.monotonic()
        if service is not None:
            threading.Timer(_PROPAGATION, service.remove, [self]).start()
        time.sleep(self.orders.pre_stop)
        self.process.terminate()
        code = self.process.wait(self.orders.grace - self.orders.pre_stop)
        assert code == 0, f"{self.name} ended with {code}"
        assert time.monotonic() - began < self.orders.grace


class Service:
    """The ready APIs, of which each request goes to the next."""

    def __init__(self) -> None:
        self.pods: list[Pod] = []
        self.answers = 0
        self.failures: list[str] = []
        self._stop = threading.Event()

    def add(self, pod: Pod) -> None:
        self.pods.append(pod)

    def remove(self, pod: Pod) -> None:
        self.pods.remove(pod)

    @contextmanager
    def asked(self) -> Iterator[None]:
        """Someone asks for violations all the time, until the block ends."""
        thread = threading.Thread(target=self._ask, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(20)

    def _ask(self) -> None:
        while not self._stop.wait(0.02):
            pods: list[Any] = list(self.pods)
            pod = pods[self.answers % len(pods)]
            try:
                pod.shown.all_violations()
                self.answers += 1
            except OSError as problem:
                self.failures.append(f"{pod.name}: {problem}")
