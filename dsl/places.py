"""Where a character of a YAML value stands in the file, for every style of scalar."""

import re
from bisect import bisect_right

import yaml

from dsl.rule import Place

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|\r?\n[ \t]*|.)", re.DOTALL)


class Lines:
    """A text's lines, and the place of each of its characters."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._kept: dict[int, str] = {}
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, index: int) -> Place:
        """Line and column, from 1."""
        line = bisect_right(self.starts, index) - 1
        return Place(line + 1, index - self.starts[line] + 1)

    def line(self, number: int) -> str:
        """The text of a line, from 1; empty past the last."""
        if number > len(self.starts):
            return ""
        if number not in self._kept:  # one text, however many problems it has
            end = self.starts[number] if number < len(self.starts) else len(self.text)
            self._kept[number] = self.text[self.starts[number - 1] : end].removesuffix("\n").rstrip("\r")
        return self._kept[number]


def indices(node: yaml.ScalarNode, value: str, text: str) -> list[int]:
    """For each character of a scalar's value, and for its end, where it stands in the text.

    Only white space, quotes and escapes differ between the two, so they are walked side by side.
    """
    at, end = node.start_mark.index, node.end_mark.index
    if node.style in ("|", ">"):
        at = text.find("\n", at) + 1
    elif node.style:
        at += 1
    found: list[int] = []
    for character in value:
        if not character.isspace():
            while at < end and text[at].isspace():
                at += 1
        width = _width(text, at, node.style)
        found.append(min(at, end))
        if not character.isspace() or (at < end and (width > 1 or text[at] == character)):
            at += width
    return [*found, min(at, end)]


def _width(text: str, at: int, style: str | None) -> int:
    """Characters of the file that one of the value takes."""
    if style == '"' and (escape := _ESCAPE.match(text, at)):
        return len(escape[0])
    return 2 if style == "'" and text.startswith("''", at) else 1
