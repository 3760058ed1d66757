"""The Dockerfile as text; `tests/integration/test_image.py` makes the image."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

from tests.deploy.helm import CHART, TOP

TEXT = (TOP / "deploy" / "Dockerfile").read_text()


def test_hadolint_finds_nothing_to_complain_of() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, "deploy/Dockerfile"], cwd=TOP, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_docker_is_sent_what_is_copied_and_nothing_else() -> None:
    everything, *sent, caches, sources, compiled = (TOP / ".dockerignore").read_text().splitlines()
    copies = re.findall(r"^COPY ([^-].*) \S+$", TEXT, re.MULTILINE)
    copied = {source for sources in copies for source in sources.split()}
    assert (everything, caches, sources, compiled) == ("*", "**/__pycache__", "**/*.c", "**/*.so")
    assert {f"!{source}" for source in copied} == set(sent)
    assert all((TOP / source).exists() for source in copied)


def test_the_version_is_the_programs_in_image_and_chart() -> None:
    version = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]
    assert re.findall(r'image\.version="(.*)"', TEXT) == [version]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == version
