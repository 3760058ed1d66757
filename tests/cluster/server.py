"""A real Kubernetes API server on a real etcd, on loopback: objects are checked and stored; no pod runs."""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml

from tests.deploy.helm import tool
from tests.kafka import die_with_parent, free_ports

_PATIENCE = 120.0  # seconds


class Server:
    """A running API server: the file that clients find it by, and Helm for it."""

    def __init__(self, folder: Path, port: int, token: str) -> None:
        self.url = f"https://127.0.0.1:{port}"
        self.token = token
        self.kubeconfig = folder / "kubeconfig"
        cluster = {"server": self.url, "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": token}}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin"}}],
            "current-context": "local",
        }
        self.kubeconfig.write_text(yaml.safe_dump(config))

    def helm(self, *arguments: str | Path, code: int = 0) -> str:
        """What Helm prints; it has to end with the code."""
        environment = os.environ | {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.kubeconfig.parent)}
        done = subprocess.run(
            [tool("helm"), *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout if code == 0 else done.stderr

    def ready(self) -> bool:
        """Whether it says so."""
        return self._curl("/readyz").returncode == 0

    def get(self, path: str) -> dict[str, object]:
        """An object or a list, by its path."""
        found: dict[str, object] = yaml.safe_load(self._curl(path).stdout)
        return found

    def post(self, path: str, body: Mapping[str, object]) -> None:
        """Create an object."""
        done = self._curl(path, "-H", "content-type: application/yaml", "-d", yaml.safe_dump(body))
        assert done.returncode == 0, done.stdout

    def _curl(self, path: str, *options: str) -> "subprocess.CompletedProcess[str]":
        login = ["-H", f"Authorization: Bearer {self.token}"]
        command = ["curl", "-sk", "--fail-with-body", *login, *options, f"{self.url}{path}"]
        return subprocess.run(command, capture_output=True, text=True)


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """The server, until the block ends."""
    client, peer, port = free_ports(3)
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
    key = ["openssl", "genrsa", "-out", str(folder / "sa.key"), "2048"]
    subprocess.run(key, check=True, capture_output=True)
    store = f"http://127.0.0.1:{client}"
    etcd = [
        tool("etcd"),
        *(
            "--data-dir",
            str(folder / "etcd"),
            "--listen-client-urls",
            store,
            "--advertise-client-urls",
            store,
        ),
        *("--listen-peer-urls", f"http://127.0.0.1:{peer}"),
        *("--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}"),
        *("--initial-cluster", f"default=http://127.0.0.1:{peer}"),
    ]
    api = [
        tool("kube-apiserver"),
        *(f"--etcd-servers={store}", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"),
        *(f"--secure-port={port}", f"--cert-dir={folder / 'certs'}", "--authorization-mode=RBAC"),
        *("--service-account-issuer=https://kubernetes.default.svc", "--endpoint-reconciler-type=none"),
        *(f"--service-account-key-file={folder / 'sa.key'}", "--service-cluster-ip-range=10.0.0.0/24"),
        *(
            f"--service-account-signing-key-file={folder / 'sa.key'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
        ),
    ]
    with ExitStack() as stack:
        for name, command in (("etcd", etcd), ("api", api)):
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                command, stdout=log, stderr=log, preexec_fn=die_with_parent, cwd=folder
            )
            stack.callback(process.wait, 30)
            stack.callback(process.kill)
        running = Server(folder, port, token)
        end = time.monotonic() + _PATIENCE
        while not running.ready():
            assert time.monotonic() < end, (folder / "api.log").read_text()[-2000:]
            time.sleep(0.5)
        yield running
