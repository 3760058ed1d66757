"""The settings as people read them: for `betrace config`, and the table of `docs/settings.md`."""

from dataclasses import dataclass
from typing import Any

from app.setting_groups import InputTopicSettings, RedactionKey
from app.setting_types import UNITS
from app.settings import Loaded, Settings, fields, variable


@dataclass(frozen=True, slots=True)
class Source:
    """A setting's value, and where it came from."""

    key: str
    value: Any
    origin: str
    default: Any
    description: str


def sources(loaded: Loaded) -> list[Source]:
    """Every setting, for `betrace config`. Secrets are files, so only their paths show."""
    shown = []
    for key, info in fields().items():
        if (info.json_schema_extra or {}).get("hidden"):
            continue
        value: Any = loaded.settings
        for part in key.split("."):
            value = getattr(value, part)
        origin = loaded.origins.get(key, "default")
        shown.append(
            Source(key, readable(key, value), origin, readable(key, info.default), info.description or "")
        )
    return shown


def readable(key: str, value: Any) -> str:
    """A value as a person would set it."""
    if value is None:
        return "redaction.default" if key.startswith("redaction.detectors.") else "none"
    if isinstance(value, list):
        return ", ".join(readable(key, item) for item in value) or "none"
    if isinstance(value, RedactionKey):
        return f"{value.match}:{value.strategy}"
    if isinstance(value, InputTopicSettings):
        return f"{value.name}:{value.encoding}"
    return str(value).lower() if isinstance(value, bool) else _readable_number(key, value)


def _readable_number(key: str, value: Any) -> str:
    if key.endswith("_share"):
        return f"{value:g}"
    if isinstance(value, float):
        return _readable_seconds(value)
    if key.endswith(("_bytes", "_memory")):
        return f"{value // 2**20} MiB"
    return str(value)


def _readable_seconds(value: float) -> str:
    for unit in ("d", "h", "m", "s"):
        if value >= UNITS[unit] and value % UNITS[unit] == 0:
            return f"{value / UNITS[unit]:g}{unit}"
    return f"{value:g}s" if value >= 1 else f"{value * 1000:g}ms"


def table() -> str:
    """The table of `docs/settings.md`."""
    rows = ["| key | environment | default | is |", "| --- | --- | --- | --- |"]
    for source in sources(Loaded(Settings(), {})):
        rows.append(
            f"| `{source.key}` | `{variable(source.key)}` | {source.default} | {source.description} |"
        )
    return "\n".join(rows) + "\n"
