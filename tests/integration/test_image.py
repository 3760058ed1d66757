"""What the Dockerfile makes, made without Docker: a worker and an API from it, without rights."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.integration.image import TOP, Image
from tests.integration.processes import Api, Betrace, free_port, until
from tests.integration.test_kafka_security import RULE, TRACE
from tests.kafka import Kafka

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may chroot and mount"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def image() -> Image:
    """The image."""
    return Image()


def test_it_holds_no_compiler_no_pip_and_no_tests_of_ours(image: Image) -> None:
    names = {path.name for path in image.root.rglob("*") if path.is_file() and not path.is_symlink()}
    assert not names & {"gcc", "cc1", "pip", "pip3", "processes.py", "conftest.py"}
    assert {"otlp.py", "soc2.yaml", "LICENSE"} <= names


def test_its_user_can_change_nothing_of_it(image: Image, tmp_path: Path) -> None:
    data = image.volume(tmp_path / "data")
    tried = "touch /x /opt/betrace/x /etc/x /var/lib/betrace/allowed /tmp/allowed 2>&1; id -u"
    said = image.run(data, "sh", "-c", tried).stdout.splitlines()
    assert said[-1] == "10001"
    assert len([line for line in said if "Read-only file system" in line]) == 3
    assert (data / "allowed").exists()
    writable = [
        p for p in (image.root / "opt").rglob("*") if not p.is_symlink() and p.stat().st_mode & stat.S_IWOTH
    ]
    assert not writable


def test_a_worker_and_an_api_of_it_find_a_violation(
    image: Image, kafka: Kafka, group: str, tmp_path: Path
) -> None:
    betrace = Betrace.on(kafka, group, tmp_path)
    worker, api = (f"127.0.0.1:{free_port()}" for _ in range(2))
    volumes = [image.volume(tmp_path / name) for name in ("worker", "api")]
    (volumes[0] / "rule.yaml").write_text(RULE)
    settings = betrace.settings | {"TRACE_ROOT_GRACE": "1s", "TRACE_TICK": "200ms"}
    rules = {"RULES_FILES": "/var/lib/betrace/rule.yaml"}
    (tmp_path / "traces.json").write_text(json.dumps(TRACE))
    with (
        image.start(volumes[0], "worker", **settings, **rules, METRICS_LISTEN=worker),
        image.start(volumes[1], "api", **settings, API_LISTEN=api),
    ):
        until("the worker is ready", Api(f"http://{worker}").ready)
        until("the API is ready", Api(f"http://{api}").ready)
        betrace.run("produce", str(tmp_path / "traces.json"))
        found = until("the violation is there", lambda: Api(f"http://{api}").all_violations() or None)
        asked = image.run(
            volumes[1], "python", "-m", "app.healthy", f"http://{api}/readyz", f"http://{worker}/healthz"
        )
        assert (asked.returncode, asked.stderr) == (0, "")
    assert [each["message"] for each in found] == ["not audited"]


def test_the_health_check_fails_where_nothing_runs(image: Image, tmp_path: Path) -> None:
    _, _, command = image.about["HEALTHCHECK"].partition("CMD ")
    asked = image.run(image.volume(tmp_path / "data"), *json.loads(command))
    assert asked.returncode == 1


def test_the_bill_of_materials_names_what_the_lock_file_names(image: Image, tmp_path: Path) -> None:
    subprocess.run([TOP / "scripts" / "sbom", tmp_path / "sbom.json"], check=True)
    bill = json.loads((tmp_path / "sbom.json").read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "betrace")
    named = {(part["name"].lower(), part["version"]) for part in bill["components"]}
    names = {name for name, _ in named}
    assert {"faust-streaming", "rocksdict", "pydantic", "python3", "libc6"} <= names
    locked = [
        line.split(" ")[0] for line in (TOP / "requirements.lock").read_text().splitlines() if "==" in line
    ]
    missing = [pin for pin in locked if tuple(pin.lower().split("==")) not in named]
    assert len(missing) <= 8, missing  # those of other systems, and of the build alone
