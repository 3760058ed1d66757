"""The plugins as they are packed: what is in them, and what people do with them under two Grafanas."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.grafana.stage import stage
from tests.kafka import Kafka

_TOP = Path(__file__).parent.parent.parent
_GRAFANA = _TOP / "grafana"
_HOSTS = ("harness", "harness-13")
pytestmark = pytest.mark.timeout(600)


def ran(*command: str, **environment: str) -> str:
    """What a command printed, in the front's folder; it has to end well."""
    done = subprocess.run(command, cwd=_GRAFANA, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-8000:]}\n{done.stderr[-4000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def packed() -> Path:
    """The folder of both packages, the datasource's for this machine alone."""
    return Path(ran(str(_TOP / "scripts" / "plugins"), "linux").splitlines()[-1]).parent


@pytest.fixture(scope="module")
def set_up(packed: Path, kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The host pages, and what the scenario plays on, as its environment."""
    ran("npm", "run", "--silent", "build", "--workspace", "betrace-harness")
    chromium = ran(str(_TOP / "scripts" / "chromium"))
    with stage(kafka, tmp_path_factory.mktemp("stage")) as environment:
        yield {**environment, "CHROMIUM": chromium}


def test_the_packages_hold_what_grafana_asks_for(packed: Path) -> None:
    ran("node", "--test", "scripts/check-package.test.mjs", PLUGINS_DIST=str(packed))


@pytest.mark.parametrize(
    ("play", "host"),
    [*((play, host) for play in ("scenario", "datasource") for host in _HOSTS), ("pages", "harness")],
)
def test_people_do_with_them_what_they_are_for(
    set_up: dict[str, str], play: str, host: str, tmp_path: Path
) -> None:
    print(ran("node", "--test", f"e2e/{play}.test.mjs", **set_up, HOST=host, SHOTS=str(tmp_path)))
