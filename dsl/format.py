"""A condition as canonical text: one space, needed quotes and parentheses only."""

import json
import re

from dsl import nodes as n

_NAME = re.compile(
    r"[A-Za-z_][A-Za-z0-9_]*(-[A-Za-z0-9_]+)*(\.[A-Za-z_][A-Za-z0-9_]*(-[A-Za-z0-9_]+)*)*(:[A-Za-z]+)?"
)


def formatted(node: n.Node) -> str:  # noqa: C901 one case a node
    """The node's text."""
    match node:
        case n.Or():
            return " or ".join(formatted(item) for item in node.items)
        case n.And():
            return " and ".join(formatted(item) for item in node.items)
        case n.Not():
            return f"not {formatted(node.item)}"
        case n.Name():
            return node.text
        case n.Text():
            return json.dumps(node.value, ensure_ascii=False)
        case n.Number():
            return f"{node.value}"
        case n.Duration():
            return node.text
        case n.Nested():
            return f"({formatted(node.item)})"
        case n.Has():
            return (
                formatted(node.item)
                if isinstance(node.item, n.Name | n.Text | n.Where)
                else f"trace.has({formatted(node.item)})"
            )
    return _compound(node)


def _compound(node: n.Node) -> str:
    match node:
        case n.Where():
            return f"{formatted(node.item)}.where({formatted(node.predicate)})"
        case n.Bracket():
            return f"{formatted(node.item)}[{json.dumps(node.key, ensure_ascii=False)}]"
        case n.As():
            return f"{formatted(node.item)} as {node.alias}"
        case n.Exists():
            return f"{formatted(node.item)} exists"
        case n.In():
            values = ", ".join(formatted(value) for value in node.values)
            return f"{formatted(node.item)} {'not in' if node.negated else 'in'} [{values}]"
        case n.Compare():
            return f"{formatted(node.left)} {node.op} {formatted(node.right)}"
    return _rest(node)


def _rest(node: n.Node) -> str:
    match node:
        case n.Call():
            more = f" by {node.by}" if node.by else f", {formatted(node.second)}" if node.second else ""
            return f"{node.fun}({formatted(node.item)}{more})"
        case n.Relation():
            return _relation(node)
        case n.Arithmetic():
            words = [formatted(node.items[0])]
            for op, item in zip(node.ops, node.items[1:], strict=True):
                words += [op, formatted(item)]
            return " ".join(words)
    raise AssertionError(node)


def _relation(node: n.Relation) -> str:
    left, right = formatted(node.left), formatted(node.right)
    if node.op == "within":
        return f"{left} within {duration(node.gap or 0)} of {right}"
    op = f"{node.op} of" if node.op in ("child", "parent", "sibling") else node.op
    return f"{left} {op} {right}" + ("" if node.gap is None else f" within {duration(node.gap)}")


def duration(ns: int) -> str:
    """The shortest exact text of a duration."""
    for unit, size in (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3)):
        if ns and ns % size == 0:
            return f"{ns // size}{unit}"
    return f"{ns}ns"
