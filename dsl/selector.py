"""Compiles what selects spans: names, `any`, `root`, `trace.has`, `.where`, relations."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dsl import nodes as n
from dsl.bound import Bound
from dsl.fields import RESERVED
from dsl.predicate import Predicate, predicate
from dsl.relation import Gap, Pool, exists
from dsl.run import Env, Run
from dsl.scope import Scope
from dsl.trace import Span

Source = Callable[[Run, Env], Sequence[Span]]


@dataclass(frozen=True, slots=True, eq=False)
class Selector:
    """The spans of a source for which all tests hold. `free` tells that the source reads no alias."""

    source: Source
    free: bool = True
    tests: tuple[Predicate, ...] = ()
    name: str | None = None  # of all spans of the source
    _narrowing: tuple[Predicate, ...] = field(init=False)  # the tests that read no alias
    _bound: tuple[Predicate, ...] = field(init=False)  # the others

    def __post_init__(self) -> None:
        object.__setattr__(self, "_narrowing", tuple(test for test in self.tests if test.free))
        object.__setattr__(self, "_bound", tuple(test for test in self.tests if not test.free))

    @property
    def whole(self) -> bool:
        """Whether it selects the same whatever the aliases name."""
        return self.free and not self._bound

    @property
    def bound(self) -> Bound | None:
        """What has to hold first of a span of the source."""
        return self._narrowing[0].bound if self._narrowing else None

    def where(self, test: Predicate) -> "Selector":
        """Those of its spans for which the test holds, too."""
        return replace(self, tests=(*self.tests, *_conjuncts(test)))

    def select(self, run: Run, env: Env) -> Sequence[Span]:
        """The spans, in order of start time and span id."""
        if self.free:
            spans: Sequence[Span] | None = run.kept.get(self)
            if spans is None:
                spans = run.kept[self] = self._narrowed(run, env)
        else:
            spans = self._narrowed(run, env)
        if not self._bound:
            return spans
        joined = next((test for test in self._bound if test.join), None)
        if joined is None or not self.free:
            return _filtered(spans, self._bound, run, env)
        spans = self._matching(joined, spans, run, env)
        return _filtered(spans, [test for test in self._bound if test is not joined], run, env)

    def pool(self, run: Run, env: Env) -> Pool:
        """What it selects, as the other side of a relation."""
        if not self.whole:
            return Pool(self.select(run, env), run.trace)
        key = (self, "pool")
        if key not in run.kept:
            run.kept[key] = Pool(self.select(run, env), run.trace)
        pool: Pool = run.kept[key]
        return pool

    def _narrowed(self, run: Run, env: Env) -> Sequence[Span]:
        """By the tests that read no alias."""
        return _filtered(self.source(run, env), self._narrowing, run, env)

    def _matching(self, test: Predicate, spans: Sequence[Span], run: Run, env: Env) -> Sequence[Span]:
        """Those whose field equals the alias's, by an index instead of one by one."""
        assert test.join is not None
        here, there = test.join
        key = (self, test)
        if key not in run.kept:
            run.step(len(spans))
            run.kept[key] = _index((span, here.read(run, span, env)) for span in spans)
        index: dict[object, list[Span]] = run.kept[key]
        found = [index.get(value, []) for value in _keys(there.read(run, None, env))]
        run.step(1 + sum(map(len, found)))
        if len(found) < 2:
            return found[0] if found else ()
        return in_order(span for spans in found for span in spans)


def in_order(spans: Iterator[Span]) -> list[Span]:
    """Distinct spans in order of start time and span id."""
    distinct = {span.span_id: span for span in spans}
    return sorted(distinct.values(), key=lambda span: (span.start, span.span_id))


def _filtered(spans: Sequence[Span], tests: Sequence[Predicate], run: Run, env: Env) -> Sequence[Span]:
    for test in tests:
        holds = test.holds
        run.step(len(spans))
        spans = [span for span in spans if holds(run, span, env)]
    return spans


def _conjuncts(test: Predicate) -> Iterator[Predicate]:
    """An `and` apart where that helps: what reads no alias is tested once, and an equality is a join."""
    if test.free or not test.parts:
        yield test
        return
    for part in test.parts:
        yield from _conjuncts(part)


def _index(spans: Iterator[tuple[Span, Any]]) -> dict[object, list[Span]]:
    found: dict[object, list[Span]] = {}
    for span, value in spans:
        for key in _keys(value):
            found.setdefault(key, []).append(span)
    return found


def _keys(value: Any) -> list[object]:
    """Under what values are equal, as `==` has it: by type, NaN to nothing, an array by any element."""
    if isinstance(value, list):
        return list(dict.fromkeys(key for item in value for key in _keys(item)))
    if isinstance(value, bool):
        return [("boolean", value)]
    if isinstance(value, float) and math.isnan(value):
        return []
    return [value] if isinstance(value, int | float | str | bytes) else []


