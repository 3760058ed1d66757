"""From rule text to frozen nodes, by textX, which lives here alone."""

import math
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

from textx import metamodel_from_file
from textx.exceptions import TextXSyntaxError

from dsl import nodes as n
from dsl.hints import syntax
from dsl.scope import Problem

MAX_SIZE = 64 * 1024  # bytes of a rule's text
MAX_DEPTH = 64
_DIGITS = 400
_OF = ("within", "child", "parent", "sibling")
_FRAMES = 20_000  # that textX may take for so deep a text; Python allows 1,000
_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_QUOTED = re.compile(r'"(?:\\.|[^"\\\n])*"|(?://|#)[^\n]*')
_PLAIN = {"n": "\n", "t": "\t", '"': '"', "\\": "\\"}

sys.setrecursionlimit(max(_FRAMES, sys.getrecursionlimit()))


class ParseError(Exception):
    """The text is no rule."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def parse(text: str) -> n.Condition:
    """Parse one rule text; ParseError when it cannot be."""
    _bound(text)
    try:
        model = _grammar().model_from_str(text)
    except TextXSyntaxError as problem:
        raise ParseError(syntax(text, _offset(text, problem.line, problem.col))) from None
    body = model.body
    lets = tuple(
        n.Let(let._tx_position, let._tx_position_end, let.name, _node(let.value)) for let in model.lets
    )
    if type(body).__name__ == "Pattern":
        return n.Condition(text, lets, _node(body.value), ())
    clauses = tuple((clause.kind, _node(clause.value)) for clause in body.clauses)
    places = tuple(n.Node(clause._tx_position, clause._tx_position_end) for clause in body.clauses)
    return n.Condition(text, lets, None, clauses, places)


@cache
def _grammar() -> Any:
    return metamodel_from_file(Path(__file__).parent / "grammar.tx")


def _refused(message: str, at: int, length: int = 1) -> ParseError:
    return ParseError(Problem(message, at, at + length))


def _bound(text: str) -> None:
    if len(text.encode("utf-8", "replace")) > MAX_SIZE:
        raise _refused(f"a rule may have at most {MAX_SIZE // 1024} KiB", 0)
    depth = nots = 0
    bare = _QUOTED.sub(lambda match: " " * len(match[0]), text)
    for match in re.finditer(r"[({\[]|[)}\]]|\bnot\b|\S", bare):
        word = match[0]
        depth += (word in "({[") - (word in ")}]")
        nots = nots + 1 if word == "not" else 0
        if depth > MAX_DEPTH or nots > MAX_DEPTH:
            raise _refused(f"nested more than {MAX_DEPTH} deep", match.start())


def _offset(text: str, line: int, column: int) -> int:
    lines = text.split("\n")
    return min(len(text), sum(len(each) + 1 for each in lines[: line - 1]) + column - 1)


def _node(raw: Any) -> n.Node:
    node: n.Node = _BUILD[type(raw).__name__](raw, raw._tx_position, raw._tx_position_end)
    return node


def _expr(raw: Any, start: int, end: int) -> n.Node:
    items = tuple(_node(item) for item in raw.items)
    return items[0] if len(items) == 1 else n.Or(start, end, items)


def _both(raw: Any, start: int, end: int) -> n.Node:
    items = tuple(_node(item) for item in raw.items)
    return items[0] if len(items) == 1 else n.And(start, end, items)


def _negation(raw: Any, start: int, end: int) -> n.Node:
    node = _node(raw.item)
    for word in reversed(raw.nots):
        node = n.Not(word._tx_position, end, node)
    return node


def _comparison(raw: Any, start: int, end: int) -> n.Node:
    left, tail = _node(raw.left), raw.tail
    kind = type(tail).__name__
    if tail is None:
        return left
    if kind == "Exists":
        return n.Exists(start, end, left)
    if kind == "Member":
        return n.In(start, end, left, tuple(_node(value) for value in tail.values), bool(tail.negated))
    if kind == "Compare":
        return n.Compare(start, end, tail.op, left, _node(tail.right))
    return _relation(tail, start, end, left)


def _relation(tail: Any, start: int, end: int, left: n.Node) -> n.Node:
    gap = tail.gap or (tail.within and tail.within.gap)
    takes = {"within": tail.gap and not tail.within, "before": not tail.gap, "after": not tail.gap}
    at, op = tail._tx_position, tail.op
    if not takes.get(op, not gap):
        raise _refused("'within' takes a duration, and follows only 'before' and 'after'", at, len(op))
    if bool(tail.of) is not (op in _OF):
        said = f"'{op}' takes no 'of'" if tail.of else f"'{op}' is followed by 'of'"
        raise _refused(said, at, len(op))
    value = _duration(gap, 0, 0).value if gap else None
    return n.Relation(start, end, op, left, _node(tail.right), value)


def _chain(raw: Any, start: int, end: int) -> n.Node:
    items = tuple(_node(item) for item in raw.items)
    return items[0] if len(items) == 1 else n.Arithmetic(start, end, items, tuple(raw.ops))


def _postfix(raw: Any, start: int, end: int) -> n.Node:
    node = _node(raw.item)
    for part in raw.parts:
        stop = part._tx_position_end
        if type(part).__name__ == "Where":
            node = n.Where(start, stop, node, _node(part.value))
        elif type(part).__name__ == "FieldPart":
            if isinstance(node, n.Name | n.FieldOf):
                raise _refused("unexpected '.': a name is written without spaces", part._tx_position)
            node = n.FieldOf(start, stop, node, part.text[1:])
        else:
            node = n.Bracket(start, stop, node, _unquoted(part.key.text, part.key._tx_position))
    return n.As(start, end, node, raw.alias.name) if raw.alias else node


def _call(raw: Any, start: int, end: int) -> n.Node:
    rest = raw.rest
    by = _node(rest.field) if type(rest).__name__ == "ByField" else None
    second = _node(rest.value) if type(rest).__name__ == "Second" else None
    fun = raw.fun.rstrip("( \t\n")
    prefix = "trace." if fun.startswith("trace.") else ""
    return n.Call(start, end, fun.removeprefix("trace."), _node(raw.value), by, second, prefix)


def _number(raw: Any, start: int, end: int) -> n.Number:
    text = raw.text.replace("_", "")
    if len(text) > _DIGITS:
        raise _refused(f"a number may have at most {_DIGITS} digits", start)
    value = int(text) if re.fullmatch(r"-?\d+", text) else float(text)
    if value in (math.inf, -math.inf):
        raise _refused("this number is too great", start)
    return n.Number(start, end, value, raw.text)


def _duration(raw: Any, start: int, end: int) -> n.Duration:
    found = re.fullmatch(r"(-?[\d_]+)(?:\.(\d+))?([a-z]+)", raw.text)
    assert found is not None, raw.text
    whole, fraction, unit = found[1].replace("_", ""), found[2] or "", _UNITS[found[3]]
    part = int(fraction or 0) * unit // 10 ** len(fraction)
    value = int(whole) * unit + (-part if whole.startswith("-") else part)
    return n.Duration(start, end, value, raw.text)


def _unquoted(text: str, start: int) -> str:
    """A string literal's value."""

    def plain(match: re.Match[str]) -> str:
        escape = match[1]
        if len(escape) > 1:
            return chr(int(escape[1:], 16))
        if escape not in _PLAIN:
            raise _refused(
                f"unknown escape '\\{escape}', did you mean '\\\\{escape}'?", start + 1 + match.start()
            )
        return _PLAIN[escape]

    value = _ESCAPE.sub(plain, text[1:-1])
    try:
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _refused("half of a surrogate pair is no character", start) from None


_BUILD: dict[str, Any] = {
    "Expr": _expr,
    "Both": _both,
    "Negation": _negation,
    "Comparison": _comparison,
    "Sum": _chain,
    "Product": _chain,
    "Postfix": _postfix,
    "Has": lambda raw, start, end: n.Has(start, end, _node(raw.value)),
    "Nested": lambda raw, start, end: n.Nested(start, end, _node(raw.value)),
    "Call": _call,
    "Duration": _duration,
    "Number": _number,
    "Text_": lambda raw, start, end: n.Text(start, end, _unquoted(raw.text, start)),
    "Name": lambda raw, start, end: n.Name(start, end, raw.text),
}
