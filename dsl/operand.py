"""One side of a comparison: literals, fields, arithmetic; and how two sides are compared."""

import itertools
import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import re2

from dsl import nodes as n
from dsl.fields import Field, Kind, Unit
from dsl.run import Env, Read, Run
from dsl.scope import Scope, nearest
from dsl.trace import Span, Trace
from dsl.values import MISMATCH, ORDER, as_boolean, as_number, compare, is_number

_MS = 10**6
_QUIET = re2.Options()
_QUIET.log_errors = False
_SAYS = {"number": "a number", "text": "text", "boolean": "true or false"}
_OPS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}

Test = Callable[[Run, Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Operand:
    """`read` gives a value or None; with `each` the list of values of events or links.

    `literal` is the value of a literal, else None; `free` tells that no alias is read. `key` is the attribute
    that it reads, if it reads one alone.
    """

    read: Read
    literal: Any = None
    unit: Unit = ""
    kind: Kind = "any"
    each: bool = False
    free: bool = True
    values: tuple[str, ...] = ()
    key: str | None = None
    direct: Callable[[Span, Trace], Any] | None = None  # of a field with one value: how its span is asked


def constant(value: Any, unit: Unit = "") -> Operand:
    """A literal."""
    kind: Kind = "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
    return Operand(lambda run, span, env: value, value, unit, "any" if value is None else kind)


def literal(node: n.Number | n.Duration) -> Operand:
    """The literal that a node is."""
    return constant(node.value, "duration" if isinstance(node, n.Duration) else "")


def of_span(field: Field) -> Operand:
    """A field of the span at hand."""
    read = field.read
    return Operand(
        lambda run, span, env: read(span, run.trace),
        unit=field.unit, kind=field.kind, each=field.each, values=field.values, key=field.key,
        direct=None if field.each else read,
    )  # fmt: skip


def of_alias(alias: str, field: Field) -> Operand:
    """A field of the span that an alias names."""
    read = field.read
    return replace(of_span(field), read=lambda run, span, env: read(env[alias], run.trace), free=False)


def arithmetic(node: n.Arithmetic, parts: list[Operand], scope: Scope) -> Operand:
    """A chain of `+ -` or of `* /`, from the left."""
    for item, part in zip(node.items, parts, strict=True):
        if part.kind in ("text", "boolean"):
            scope.wrong(item, f"{_SAYS[part.kind]} cannot be reckoned with")
            return replace(constant(None), kind="number")
    result = parts[0]
    for op, part in zip(node.ops, parts[1:], strict=True):
        result = _reckoned(op, result, part)
    return result


def _reckoned(op: str, left: Operand, right: Operand) -> Operand:
    unit, scale_left, scale_right = _units(op, left.unit, right.unit)
    read_left, read_right, each = left.read, right.read, left.each or right.each

    def one(run: Run, a: Any, b: Any) -> Any:
        if a is None or b is None:
            return None
        if not is_number(a) or not is_number(b):
            run.mismatches += 1
            return None
        try:
            return _OPS[op](a * scale_left, b * scale_right)
        except (ZeroDivisionError, OverflowError):
            return None

    def read(run: Run, span: Any, env: Env) -> Any:
        a, b = read_left(run, span, env), read_right(run, span, env)
        if not each:
            return one(run, a, b)
        pairs = itertools.product(a if left.each else [a], b if right.each else [b])
        return [one(run, *pair) for pair in pairs]

    return Operand(read, unit=unit, kind="number", each=each, free=left.free and right.free)


def _units(op: str, left: Unit, right: Unit) -> tuple[Unit, int, int]:
    """The result's unit, and by what each side is multiplied: beside a duration a plain number is ms."""
    if op == "*":
        return ("duration" if "duration" in (left, right) else ""), 1, 1
    if op == "/":
        return ("duration" if left == "duration" and not right else ""), 1, 1
    if "time" in (left, right):
        return ("duration" if left == right else "time"), (1 if left else _MS), (1 if right else _MS)
    if "duration" in (left, right):
        return "duration", (1 if left else _MS), (1 if right else _MS)
    return "", 1, 1


def test_of(node: n.Compare, left: Operand, right: Operand, scope: Scope) -> Test:
    """How the two values are compared, as far as the text tells; a missing one does not hold."""
    if node.op == "matches":
        one = _matching(node, left, right, scope)
    else:
        _check_types(node, left, right, scope)
        one = comparer(node.op, left, right)
    if not left.each and not right.each:
        return one

    def some(run: Run, a: Any, b: Any) -> bool:
        pairs = itertools.product(a if left.each else [a], b if right.each else [b])
        return any(one(run, *pair) for pair in pairs)

    return some


def comparer(op: str, left: Operand, right: Operand) -> Test:
    """The test of two single values."""
    loosen = next((f for lit in (left.literal, right.literal) if (f := _loosen(lit))), None)
    scale_left = _MS if right.unit == "duration" and not left.unit else 1
    scale_right = _MS if left.unit == "duration" and not right.unit else 1

    def test(run: Run, a: Any, b: Any) -> bool:
        if a is None or b is None:
            return False
        if loosen:
            a, b = loosen(a), loosen(b)
        if scale_left != 1 and is_number(a):
            a = a * scale_left
        if scale_right != 1 and is_number(b):
            b = b * scale_right
        result = compare(op, a, b)
        if result is MISMATCH:
            run.mismatches += 1
            return False
        return bool(result)

    return _quick(op, test, right.literal) if scale_left == scale_right == 1 else test


def _quick(op: str, test: Test, literal: Any) -> Test:
    """The same test, shorter for what is nearly always compared: a number or text of the literal's type."""
    ordered = ORDER.get(op)
    if ordered is None or not (is_number(literal) or isinstance(literal, str)):
        return test
    kinds: tuple[type, ...] = (str,) if isinstance(literal, str) else (int, float)

    def quick(run: Run, a: Any, b: Any) -> bool:
        if type(a) in kinds:
            return a == a and ordered(a, b)  # NaN equals nothing, itself included
        return test(run, a, b)

    return quick


def _loosen(literal: Any) -> Callable[[Any], Any] | None:
    """What is done to an attribute's text beside such a literal; to an array's elements alike."""
    if is_number(literal):
        one = as_number
    elif isinstance(literal, bool):
        one = as_boolean
    else:
        return None
    return lambda value: [one(item) for item in value] if isinstance(value, list) else one(value)


def _check_types(node: n.Compare, left: Operand, right: Operand, scope: Scope) -> None:
    """Say what can never compare."""
    ordering = node.op in ("<", "<=", ">", ">=")
    for side in (left, right):
        if ordering and side.kind == "boolean":
            scope.wrong(node, f"'{node.op}' cannot compare with true or false")
            return
    kinds = {side.kind for side in (left, right)} - {"any"}
    if node.op in ("contains", "starts_with", "ends_with"):
        if (kinds - {"text"} and node.op != "contains") or left.kind in ("number", "boolean"):
            scope.wrong(node, f"'{node.op}' is said of text")
    elif len(kinds) > 1:
        scope.wrong(node, f"{_SAYS[left.kind]} never compares with {_SAYS[right.kind]}")
    _check_values(node, left, right, scope)


def _check_values(node: n.Compare, left: Operand, right: Operand, scope: Scope) -> None:
    """Warn of a value that a kind or status never has."""
    for side, other, place in ((left, right, node.right), (right, left, node.left)):
        value = other.literal
        if node.op in ("==", "!=") and side.values and isinstance(value, str) and value not in side.values:
            near = nearest(value, side.values)
            hint = f", did you mean '{near}'?" if near else ""
            scope.warn(place, f"'{value}' never comes: it is one of {', '.join(side.values)}{hint}", near)


def _matching(node: n.Compare, left: Operand, right: Operand, scope: Scope) -> Test:
    never: Test = lambda run, a, b: False  # noqa: E731
    if not isinstance(right.literal, str):
        scope.wrong(node.right, "'matches' takes a regular expression in quotes")
        return never
    if left.kind in ("number", "boolean"):
        scope.wrong(node, "'matches' is said of text")
        return never
    try:
        expression = re2.compile(right.literal, _QUIET)
    except re2.error as problem:
        scope.wrong(node.right, f"invalid regular expression: {_said(problem)}")
        return never

    def test(run: Run, a: Any, b: Any) -> bool:
        if isinstance(a, str):
            return expression.search(a) is not None
        run.mismatches += a is not None
        return False

    return test


def _said(problem: Exception) -> str:
    text = problem.args[0] if problem.args else problem
    return text.decode() if isinstance(text, bytes) else str(text)
