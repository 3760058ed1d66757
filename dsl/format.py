"""A part of a rule on one line, as `betrace fmt` prints it and as verdicts name it."""

from collections.abc import Callable
from typing import Any

from dsl import nodes as n

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


def formatted(node: n.Node) -> str:
    """The node's text: single spaces, the author's words and parentheses, but none doubled."""
    return _FORMAT[type(node)](node)


def quoted(text: str) -> str:
    """Text as a string literal."""
    inner = "".join(_ESCAPES.get(c) or (c if c >= " " else f"\\u{ord(c):04x}") for c in text)
    return f'"{inner}"'


def duration(ns: int) -> str:
    """The shortest exact text of a duration."""
    for unit, size in (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if ns and ns % size == 0:
            return f"{ns // size}{unit}"
    return f"{ns}ns"


def _nested(node: n.Nested) -> str:
    inner = node.item
    while isinstance(inner, n.Nested):
        inner = inner.item
    return f"({formatted(inner)})"


def _call(node: n.Call) -> str:
    more = f" by {formatted(node.by)}" if node.by else ""
    more += f", {formatted(node.second)}" if node.second else ""
    return f"{node.prefix}{node.fun}({formatted(node.item)}{more})"


def _relation(node: n.Relation) -> str:
    left, right = formatted(node.left), formatted(node.right)
    if node.op == "within":
        return f"{left} within {duration(node.gap or 0)} of {right}"
    op = f"{node.op} of" if node.op in ("child", "parent", "sibling") else node.op
    return f"{left} {op} {right}" + ("" if node.gap is None else f" within {duration(node.gap)}")


def _arithmetic(node: n.Arithmetic) -> str:
    words = [formatted(node.items[0])]
    for op, item in zip(node.ops, node.items[1:], strict=True):
        words += [op, formatted(item)]
    return " ".join(words)


def _in(node: n.In) -> str:
    values = ", ".join(formatted(value) for value in node.values)
    return f"{formatted(node.item)} {'not in' if node.negated else 'in'} [{values}]"


_FORMAT: dict[type[n.Node], Callable[[Any], str]] = {
    n.Or: lambda node: " or ".join(formatted(item) for item in node.items),
    n.And: lambda node: " and ".join(formatted(item) for item in node.items),
    n.Not: lambda node: f"not {formatted(node.item)}",
    n.Name: lambda node: node.text,
    n.Text: lambda node: quoted(node.value),
    n.Number: lambda node: node.text,
    n.Duration: lambda node: node.text,
    n.Where: lambda node: f"{formatted(node.item)}.where({formatted(node.predicate)})",
    n.Bracket: lambda node: f"{formatted(node.item)}[{quoted(node.key)}]",
    n.FieldOf: lambda node: f"{formatted(node.item)}.{node.field}",
    n.As: lambda node: f"{formatted(node.item)} as {node.alias}",
    n.Has: lambda node: f"trace.has({formatted(node.item)})",
    n.Nested: _nested,
    n.Call: _call,
    n.Arithmetic: _arithmetic,
    n.Exists: lambda node: f"{formatted(node.item)} exists",
    n.In: _in,
    n.Compare: lambda node: f"{formatted(node.left)} {node.op} {formatted(node.right)}",
    n.Relation: _relation,
}
