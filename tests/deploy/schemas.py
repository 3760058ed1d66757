"""Makes the schemas of the package kubernetes-validate whole in themselves, as kubeconform wants them."""

import json
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

_ELSEWHERE = "/api/_definitions.json#"


def bundle(release: str, folder: Path) -> Path:
    """A folder of schemas, one a kind, each whole in itself."""
    source = Path(str(files("kubernetes_validate"))) / "kubernetes-json-schema" / f"v{release}-local-strict"
    definitions = _read(source / "_definitions.json")["$defs"]
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.glob("*-*.json"):
        schema = _read(file)
        if {"kind", "apiVersion"} <= schema.get("properties", {}).keys():
            schema["$defs"] = {name: definitions[name] for name in sorted(_needed(schema, definitions))}
            kept = {key: value for key, value in schema.items() if key not in ("$schema", "$id", "id")}
            (folder / file.name).write_text(json.dumps(kept))
    return folder


def bundled() -> str:
    """The newest release of Kubernetes that the package knows."""
    return version("kubernetes-validate")


def _read(file: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(file.read_text().replace(_ELSEWHERE, "#"))
    return read


def _needed(schema: Any, definitions: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    todo = set(_references(schema))
    while todo:
        name = todo.pop()
        if name in definitions and name not in found:
            found.add(name)
            todo |= set(_references(definitions[name]))
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value.rpartition("/")[2]
            else:
                yield from _references(value)
