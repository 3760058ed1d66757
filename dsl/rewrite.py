"""Rule files with their conditions in the canonical layout; nothing else of them changes."""

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from dsl.layout import layout
from dsl.parse import ParseError


@dataclass(frozen=True, slots=True)
class _Change:
    start: int
    end: int
    text: str


def rewrite(text: str) -> str:
    """The file's text with every condition laid out; those that do not parse are left as they are.

    yaml.YAMLError if the file is no YAML.
    """
    root = yaml.compose(text, yaml.SafeLoader)
    for change in sorted(_changes(root, text), key=lambda each: each.start, reverse=True):
        text = text[: change.start] + change.text + text[change.end :]
    return text


def _changes(root: yaml.Node | None, text: str) -> Iterator[_Change]:
    for rule in _rules(root):
        for key, value in rule.value:
            if key.value == "condition" and isinstance(value, yaml.ScalarNode):
                change = _change(key, value, bool(rule.flow_style), text)
                if change is not None:
                    yield change


def _rules(root: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "rules" and isinstance(value, yaml.SequenceNode):
            yield from (each for each in value.value if isinstance(each, yaml.MappingNode))


def _change(key: yaml.Node, value: yaml.ScalarNode, flow: bool, text: str) -> _Change | None:
    try:
        laid = layout(value.value)
    except ParseError:
        return None
    start, end = value.start_mark.index, value.end_mark.index
    if text[start : start + 1] in "&!*":  # an anchor or tag is the author's business
        return None
    if "\n" not in laid and value.style not in ("|", ">"):
        return _Change(start, end, _one_line(laid, flow))
    if flow:
        return None
    indent = " " * (key.start_mark.column + 2)
    block = "|\n" + "".join(f"{indent}{line}\n" for line in laid.split("\n"))
    rest = text[start:end]
    ends_line = value.style in ("|", ">")
    kept = "" if ends_line or text[end : end + 1] == "" else None
    blank = "\n" * (len(rest) - len(rest.rstrip("\n")) - 1) if ends_line else ""
    if kept is None:
        line_end = text.find("\n", end)
        if text[end : line_end if line_end >= 0 else len(text)].strip():
            return None  # a comment of YAML follows on the line
        end = line_end + 1 if line_end >= 0 else len(text)
    return _Change(start, end, block + blank)


def _one_line(laid: str, flow: bool) -> str:
    """A scalar on one line: plain where YAML reads it as the same text, else in single quotes."""
    try:
        plain = yaml.safe_load(f"{{a: {laid}}}" if flow else f"a: {laid}") == {"a": laid}
    except yaml.YAMLError:
        plain = False
    return laid if plain else "'" + laid.replace("'", "''") + "'"
