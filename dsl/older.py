"""The keys, ids and severities of older rule files, said in today's words."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from dsl.rule import SEVERITIES

TEXTS = ("expression", "dsl")  # the older names of `condition`
EXAMPLE = "example_violation"
LISTED = ("total_count", "totalCount", "total", "limit", "offset")  # beside `rules:` in the older API
_SILENT = ("luaCode", "created_at", "updated_at", "createdAt", "updatedAt", "statistics")
_FREE = ("annotations", "metadata")
KEYS = (*TEXTS, "compliance_frameworks", EXAMPLE, "tags", *_FREE, *_SILENT)
_SEVERITIES = {"warning": "medium"}
_CONTROL = re.compile(r"([^\s:]+)[\s:]+(\S*\d.*)", re.DOTALL)  # SOC2 CC6.1, HIPAA: 164.312(b)
_LONGEST = 200  # characters of a framework and its control


@dataclass(frozen=True, slots=True)
class Note:
    """A warning at a key that the file has."""

    key: str
    message: str
    suggestion: str | None = None


@dataclass(slots=True)
class Said:
    """A rule's values under today's keys, the file's key of each that has moved, and what to tell."""

    values: dict[str, Any]
    moved: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def note(self, key: str, message: str, new: str | None = None) -> None:
        """Tell; `new` is the text to write."""
        self.notes.append(Note(key, message, new))

    def instead(self, key: str, name: str, value: Any) -> None:
        """Tell what stands for an older key from now on."""
        new = f"{name}: {_flow(value)}"
        self.note(key, f"'{key}' is an older key: write {new}", new)

    def without_effect(self, key: str, because: str = "") -> None:
        """Tell that a key is passed over."""
        self.note(key, f"'{key}' is an older key and has no effect{because}")


def today(values: Mapping[str, Any]) -> Said:
    """What a rule of an older file says; a rule of today comes back as it is, without a note.

    Nothing is refused here: values that cannot be read are passed over with a note, or left for the reader.
    """
    said = Said(dict(values))
    for form in FORMS:
        form(said)
    return said


def _text(said: Said) -> None:
    for key in TEXTS:
        if key in said.values and "condition" not in said.values:
            said.values["condition"] = said.values.pop(key)
            said.moved["condition"] = key
            said.note(key, f"'{key}' is an older key: write condition", "condition")
        elif key in said.values:
            del said.values[key]
            said.without_effect(key, ": there is 'condition' too")


def _frameworks(said: Said) -> None:
    key = "compliance_frameworks"
    given = said.values.pop(key, None)
    if given is None:
        return
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        said.without_effect(key, ": it was a list of names")
        return
    found = [_CONTROL.fullmatch(each.strip()[:_LONGEST]) for each in given]
    controls = [{"framework": each[1].lower(), "control": each[2].strip()} for each in found if each]
    if controls:
        own = said.values.get("compliance")
        said.values["compliance"] = [*(own if isinstance(own, list) else ()), *controls]
        said.moved.setdefault("compliance", key)
        said.instead(key, "compliance", controls)
    bare = [each.strip().lower() for each, control in zip(given, found, strict=True) if not control]
    if bare:
        _label(said, key, dict.fromkeys(bare, "true"))
        control = "[{framework: " + bare[0] + ", control: …}]"
        said.note(key, f"which control of {', '.join(bare)} is not said: write compliance: {control}")


def _example(said: Said) -> None:
    given = said.values.pop(EXAMPLE, None)
    if given is None:
        return
    trace = _trace(given)
    if trace is None:
        said.without_effect(EXAMPLE, ": it has no trace of {span, attributes}")
        return
    name = given.get("description")
    test = {"name": name if isinstance(name, str) else "the example", "trace": trace, "expect": "violated"}
    own = said.values.get("tests")
    said.values["tests"] = [*(own if isinstance(own, list) else ()), test]
    said.moved.setdefault("tests", EXAMPLE)
    said.instead(EXAMPLE, "tests", [test])


def _trace(given: Any) -> list[dict[str, Any]] | None:
    """The example's spans in the short form: the first is the root of the others."""
    spans = given.get("trace") if isinstance(given, Mapping) else None
    if not isinstance(spans, list) or not spans:
        return None
    made = []
    for number, span in enumerate(spans):
        attributes = span.get("attributes") or {} if isinstance(span, Mapping) else None
        if not isinstance(attributes, Mapping) or not isinstance(span.get("span"), str):
            return None
        place = {"parent": "example"} if number else {"id": "example"}
        made.append({**place, "name": span["span"], "attributes": dict(attributes)})
    return made


def _tags(said: Said) -> None:
    given = said.values.pop("tags", None)
    if isinstance(given, list) and all(isinstance(each, str | int | float) for each in given):
        _label(said, "tags", {str(each): "true" for each in given})
    elif given is not None:
        said.without_effect("tags", ": it was a list of words")


def _annotations(said: Said) -> None:
    for key in _FREE:
        given = said.values.pop(key, None)
        if isinstance(given, Mapping):
            plain = {str(k): str(v) for k, v in given.items() if isinstance(v, str | int | float)}
            _label(said, key, plain)
        elif given is not None:
            said.without_effect(key, ": it was a mapping")


def _label(said: Said, key: str, labels: Mapping[str, str]) -> None:
    """More labels; those of the rule itself win."""
    own = said.values.get("labels", {})
    if labels and isinstance(own, Mapping):
        said.values["labels"] = {**labels, **own}
        said.moved.setdefault("labels", key)
        said.instead(key, "labels", dict(labels))


def _silent(said: Said) -> None:
    for key in _SILENT:
        if key in said.values:
            del said.values[key]
            said.without_effect(key)


def _id(said: Said) -> None:
    given = said.values.get("id")
    if isinstance(given, str) and "_" in given:
        new = said.values["id"] = given.replace("_", "-")
        said.note("id", f"an id has no '_': '{given}' is read as '{new}', write id: {new}", f"id: {new}")


def _severity(said: Said) -> None:
    given = said.values.get("severity")
    if not isinstance(given, str):
        return
    new = _SEVERITIES.get(given.lower(), given.lower())
    if new != given and new in SEVERITIES:
        said.values["severity"] = new
        said.note("severity", f"write severity: {new}, not {given}", f"severity: {new}")


def _unnamed(said: Said) -> None:
    """The older API and its files could do without an id."""
    name = said.values.get("name")
    if said.notes and isinstance(name, str) and said.values.get("id") in (None, ""):
        new = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        said.values["id"] = new
        said.moved["id"] = "name"
        said.note("name", f"a rule needs an id: write id: {new}", f"id: {new}")


def _flow(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**9)
    return text.strip().removesuffix("...").strip()


FORMS: tuple[Callable[[Said], None], ...] = (
    _text,
    _frameworks,
    _example,
    _tags,
    _annotations,
    _silent,
    _id,
    _severity,
    _unnamed,
)
