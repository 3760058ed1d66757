"""The canonical layout of a rule's text: what `betrace fmt` writes, with the comments kept."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields

from dsl import nodes as n
from dsl.format import formatted
from dsl.parse import parse

WIDTH = 100
_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|((?://|#)[^\n]*)')


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the layout, with the part of the text that it stands for."""

    text: str
    start: int
    end: int
    indent: int = 0


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment at an offset; one that follows something on its line is its `trailing` one."""

    text: str
    at: int
    trailing: bool


def layout(text: str) -> str:
    """The text in its one layout, without a newline at its end. ParseError if it is no rule.

    A clause stands on a line if it fits and no comment is inside; else each operand has its own.
    """
    made = _once(text)
    while (again := _once(made)) != made:  # a comment may have left the clause that it had broken
        made = again
    if not same(parse(text), parse(made)):
        raise AssertionError(f"the layout would change the meaning of {text!r}")
    return made


def _once(text: str) -> str:
    comments = list(_comments(text))
    lines = [line for unit in _units(parse(text)) for line in _lines(unit, comments)]
    return "\n".join(_with_comments(text, lines, comments))


def same(one: object, other: object) -> bool:
    """Whether two rules, or parts of them, say the same, wherever they stand."""
    if type(one) is not type(other):
        return False
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    while isinstance(one, n.Nested) and isinstance(one.item, n.Nested):
        one = one.item
    while isinstance(other, n.Nested) and isinstance(other.item, n.Nested):
        other = other.item
    if isinstance(one, n.Node | n.Condition):
        names = [each.name for each in fields(one) if each.name not in ("start", "end", "text", "places")]
        own = ["text"] if isinstance(one, n.Name) else []
        return all(same(getattr(one, name), getattr(other, name)) for name in names + own)
    return one == other


@dataclass(frozen=True, slots=True)
class _Unit:
    """A `let`, a clause or a whole pattern: `opening` node `closing`, from start to end."""

    opening: str
    node: n.Node
    closing: str
    start: int
    end: int


def _units(condition: n.Condition) -> Iterator[_Unit]:
    for let in condition.lets:
        yield _Unit(f"let {let.name} =", let.value, "", let.start, let.end)
    if condition.pattern is not None:
        yield _Unit("", condition.pattern, "", condition.pattern.start, condition.pattern.end)
    width = max((len(kind) for kind, _ in condition.clauses), default=0)
    for (kind, node), place in zip(condition.clauses, condition.places, strict=True):
        yield _Unit(f"{kind:<{width}} {{", node, "}", place.start, place.end)


def _lines(unit: _Unit, comments: list[Comment]) -> Iterator[Line]:
    words = (unit.opening, formatted(unit.node), unit.closing)
    whole = " ".join(word for word in words if word)
    inside = any(unit.start < comment.at < unit.end for comment in comments)
    if (len(whole) <= WIDTH and not inside) or not (unit.closing or _is_chain(unit.node)):
        yield Line(whole, unit.start, unit.end)
    elif unit.closing:
        word = unit.opening.split()[0]
        yield Line(f"{word} {{", unit.start, unit.start + len(word))
        yield from _operands(unit.node, "", 2)
        yield Line("}", unit.end - 1, unit.end)
    else:
        yield from _operands(unit.node, f"{unit.opening} " if unit.opening else "", 0)


def _is_chain(node: n.Node) -> bool:
    return isinstance(node, n.And | n.Or)


def _operands(node: n.Node, before: str, indent: int) -> Iterator[Line]:
    """The operands of an `and` or `or`, each on its line."""
    items = node.items if isinstance(node, n.And | n.Or) else (node,)
    word = "and " if isinstance(node, n.And) else "or "
    for number, item in enumerate(items):
        yield Line((word if number else before) + formatted(item), item.start, item.end, indent)


def _comments(text: str) -> Iterator[Comment]:
    for match in _COMMENT.finditer(text):
        if match[1]:
            line = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
            yield Comment(match[1].rstrip(), match.start(), bool(line.strip()))


def _with_comments(text: str, lines: list[Line], comments: list[Comment]) -> Iterator[str]:
    """The lines, each with the comments that stand before it and the one that follows it."""
    before: dict[int, list[str]] = {}
    after: dict[int, str] = {}
    for comment in comments:
        number = _line_before(text, lines, comment) if comment.trailing else None
        if number is not None and number not in after:
            after[number] = comment.text
        else:
            following = (i for i, line in enumerate(lines) if line.end > comment.at)
            before.setdefault(next(following, len(lines)), []).append(comment.text)
    for number, line in enumerate([*lines, None]):
        indent = " " * (line.indent if line else 0)
        yield from (f"{indent}{each}" for each in before.get(number, []))
        if line is not None:
            yield f"{indent}{line.text}" + (f"  {after[number]}" if number in after else "")


def _line_before(text: str, lines: list[Line], comment: Comment) -> int | None:
    """The line that a trailing comment follows."""
    ended = [(number, line.end) for number, line in enumerate(lines) if line.end <= comment.at]
    known = [number for number, end in ended if "\n" not in text[end : comment.at]]
    return known[-1] if known else None
