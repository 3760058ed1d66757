"""Compiles what is said about the trace: each condition finds the ways in which it holds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from dsl import nodes as n
from dsl.format import formatted
from dsl.predicate import Env, Operand, Read, Run, Scope, comparer, operand, predicate
from dsl.selector import Selector, argument, is_selector, selector
from dsl.trace import Span
from dsl.values import truthy


class Condition(Protocol):
    """A compiled condition."""

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        """Every way in which it holds, as the aliases bound then; one that names no span holds in one way."""
        ...

    def missing(self, run: Run, env: Env) -> list[str]:
        """What it lacks, told when it does not hold."""
        ...

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        """The spans selected by its true selectors that are not under `not`."""
        ...

    def record(self, run: Run, env: Env) -> Iterator[tuple[str, bool]]:
        """What it and each of its parts came to."""
        ...


def holds(condition: Condition, run: Run, env: Env) -> bool:
    """Whether there is a way in which the condition holds."""
    return next(condition.solve(run, env), None) is not None


@dataclass(frozen=True, slots=True)
class Some:
    """At least one such span."""

    selector: Selector
    text: str

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        found = self.selector.select(run, env)
        if self.selector.alias is None:
            if found:
                yield env
            return
        for span in found:
            run.step()
            yield {**env, self.selector.alias: span}

    def missing(self, run: Run, env: Env) -> list[str]:
        return [self.text]

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        return iter(self.selector.select(run, env))

    def record(self, run: Run, env: Env) -> Iterator[tuple[str, bool]]:
        yield self.text, holds(self, run, env)


@dataclass(frozen=True, slots=True)
class Not:
    """The item holds in no way."""

    item: Condition
    text: str

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        if not holds(self.item, run, env):
            yield env

    def missing(self, run: Run, env: Env) -> list[str]:
        return []

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        return iter(())

    def record(self, run: Run, env: Env) -> Iterator[tuple[str, bool]]:
        yield self.text, holds(self, run, env)
        yield from self.item.record(run, env)


@dataclass(frozen=True, slots=True)
class And:
    """All items, each seeing the spans that those before it named."""

    items: tuple[Condition, ...]
    text: str

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        return self._from(0, run, env)

    def _from(self, number: int, run: Run, env: Env) -> Iterator[Env]:
        if number == len(self.items):
            yield env
            return
        for bound in self.items[number].solve(run, env):
            yield from self._from(number + 1, run, bound)

    def missing(self, run: Run, env: Env) -> list[str]:
        lacking: list[str] = []
        for item in self.items:
            bound = _first(item, run, env)
            if bound is None:
                lacking += item.missing(run, env)
            else:
                env = bound
        return lacking or [self.text]

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        for item in self.items:
            bound = _first(item, run, env)
            if bound is not None:
                yield from item.spans(run, env)
                env = bound

    def record(self, run: Run, env: Env) -> Iterator[tuple[str, bool]]:
        for item in self.items:
            yield from item.record(run, env)
            env = _first(item, run, env) or env


@dataclass(frozen=True, slots=True)
class Or:
    """Any item; what one names is seen in it alone."""

    items: tuple[Condition, ...]
    text: str

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        if any(holds(item, run, env) for item in self.items):
            yield env

    def missing(self, run: Run, env: Env) -> list[str]:
        return list(chain.from_iterable(item.missing(run, env) for item in self.items))

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        for item in self.items:
            if holds(item, run, env):
                yield from item.spans(run, env)

    def record(self, run: Run, env: Env) -> Iterator[tuple[str, bool]]:
        for item in self.items:
            yield from item.record(run, env)


@dataclass(frozen=True, slots=True)
class Count:
    """Two numbers of the trace compared."""

    left: Callable[[Run, Env], Any]
    right: Callable[[Run, Env], Any]
    test: Callable[[Run, Any, Any], bool]
    counted: tuple[Selector, ...]
    text: str

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        if self.test(run, self.left(run, env), self.right(run, env)):
            yield env

    def missing(self, run: Run, env: Env) -> list[str]:
        return [self.text]

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        for each in self.counted:
            yield from each.select(run, env)

    def record(self, run: Run, env: Env) -> Iterator[tuple[str, bool]]:
        yield self.text, holds(self, run, env)


@dataclass(frozen=True, slots=True)
class Says:
    """A field of an alias's span, alone or compared."""

    test: Callable[[Run, Env], bool]
    text: str

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        if self.test(run, env):
            yield env

    def missing(self, run: Run, env: Env) -> list[str]:
        return [self.text]

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        return iter(())

    def record(self, run: Run, env: Env) -> Iterator[tuple[str, bool]]:
        yield self.text, holds(self, run, env)


