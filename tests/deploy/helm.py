"""Renders the chart with the real Helm, and reads what it made."""

import functools
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).parents[2]
CHART = TOP / "deploy" / "helm" / "betrace"
EXAMPLES = sorted((TOP / "deploy" / "helm" / "examples").glob("*.yaml"))
VALUES = sorted((Path(__file__).parent / "values").glob("*.yaml"))
DEFAULT = Path(__file__).parent / "values" / "default.yaml"
# kinds of others' operators, for which there are no schemas here
FOREIGN = ("ServiceMonitor", "PrometheusRule", "ScaledObject", "HTTPRoute")

Manifest = dict[str, Any]


@functools.cache
def tool(name: str) -> str:
    """The path of a tool of deploy/tools."""
    script = TOP / "scripts" / "deploy-tool"
    return subprocess.run([script, name], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def helm(*arguments: str | Path, code: int = 0) -> str:
    """What Helm prints, which has to end with the code; for another than 0 what it says is wrong."""
    done = subprocess.run([tool("helm"), *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout if code == 0 else done.stderr


def rendered(*files: Path, release: str = "betrace", options: Sequence[str] = ()) -> str:
    """The manifests of a release."""
    values = [word for file in files for word in ("-f", str(file))]
    return helm("template", release, CHART, "--namespace", "tracing", *values, *options)


def manifests(*files: Path, release: str = "betrace", options: Sequence[str] = ()) -> list[Manifest]:
    """The same, parsed."""
    text = rendered(*files, release=release, options=options)
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]


def one(found: Sequence[Manifest], kind: str, name: str) -> Manifest:
    """The only manifest of that kind and name."""
    (match,) = [each for each in found if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return match


def pods(found: Sequence[Manifest]) -> list[tuple[str, Manifest]]:
    """Every pod's specification, with the name of what makes it."""
    made = []
    for each in found:
        spec = (
            each["spec"]["template"]["spec"] if "template" in each.get("spec", {}) else each.get("spec", {})
        )
        if "containers" in spec:
            made.append((f"{each['kind']}/{each['metadata']['name']}", spec))
    return made
