"""Compiles what `.where( )` says about one span to closures."""

from collections.abc import Callable
from dataclasses import dataclass

from dsl import nodes as n
from dsl.bound import Bound
from dsl.fields import INTRINSICS, RESERVED, SCOPES, Field, field_of
from dsl.operand import Operand, arithmetic, comparer, constant, literal, of_alias, of_span, test_of
from dsl.run import Env, Run
from dsl.scope import Scope
from dsl.trace import Span
from dsl.values import ORDER, is_number, truthy

_NOTHING = ("null", "nil", "None", "undefined")

Holds = Callable[[Run, Span, Env], bool]


@dataclass(frozen=True, slots=True)
class Predicate:
    """`free` tells that no alias is read. A conjunct `field == x.field` may be a join, in `join`."""

    holds: Holds
    free: bool = True
    join: tuple[Operand, Operand] | None = None  # this span's side, and the alias's
    parts: tuple["Predicate", ...] = ()  # of an `and`
    bound: Bound | None = None  # what has to hold first


def predicate(node: n.Node, scope: Scope) -> Predicate:  # noqa: C901 one case a node
    """Compile a predicate; problems go to the scope."""
    match node:
        case n.Nested():
            return predicate(node.item, scope)
        case n.Not():
            inner = predicate(node.item, scope)
            holds = inner.holds
            return Predicate(lambda run, span, env: not holds(run, span, env), inner.free)
        case n.And():
            return _joined(node.items, scope, all)
        case n.Or():
            return _joined(node.items, scope, any)
        case n.Compare():
            return _comparison(node, scope)
        case n.In():
            return _member(node, scope)
        case n.Exists():
            return _read(node.item, scope, lambda value: value is not None)
        case n.Name() | n.Text() | n.Bracket():
            return _read(node, scope, truthy)
    scope.wrong(node, _unfit(node))
    return Predicate(lambda run, span, env: False)


def _joined(items: tuple[n.Node, ...], scope: Scope, whole: Callable[..., bool]) -> Predicate:
    parts = tuple(predicate(item, scope) for item in items)
    tests = [part.holds for part in parts]
    free = all(part.free for part in parts)
    return Predicate(
        lambda run, span, env: whole(test(run, span, env) for test in tests),
        free,
        parts=parts if whole is all else (),
        bound=parts[0].bound if whole is all else None,
    )


def _read(node: n.Node, scope: Scope, says: Callable[[object], bool]) -> Predicate:
    found = operand(node, scope)
    read = found.read
    if found.each:
        return Predicate(lambda run, span, env: any(map(says, read(run, span, env))), found.free)
    return Predicate(lambda run, span, env: says(read(run, span, env)), found.free)


def _comparison(node: n.Compare, scope: Scope) -> Predicate:
    left, right = operand(node.left, scope), operand(node.right, scope, right=True)
    test = test_of(node, left, right, scope)
    read_left, read_right = left.read, right.read

    def holds(run: Run, span: Span, env: Env) -> bool:
        return test(run, read_left(run, span, env), read_right(run, span, env))

    join = None
    if node.op == "==" and left.free is not right.free and left.unit == right.unit:
        here, there = (left, right) if left.free else (right, left)
        if not (here.each or there.each or here.literal is not None) and _plain(node.left, node.right):
            join = here, there
    return Predicate(holds, left.free and right.free, join, bound=_bound(node, left, right))


def _bound(node: n.Compare, left: Operand, right: Operand) -> Bound | None:
    if left.direct is None or left.unit or not left.free or node.op not in ORDER:
        return None
    literal = right.literal
    if right.unit or not (is_number(literal) or isinstance(literal, str)):
        return None
    return Bound(left.direct, node.op, literal)


def _plain(*sides: n.Node) -> bool:
    """Whether both sides are fields: each of one span."""
    return all(isinstance(side, n.Name | n.Text | n.Bracket) for side in sides)


def _member(node: n.In, scope: Scope) -> Predicate:
    left = operand(node.item, scope)
    test, read = member(node, left, scope), left.read
    return Predicate(lambda run, span, env: test(run, read(run, span, env)), left.free)