Relates = Callable[[Run, Span, Span], bool]


@dataclass(frozen=True, slots=True)
class Related:
    """Some span of one side stands so to some of the other; never a span to itself."""

    left: Selector
    right: Selector
    relates: Relates
    texts: tuple[str, str]
    text: str

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        named = self.left.alias or self.right.alias
        for bound, _, _ in self._pairs(run, env):
            yield bound
            if not named:
                return

    def _pairs(self, run: Run, env: Env) -> Iterator[tuple[Env, Span, Span]]:
        for a in self.left.select(run, env):
            bound = {**env, self.left.alias: a} if self.left.alias else env
            for b in self.right.select(run, bound):
                run.step()
                if a is not b and self.relates(run, a, b):
                    yield ({**bound, self.right.alias: b} if self.right.alias else bound), a, b

    def missing(self, run: Run, env: Env) -> list[str]:
        sides = zip((self.left, self.right), self.texts, strict=True)
        return [text for side, text in sides if not side.select(run, env)] or [self.text]

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        for _, a, b in self._pairs(run, env):
            yield a
            yield b

    def record(self, run: Run, env: Env) -> Iterator[tuple[str, bool]]:
        yield self.text, holds(self, run, env)


def condition(node: n.Node, scope: Scope) -> Condition:
    """Compile a condition; aliases that it names are visible in `scope` afterwards."""
    match node:
        case n.Nested():
            return condition(node.item, scope)
        case n.And():
            return And(tuple(condition(item, scope) for item in node.items), formatted(node))
        case n.Or():
            return Or(tuple(_apart(item, scope) for item in node.items), formatted(node))
        case n.Not():
            return Not(_apart(node.item, scope), formatted(node))
        case n.Relation():
            return relation(node, scope)
        case n.Compare():
            return comparison(node, scope)
    if (field := _alias_field(node, scope)) is not None:
        read = field.read
        return Says(lambda run, env: _truthy(read, run, env), formatted(node))
    return _some(node, scope)


def relation(node: n.Relation, scope: Scope) -> Condition:
    """`A before B` and the like."""
    if node.op not in _RELATIONS:
        scope.wrong(node, f"not yet supported: '{node.op}'")
        return _never(node)
    left = _operand(node.left, scope)
    right = _operand(node.right, scope)
    texts = formatted(node.left), formatted(node.right)
    return Related(left, right, _RELATIONS[node.op](node.gap), texts, formatted(node))


def comparison(node: n.Compare, scope: Scope) -> Condition:
    """Counts compared with numbers, alias fields with values, and a selector's field with a value."""
    if any(isinstance(side, n.Call) for side in (node.left, node.right)):
        return _counts(node, scope)
    if _alias_field(node.left, scope) is not None:
        test = predicate(node, scope)
        return Says(lambda run, env: test(run, run.trace.spans[0], env), formatted(node))
    if isinstance(node.left, n.Name | n.Bracket) and not isinstance(node.right, n.Name):
        return _field_of_selector(node, scope)
    if isinstance(node.left, n.Name) and isinstance(node.right, n.Name) and "." not in node.right.text:
        return _field_of_selector(node, scope)
    scope.wrong(node, "not yet supported: this comparison in a condition")
    return _never(node)


def _some(node: n.Node, scope: Scope) -> Condition:
    if isinstance(node, n.Exists | n.In):
        scope.wrong(node, "not yet supported: 'exists' and 'in' outside .where( )")
        return _never(node)
    if isinstance(node, n.Call):
        scope.wrong(
            node,
            f"'{node.fun}' has to be compared with a number"
            if node.fun != "all"
            else "not yet supported: 'all'",
        )
        return _never(node)
    if not is_selector(node):
        scope.wrong(node, "not yet supported: this kind of condition")
        return _never(node)
    return Some(_operand(node, scope, of_alias=False), formatted(node))