def is_selector(node: n.Node, scope: Scope) -> bool:
    """Whether a node, where a selector may stand, is one as a whole."""
    match node:
        case n.Name():
            first, _, rest = node.text.partition(".")
            return not (rest and first in scope.aliases)
        case n.Text() | n.Has() | n.Relation():
            return True
        case n.Where() | n.As() | n.Nested():
            return is_selector(node.item, scope)
    return False


def selector(node: n.Node, scope: Scope) -> Selector:
    """Compile a selector; problems go to the scope."""
    match node:
        case n.Nested():
            return selector(node.item, scope)
        case n.Where():
            inner = selector(node.item, scope)
            return inner.where(predicate(node.predicate, scope))
        case n.Has():
            return argument(node.item, scope)
        case n.Text():
            return _of_name(node.value, scope)
        case n.Name():
            return _named(node, scope)
        case n.Relation():
            return related(node, scope)
        case n.As():
            scope.wrong(node, "'as' cannot stand here: it names a span in a condition or a relation")
            return selector(node.item, scope)
    scope.wrong(node, "a span or selector is needed here")
    return Selector(_nothing)


def side(node: n.Node, scope: Scope) -> Selector:
    """One side of a relation: a selector, or an alias for its span."""
    match node:
        case n.Nested(item=n.Nested() | n.Name() | n.Text() | n.As() | n.Where() | n.Has()):
            return side(node.item, scope)
        case n.Relation() | n.Nested(item=n.Relation()):
            scope.wrong(node, "relations do not chain: name the inner one with 'let', or join both by 'and'")
            return Selector(_nothing)
        case n.Name(text=alias) if alias in scope.aliases:
            scope.used.add(alias)
            return Selector(lambda run, env: (env[alias],), free=False)
        case n.Name(text=text) if "." in text and text.partition(".")[0] in scope.aliases:
            scope.wrong(node, f"'{text}' is a field: a relation is between spans")
            return Selector(_nothing)
    if not is_selector(node, scope):
        scope.wrong(node, "a relation needs a span or selector on either side")
        return Selector(_nothing)
    return selector(node, scope)


def related(node: n.Relation, scope: Scope) -> Selector:
    """A relation as a selector: the spans of the left side for which there is one on the right."""
    left, right = side(node.left, scope), side(node.right, scope)
    op, gap = node.op, node.gap

    def source(run: Run, env: Env) -> Sequence[Span]:
        pool = right.pool(run, env)
        return [span for span in left.select(run, env) if exists(op, run, span, pool, gap)]

    return Selector(source, left.whole and right.whole)


def partners(op: str, spans: Sequence[Span], pool: Pool, gap: Gap, run: Run) -> list[Span]:
    """Those of the spans that stand so to one of the pool."""
    return [span for span in spans if exists(op, run, span, pool, gap)]


def argument(node: n.Node, scope: Scope) -> Selector:
    """The argument of `trace.has` and the counts: a selector if it is one as a whole, else of any span."""
    if is_selector(node, scope):
        return selector(node, scope)
    if _joins_names(node, scope):
        scope.wrong(node, "names of spans cannot be joined here: trace.has(a) or trace.has(b)")
    return Selector(_any).where(predicate(node, scope))


def _joins_names(node: n.Node, scope: Scope) -> bool:
    """Whether bare names, also under `not`, are joined by `and` or `or`."""
    match node:
        case n.And() | n.Or():
            bare = [item for item in node.items if _bare(item, scope)]
            return len(bare) > 1 or any(_joins_names(item, scope) for item in node.items)
        case n.Not() | n.Nested():
            return _joins_names(node.item, scope)
    return False


def _bare(node: n.Node, scope: Scope) -> bool:
    match node:
        case n.Not() | n.Nested():
            return _bare(node.item, scope)
    return isinstance(node, n.Name | n.Text) and is_selector(node, scope)


def _of_name(name: str, scope: Scope) -> Selector:
    scope.names.setdefault(name)
    return Selector(lambda run, env: run.trace.named(name), name=name)


def _named(node: n.Name, scope: Scope) -> Selector:
    text = node.text
    first = text.partition(".")[0]
    if text in scope.lets:
        scope.used.add(text)
        named: Selector = scope.lets[text]
        return named
    if text == "any":
        return Selector(_any)
    if text == "root":
        return Selector(lambda run, env: run.trace.roots)
    if text in scope.aliases:
        scope.wrong(node, f"'{text}' is a span already: relate it, or name a field as {text}.amount")
    elif first in scope.aliases:
        scope.wrong(node, f"'{text}' is a field of '{first}': a span or selector is needed here")
    elif text.startswith("trace.") or text in RESERVED:
        scope.wrong(node, f"'{text}' is no span: write it in quotes if a span is called so")
    elif ":" in text:
        scope.wrong(node, f"'{text}' is a field: any.where({text} == ...)")
    else:
        scope.hidden(node)
    return _of_name(text, scope)


def _any(run: Run, env: Env) -> Sequence[Span]:
    return run.trace.spans


def _nothing(run: Run, env: Env) -> Sequence[Span]:
    return ()