def member(node: n.In, left: Operand, scope: Scope) -> Callable[[Run, object], bool]:
    """`in [..]`: equal to one of them. `not in`: to none, and not missing."""
    if not node.values:
        scope.wrong(node, "an empty list: nothing is in it")
    values = [_list_item(value, scope) for value in node.values]
    tests = [(comparer("==", left, value), value.literal) for value in values]
    negated = node.negated

    def one(run: Run, found: object) -> bool:
        if found is None:
            return False
        before = run.mismatches
        hit = any(test(run, found, value) for test, value in tests)
        run.mismatches = before
        return hit is not negated

    if left.each:
        return lambda run, found: any(one(run, each) for each in found)  # type: ignore[attr-defined]
    return one


def _list_item(node: n.Node, scope: Scope) -> Operand:
    match node:
        case n.Number() | n.Duration():
            return literal(node)
        case n.Name(text=text) if text in ("true", "false"):
            return constant(text == "true")
        case n.Name(text=text) | n.Text(value=text):
            return constant(text)
    raise AssertionError(node)


def operand(node: n.Node, scope: Scope, *, right: bool = False, reckoning: bool = False) -> Operand:
    """One side of a comparison. On the right an undotted word is text, unless it is reckoned with."""
    match node:
        case n.Nested():
            return operand(node.item, scope, right=right, reckoning=reckoning)
        case n.Number() | n.Duration():
            return literal(node)
        case n.Arithmetic():
            parts = [operand(item, scope, right=right, reckoning=True) for item in node.items]
            return arithmetic(node, parts, scope)
        case n.Text():
            return constant(node.value) if right and not reckoning else _attribute(node.value, scope)
        case n.Bracket(item=n.Name(text=alias)) if alias in scope.aliases:
            return alias_field(alias, field_of(node.key, quoted=True), scope)
        case n.Name():
            return _word(node, scope) if right and not reckoning else _named(node, scope)
    scope.wrong(node, _unfit(node))
    return constant(None)


def _word(node: n.Name, scope: Scope) -> Operand:
    """A name on the right: text, unless it is dotted."""
    text = node.text
    if text in ("true", "false"):
        return constant(text == "true")
    if "." in text or ":" in text:
        first = text.partition(".")[0]
        if first in scope.aliases or first in SCOPES or ":" in first:
            return _named(node, scope)
        place = n.Name(node.start, node.start + len(first), first)
        if not scope.hidden(place):
            scope.wrong(place, f"unknown alias '{first}'", scope.aliases, first)
        return constant(None)
    if text in scope.aliases or text in scope.lets or text in RESERVED:
        return _named(node, scope)
    if text in _NOTHING:
        scope.warn(node, f"'{text}' is text here: whether a field is there, says 'exists'")
    return constant(text)


def _named(node: n.Name, scope: Scope) -> Operand:
    """A name that is a field: of this span, or of an alias's."""
    first, _, rest = node.text.partition(".")
    if first in scope.aliases:
        if rest:
            return alias_field(first, known_field(node, rest, scope), scope)
        scope.wrong(node, f"'{first}' is a span: name one of its fields, as {first}.amount")
        return constant(None)
    if node.text in scope.lets:
        scope.wrong(node, f"'{node.text}' is a selector, no field: in quotes it is one")
        return constant(None)
    found = known_field(node, node.text, scope)
    return of_span(_noted(found, scope)) if found else constant(None)


def alias_field(alias: str, found: Field | None, scope: Scope) -> Operand:
    """A field of the span that an alias names."""
    scope.used.add(alias)
    return of_alias(alias, _noted(found, scope)) if found else constant(None)


def known_field(node: n.Node, text: str, scope: Scope) -> Field | None:
    """The field of that name, or a problem."""
    if text in RESERVED:
        scope.wrong(node, f"'{text}' is a word of the language: in quotes it is a field")
        return None
    found = field_of(text)
    if found is None:
        scope.wrong(node, f"unknown field '{text}'", INTRINSICS, text)
    return found


def _attribute(key: str, scope: Scope) -> Operand:
    found = field_of(key, quoted=True)
    assert found is not None
    return of_span(_noted(found, scope))


def _noted(found: Field, scope: Scope) -> Field:
    if found.key:
        scope.keys.setdefault(found.key)
    return found


def _unfit(node: n.Node) -> str:
    if isinstance(node, n.Call):
        return f"'{node.fun}' says something about the trace, not about one span"
    if isinstance(node, n.Relation | n.Has | n.Where | n.As):
        return "this selects spans: inside .where( ) and trace.has( ) something is said about one span"
    if isinstance(node, n.Number | n.Duration | n.Arithmetic):
        return "this has to be compared with something"
    return "not something that can be said about one span"
