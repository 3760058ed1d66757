"""Compiles what `.where( )` says about one span to closures."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import re2

from dsl import nodes as n
from dsl.fields import INTRINSICS, RESERVED, Field, field_of
from dsl.trace import Span, Trace
from dsl.values import MISMATCH, as_boolean, as_number, compare, is_number, truthy

Env = Mapping[str, Span]
_MS = 10**6
_QUIET = re2.Options()
_QUIET.log_errors = False


class LimitReached(Exception):
    """More steps than a rule may take on one trace."""


@dataclass(slots=True)
class Run:
    """One rule on one trace: what it has used up, and what did not compare."""

    trace: Trace
    max_steps: int
    steps: int = 0
    mismatches: int = 0

    def step(self) -> None:
        """Count a step; LimitReached past the last one."""
        self.steps += 1
        if self.steps > self.max_steps:
            raise LimitReached


Predicate = Callable[[Run, Span, Env], bool]
Read = Callable[[Run, Span, Env], Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at text[start:end]."""

    message: str
    start: int
    end: int
    suggestion: str | None = None


@dataclass(slots=True)
class Scope:
    """What names mean at a place: the selectors named by `let`, the aliases, and what was found wrong."""

    lets: dict[str, n.Node] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)  # attributes that the rule names

    def wrong(self, node: n.Node, message: str, known: Iterable[str] = (), word: str = "") -> None:
        """Note a problem, with the nearest known word where there is one."""
        near = difflib.get_close_matches(word, list(known), 1) if word else []
        hint = f", did you mean '{near[0]}'?" if near else ""
        self.problems.append(Problem(message + hint, node.start, node.end, near[0] if near else None))


@dataclass(frozen=True, slots=True)
class Operand:
    """One side of a comparison."""

    read: Read
    literal: Any = None
    duration: bool = False


def predicate(node: n.Node, scope: Scope) -> Predicate:  # noqa: C901 one case a node
    """Compile a predicate; problems go to the scope."""
    match node:
        case n.Nested():
            return predicate(node.item, scope)
        case n.Not():
            inner = predicate(node.item, scope)
            return lambda run, span, env: not inner(run, span, env)
        case n.And():
            parts = [predicate(item, scope) for item in node.items]
            return lambda run, span, env: all(part(run, span, env) for part in parts)
        case n.Or():
            parts = [predicate(item, scope) for item in node.items]
            return lambda run, span, env: any(part(run, span, env) for part in parts)
        case n.Compare():
            return comparison(node, operand(node.left, scope), right_operand(node.right, scope), scope)
        case n.In():
            return member(node, scope)
        case n.Exists():
            read = operand(node.item, scope).read
            return lambda run, span, env: read(run, span, env) is not None
        case n.Name() | n.Text() | n.Bracket():
            read = operand(node, scope).read
            return lambda run, span, env: truthy(read(run, span, env))
    scope.wrong(node, _unfit(node))
    return lambda run, span, env: False


def operand(node: n.Node, scope: Scope) -> Operand:
    """What stands left in a comparison: a field, of this span or of an alias's."""
    match node:
        case n.Nested():
            return operand(node.item, scope)
        case n.Number() | n.Duration():
            return _literal(node)
        case n.Text():
            return _of_span(field_of(node.value, quoted=True), scope)
        case n.Bracket(item=n.Name(text=alias)) if alias in scope.aliases:
            return _of_alias(alias, field_of(node.key, quoted=True), scope)
        case n.Name():
            return _named(node, scope)
    scope.wrong(node, _unfit(node))
    return Operand(lambda run, span, env: None)


def right_operand(node: n.Node, scope: Scope) -> Operand:  # noqa: C901 one case a node
    """What stands right in a comparison: a literal, a bare word (a string), or a field."""
    match node:
        case n.Nested():
            return right_operand(node.item, scope)
        case n.Text():
            return _constant(node.value)
        case n.Name(text=text) if text in ("true", "false"):
            return _constant(text == "true")
        case n.Name(text=text) if text in scope.aliases:
            scope.wrong(node, f"'{text}' is a span: name one of its fields, as {text}.amount")
            return _constant(None)
        case n.Name(text=text) if "." not in text and ":" not in text:
            if text in RESERVED:
                scope.wrong(node, f"'{text}' is a word of the language: in quotes it is text")
            return _constant(text)
        case n.Name(text=text):
            first = text.partition(".")[0]
            if first not in scope.aliases and first not in ("span", "resource", "scope") and ":" not in first:
                place = n.Name(node.start, node.start + len(first), first)
                scope.wrong(place, f"unknown alias '{first}'", scope.aliases, first)
                return _constant(None)
    return operand(node, scope)


def comparison(node: n.Compare, left: Operand, right: Operand, scope: Scope) -> Predicate:
    """Both sides read and compared; a missing one does not hold."""
    op = node.op
    if op == "matches":
        return _matching(node, left, right, scope)
    if isinstance(right.literal, bool) and op not in ("==", "!="):
        scope.wrong(node, f"'{op}' cannot compare with a boolean")
    test = comparer(op, left, right)
    read_left, read_right = left.read, right.read

    def holds(run: Run, span: Span, env: Env) -> bool:
        return test(run, read_left(run, span, env), read_right(run, span, env))

    return holds