def _operand(node: n.Node, scope: Scope, of_alias: bool = True) -> Selector:
    found = selector(node, scope, aliased=True, of_alias=of_alias)
    if found.alias is not None:
        if found.alias in scope.aliases or found.alias in scope.lets:
            scope.wrong(node, f"'{found.alias}' names something already")
        scope.aliases = (*scope.aliases, found.alias)
    return found


def _apart(node: n.Node, scope: Scope) -> Condition:
    """Compile what names spans for itself alone: under `not`, or in one branch of `or`."""
    return condition(node, Scope(scope.lets, scope.aliases, scope.problems, scope.keys))


def _counts(node: n.Compare, scope: Scope) -> Condition:
    counted: list[Selector] = []
    left = _number(node.left, scope, counted)
    right = _number(node.right, scope, counted)
    literals = [Operand(lambda run, span, env: None, literal=0)] * 2
    if node.op in ("matches", "contains", "starts_with", "ends_with"):
        scope.wrong(node, f"'{node.op}' does not compare numbers")
        return _never(node)
    return Count(left, right, comparer(node.op, *literals), tuple(counted), formatted(node))


def _number(node: n.Node, scope: Scope, counted: list[Selector]) -> Callable[[Run, Env], Any]:
    if isinstance(node, n.Number):
        value = node.value
        return lambda run, env: value
    if isinstance(node, n.Call) and node.fun == "count" and node.by is None and node.second is None:
        found = argument(node.item, scope)
        counted.append(found)
        return lambda run, env: len(found.select(run, env))
    what = f"'{node.fun}'" if isinstance(node, n.Call) else "this number"
    scope.wrong(node, f"not yet supported: {what}")
    return lambda run, env: None


def _field_of_selector(node: n.Compare, scope: Scope) -> Condition:
    """`payment.amount > 1000`: some such span satisfies it."""
    if isinstance(node.left, n.Name):
        base, _, last = node.left.text.rpartition(".")
        if base.partition(".")[0] == "trace":
            scope.wrong(node.left, f"not yet supported: '{node.left.text}'")
            return _never(node)
        if not base:
            scope.wrong(node.left, f"'{last}' of which span? trace.has({last} {node.op} ...)")
            return _never(node)
        middle = node.left.start + len(base)
        field: n.Node = n.Name(middle + 1, node.left.end, last)
        item: n.Node = n.Name(node.left.start, middle, base)
    else:
        assert isinstance(node.left, n.Bracket)
        item, field = node.left.item, n.Text(node.left.start, node.left.end, node.left.key)
    where = n.Where(node.start, node.end, item, n.Compare(node.start, node.end, node.op, field, node.right))
    return Some(selector(where, scope), formatted(node))


def _alias_field(node: n.Node, scope: Scope) -> Operand | None:
    match node:
        case n.Name(text=text) if "." in text and text.partition(".")[0] in scope.aliases:
            return operand(node, scope)
        case n.Bracket(item=n.Name(text=text)) if text in scope.aliases:
            return operand(node, scope)
    return None


def _truthy(read: Read, run: Run, env: Env) -> bool:
    return truthy(read(run, run.trace.spans[0], env))


def _never(node: n.Node) -> Condition:
    return Says(lambda run, env: False, formatted(node))


def _first(item: Condition, run: Run, env: Env) -> Env | None:
    return next(item.solve(run, env), None)


def _before(gap: int | None) -> Relates:
    return lambda run, a, b: (
        (apart := b.start - (a.start + a.duration)) >= 0 and (gap is None or apart <= gap)
    )


def _after(gap: int | None) -> Relates:
    before = _before(gap)
    return lambda run, a, b: before(run, b, a)


def _within(gap: int | None) -> Relates:
    def near(run: Run, a: Span, b: Span) -> bool:
        apart = max(b.start - (a.start + a.duration), a.start - (b.start + b.duration), 0)
        return gap is not None and apart <= gap

    return near


def _inside(gap: int | None) -> Relates:
    return lambda run, a, b: any(ancestor is b for ancestor in run.trace.ancestors(a))


_RELATIONS: dict[str, Callable[[int | None], Relates]] = {
    "before": _before,
    "after": _after,
    "within": _within,
    "inside": _inside,
}
