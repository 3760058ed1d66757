"""A JSON Schema of the settings file, for editors and for the Helm chart's values."""

from typing import Any

from app.settings import Settings


def settings_schema() -> dict[str, Any]:
    """What a settings file may hold, with what each setting is; null and a setting left out are the same."""
    schema = Settings.model_json_schema()
    definitions: dict[str, Any] = schema.pop("$defs")
    inlined: dict[str, Any] = _plain(schema, definitions)
    return inlined


def _plain(node: Any, definitions: dict[str, Any]) -> Any:
    """A node without references, titles, defaults and what is hidden."""
    if isinstance(node, list):
        return [_plain(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _plain(definitions[node["$ref"].rpartition("/")[2]], definitions)
    if options := [each for each in node.get("anyOf", ()) if each != {"type": "null"}]:
        node = {key: value for key, value in node.items() if key != "anyOf"} | options[0]
    kept = {key: value for key, value in node.items() if key not in ("title", "default", "examples")}
    if "properties" in kept:
        shown = {name: each for name, each in kept["properties"].items() if not each.get("hidden")}
        return {**kept, "properties": {name: _plain(each, definitions) for name, each in shown.items()}}
    return {key: _plain(value, definitions) for key, value in kept.items()}