def comparer(op: str, left: Operand, right: Operand) -> Callable[[Run, Any, Any], bool]:
    """How two values are compared, as far as the text tells: literals' types, durations."""
    loosen = next((f for lit in (left.literal, right.literal) if (f := _loosen(lit))), None)
    scale_left, scale_right = right.duration and not left.duration, left.duration and not right.duration

    def test(run: Run, a: Any, b: Any) -> bool:
        if a is None or b is None:
            return False
        if loosen:
            a, b = loosen(a), loosen(b)
        if scale_left and is_number(a):
            a = a * _MS
        if scale_right and is_number(b):
            b = b * _MS
        result = compare(op, a, b)
        if result is MISMATCH:
            run.mismatches += 1
            return False
        return bool(result)

    return test


def member(node: n.In, scope: Scope) -> Predicate:
    """`field in [..]`: equal to one of them."""
    if not node.values:
        scope.wrong(node, "an empty list: nothing is in it")
    left = operand(node.item, scope)
    values = [_list_item(value) for value in node.values]
    tests = [(comparer("==", left, value), value.literal) for value in values]
    negated, read = node.negated, left.read

    def holds(run: Run, span: Span, env: Env) -> bool:
        found = read(run, span, env)
        if found is None:
            return False
        before = run.mismatches
        hit = any(test(run, found, value) for test, value in tests)
        run.mismatches = before
        return hit is not negated

    return holds


def _matching(node: n.Compare, left: Operand, right: Operand, scope: Scope) -> Predicate:
    if not isinstance(right.literal, str):
        scope.wrong(node.right, "'matches' takes a regular expression in quotes")
        return lambda run, span, env: False
    try:
        expression = re2.compile(right.literal, _QUIET)
    except re2.error as problem:
        scope.wrong(node.right, f"invalid regular expression: {_said(problem)}")
        return lambda run, span, env: False
    read = left.read

    def holds(run: Run, span: Span, env: Env) -> bool:
        value = read(run, span, env)
        if isinstance(value, str):
            return expression.search(value) is not None
        run.mismatches += value is not None
        return False

    return holds


def _named(node: n.Name, scope: Scope) -> Operand:
    first, _, rest = node.text.partition(".")
    if first in scope.aliases:
        if not rest:
            scope.wrong(node, f"'{first}' is a span: name one of its fields, as {first}.amount")
            return _constant(None)
        return _of_alias(first, _known(node, rest, scope), scope)
    return _of_span(_known(node, node.text, scope), scope)


def _known(node: n.Node, text: str, scope: Scope) -> Field | None:
    found = None if text in RESERVED else field_of(text)
    if text in RESERVED:
        scope.wrong(node, f"'{text}' is a word of the language: in quotes it is a field")
        return None
    if found is None and text.startswith(("event", "link", "instrumentation", "span:childCount")):
        scope.wrong(node, f"not yet supported: the field '{text}'")
    elif found is None:
        scope.wrong(node, f"unknown field '{text}'", INTRINSICS, text)
    return found


def _of_span(found: Field | None, scope: Scope) -> Operand:
    if found is None:
        return _constant(None)
    if found.key:
        scope.keys.add(found.key)
    read = found.read
    return Operand(lambda run, span, env: read(span), duration=found.duration)


def _of_alias(alias: str, found: Field | None, scope: Scope) -> Operand:
    if found is None:
        return _constant(None)
    if found.key:
        scope.keys.add(found.key)
    read = found.read
    return Operand(lambda run, span, env: read(env[alias]), duration=found.duration)


def _literal(node: n.Number | n.Duration) -> Operand:
    value = node.value
    return Operand(lambda run, span, env: value, value, isinstance(node, n.Duration))


def _list_item(node: n.Node) -> Operand:
    match node:
        case n.Number() | n.Duration():
            return _literal(node)
        case n.Name(text=text) if text in ("true", "false"):
            return _constant(text == "true")
        case n.Name(text=text) | n.Text(value=text):
            return _constant(text)
    raise AssertionError(node)


def _constant(value: Any) -> Operand:
    return Operand(lambda run, span, env: value, value)


def _loosen(literal: Any) -> Callable[[Any], Any] | None:
    if is_number(literal):
        return as_number
    return as_boolean if isinstance(literal, bool) else None


def _said(problem: Exception) -> str:
    text = problem.args[0] if problem.args else problem
    return text.decode() if isinstance(text, bytes) else str(text)


def _unfit(node: n.Node) -> str:
    if isinstance(node, n.Arithmetic):
        return "not yet supported: arithmetic"
    if isinstance(node, n.Call):
        return f"'{node.fun}' says something about the trace, not about one span"
    return "not something that can be said about one span"
