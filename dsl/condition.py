"""What is said about the trace: in what ways each condition holds, and why it does not."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dsl import nodes as n
from dsl.format import formatted
from dsl.operand import Operand, Test
from dsl.relation import INVERSE, Pool, exists, fits
from dsl.run import MAX_COMBINATIONS, Env, Run, Search
from dsl.selector import Selector, in_order, partners
from dsl.trace import Span


@dataclass(frozen=True, slots=True)
class Came:
    """What a condition came to: None if it could not be asked, since a span that it names is not there."""

    node: n.Node
    text: str
    holds: bool | None
    why: str = ""
    spans: tuple[Span, ...] = ()
    parts: tuple["Came", ...] = ()


class Condition(Protocol):
    """A compiled condition."""

    @property
    def node(self) -> n.Node: ...

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        """Every way in which it holds, as the aliases bound then; one that names no span holds in one way."""
        ...

    def missing(self, run: Run, env: Env) -> list[str]:
        """What it lacks, told when it does not hold."""
        ...

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        """The spans selected by its true selectors that are not under `not`."""
        ...

    def came(self, run: Run, env: Env) -> Came:
        """What it and each of its parts came to."""
        ...


def holds(condition: Condition, run: Run, env: Env) -> bool:
    """Whether there is a way in which the condition holds."""
    return next(condition.solve(run, env), None) is not None


@dataclass(slots=True)
class Mark:
    """The last condition of a search that names a span has its `search`: there a combination is whole."""

    search: Search | None = None

    def tried(self, run: Run) -> None:
        """A span was chosen."""
        if self.search is not None:
            run.tried(self.search)


@dataclass(frozen=True, slots=True)
class Some:
    """At least one such span."""

    node: n.Node
    selector: Selector
    alias: str | None = None
    mark: Mark = field(default_factory=Mark)

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        found = self.selector.select(run, env)
        if self.alias is None:
            if found:
                yield env
            return
        for span in found:
            self.mark.tried(run)
            yield {**env, self.alias: span}

    def missing(self, run: Run, env: Env) -> list[str]:
        return [formatted(self.node)]

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        return iter(self.selector.select(run, env))

    def came(self, run: Run, env: Env) -> Came:
        found = tuple(self.selector.select(run, env))
        return Came(self.node, formatted(self.node), bool(found), counted(len(found)), found)


@dataclass(frozen=True, slots=True)
class Not:
    """The item holds in no way."""

    node: n.Node
    item: Condition

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        if not holds(self.item, run, env):
            yield env

    def missing(self, run: Run, env: Env) -> list[str]:
        return []

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        return iter(())

    def came(self, run: Run, env: Env) -> Came:
        inner = self.item.came(run, env)
        held = None if inner.holds is None else not inner.holds
        return Came(self.node, formatted(self.node), held, parts=(inner,))


@dataclass(frozen=True, slots=True)
class Operands:
    """An item of an `and`, with the aliases that it reads and names."""

    item: Condition
    reads: frozenset[str]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class And:
    """All items, each seeing the spans that those before it named.

    `plan` is what is searched: the same, where an equality of two aliases' fields has become a join.
    """

    node: n.Node
    items: tuple[Operands, ...]
    plan: tuple[Condition, ...]

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        return self._from(0, run, env)

    def _from(self, number: int, run: Run, env: Env) -> Iterator[Env]:
        if number == len(self.plan):
            yield env
            return
        for bound in self.plan[number].solve(run, env):
            yield from self._from(number + 1, run, bound)

    def missing(self, run: Run, env: Env) -> list[str]:
        return [
            text
            for item, ways, found in self._walk(run, env)
            if found is not None and not found
            for text in item.missing(run, ways[0])
        ]

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        for item, ways, found in self._walk(run, env):
            if found:
                for way in ways:
                    yield from item.spans(run, way)

    def came(self, run: Run, env: Env) -> Came:
        parts = []
        for item, ways, found in self._walk(run, env):
            if found is None:
                parts.append(Came(item.node, formatted(item.node), None, "not asked"))
            else:
                parts.append(item.came(run, (found or ways)[0] if not _named(item) else ways[0]))
        held = all(part.holds for part in parts) and holds(self, run, env)
        return Came(self.node, formatted(self.node), held, parts=tuple(parts))

    def _walk(self, run: Run, env: Env) -> Iterator[tuple[Condition, list[Env], list[Env] | None]]:
        """Each item with the ways that came to it, and those that left it; None where it cannot be asked.

        The ways that leave an item that holds in none are those that came to it.
        """
        ways: list[Env] = [env]
        unknown: frozenset[str] = frozenset()
        for operand in self.items:
            if operand.reads & unknown:
                unknown |= operand.names
                yield operand.item, ways, None
                continue
            solved = (way for start in ways for way in operand.item.solve(run, start))
            found = list(itertools.islice(solved, MAX_COMBINATIONS))
            yield operand.item, ways, found
            if found:
                ways = found
            else:
                unknown |= operand.names


def _named(item: Condition) -> bool:
    return isinstance(item, Some | Related)


@dataclass(frozen=True, slots=True)
class Or:
    """Any item; what one names is seen in it alone."""

    node: n.Node
    items: tuple[Condition, ...]

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        if any(holds(item, run, env) for item in self.items):
            yield env

    def missing(self, run: Run, env: Env) -> list[str]:
        return [text for item in self.items for text in item.missing(run, env)]

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        for item in self.items:
            if holds(item, run, env):
                yield from item.spans(run, env)

    def came(self, run: Run, env: Env) -> Came:
        parts = tuple(item.came(run, env) for item in self.items)
        return Came(self.node, formatted(self.node), any(part.holds for part in parts), parts=parts)


@dataclass(frozen=True, slots=True)
class Apart:
    """A condition whose aliases are seen in it alone: a search of its own."""

    item: Condition
    search: Search

    @property
    def node(self) -> n.Node:
        return self.item.node

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        run.begin(self.search)
        return self.item.solve(run, env)

    def missing(self, run: Run, env: Env) -> list[str]:
        run.begin(self.search)
        return self.item.missing(run, env)

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        run.begin(self.search)
        return self.item.spans(run, env)

    def came(self, run: Run, env: Env) -> Came:
        run.begin(self.search)
        return self.item.came(run, env)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: a number of the trace, or, with `of`, a field of each such span."""

    node: n.Node
    operand: Operand
    of: Selector | None = None
    counted: tuple[Selector, ...] = ()

    def values(self, run: Run, env: Env) -> list[tuple[Span | None, Any]]:
        """The values, each with its span if it is a span's."""
        read = self.operand.read
        if self.of is None:
            return [(None, read(run, None, env))]
        spans = self.of.select(run, env)
        run.step(len(spans))
        return [(span, read(run, span, env)) for span in spans]

    def said(self, run: Run, env: Env) -> str:
        """What it came to, for people."""
        if isinstance(self.node, n.Number | n.Duration | n.Text) or self.operand.literal is not None:
            return ""
        values = self.values(run, env)
        text = formatted(self.node)
        if self.of is None:
            return f"{text} is {shown(values[0][1], self.operand.unit)}"
        known = [shown(value, self.operand.unit) for _, value in values if value is not None]
        several = ", ".join(known[:3]) + (f" … ({len(known)})" if len(known) > 3 else "")
        return f"{text} is {several or 'missing' if values else 'of no span'}"


@dataclass(frozen=True, slots=True)
class Compared:
    """Two sides compared: with spans on either, some pair of them."""

    node: n.Compare
    left: Side
    right: Side
    test: Test

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        if self._some(run, env):
            yield env

    def _some(self, run: Run, env: Env) -> bool:
        lefts, rights = self.left.values(run, env), self.right.values(run, env)
        if len(lefts) > 1 and len(rights) > 1:
            lefts, rights = self._outermost(lefts, rights)
        for (_, a), (_, b) in itertools.product(lefts, rights):
            run.step()
            if self.test(run, a, b):
                return True
        return False

    def _outermost(self, lefts: list[Any], rights: list[Any]) -> tuple[list[Any], list[Any]]:
        """Of numbers that are ordered only the least and greatest matter."""
        sides = (lefts, rights)
        if self.node.op not in ("<", "<=", ">", ">=") or any(
            not isinstance(value, int) or isinstance(value, bool) for side in sides for _, value in side
        ):
            return sides
        ends = [[min(side, key=_value), max(side, key=_value)] for side in sides]
        return ends[0], ends[1]

    def missing(self, run: Run, env: Env) -> list[str]:
        return [formatted(self.node)]

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        for selector in (*self.left.counted, *self.right.counted):
            yield from selector.select(run, env)
        lefts, rights = self.left.values(run, env), self.right.values(run, env)
        for (one, a), (other, b) in itertools.product(lefts, rights):
            run.step()
            if (one or other) and self.test(run, a, b):
                yield from (span for span in (one, other) if span)

    def came(self, run: Run, env: Env) -> Came:
        said = [text for side in (self.left, self.right) if (text := side.said(run, env))]
        found = tuple(in_order(self.spans(run, env)))
        return Came(self.node, formatted(self.node), self._some(run, env), ", ".join(said), found)


def _value(pair: tuple[Span | None, Any]) -> Any:
    return pair[1]


@dataclass(frozen=True, slots=True)
class Says:
    """One side alone: true, there, or in a list."""

    node: n.Node
    side: Side
    test: Callable[[Run, Any], bool]

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        if any(self.test(run, value) for _, value in self.side.values(run, env)):
            yield env

    def missing(self, run: Run, env: Env) -> list[str]:
        return [formatted(self.node)]

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        return iter([s for s, value in self.side.values(run, env) if s and self.test(run, value)])

    def came(self, run: Run, env: Env) -> Came:
        found = tuple(self.spans(run, env))
        return Came(self.node, formatted(self.node), holds(self, run, env), self.side.said(run, env), found)


@dataclass(frozen=True, slots=True)
class All:
    """Every span of a selector satisfies a predicate."""

    node: n.Node
    of: Selector
    satisfying: Selector

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        if len(self.of.select(run, env)) == len(self.satisfying.select(run, env)):
            yield env

    def missing(self, run: Run, env: Env) -> list[str]:
        return [formatted(self.node)]

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        return iter(self.of.select(run, env))

    def came(self, run: Run, env: Env) -> Came:
        every, those = self.of.select(run, env), self.satisfying.select(run, env)
        good = {span.span_id for span in those}
        others = tuple(span for span in every if span.span_id not in good)
        why = f"{len(those)} of {counted(len(every))}"
        return Came(self.node, formatted(self.node), not others, why, others)


@dataclass(frozen=True, slots=True)
class Related:
    """Some span of one side stands so to some of the other; never a span to itself.

    `dependent` tells that the right side reads the alias of the left one.
    """

    node: n.Relation
    left: Selector
    right: Selector
    aliases: tuple[str | None, str | None]
    dependent: bool
    mark: Mark = field(default_factory=Mark)

    def solve(self, run: Run, env: Env) -> Iterator[Env]:
        first, second = self.aliases
        if first and second:
            return self._pairs(run, env, first, second)
        if second and not self.dependent:
            return self._ends(run, env, second)
        if first:
            return self._starts(run, env, first)
        return iter([env] if self._some(run, env) else [])

    def _pairs(self, run: Run, env: Env, first: str, second: str) -> Iterator[Env]:
        for a in self.left.select(run, env):
            bound = {**env, first: a}
            for b in self.right.select(run, bound):
                run.step()
                self.mark.tried(run)
                if fits(self.node.op, a, b, self.node.gap, run.trace):
                    yield {**bound, second: b}

    def _starts(self, run: Run, env: Env, first: str) -> Iterator[Env]:
        pool = None if self.dependent else self.right.pool(run, env)
        for a in self.left.select(run, env):
            bound = {**env, first: a}
            self.mark.tried(run)
            if self._exists(run, a, pool or self.right.pool(run, bound)):
                yield bound

    def _ends(self, run: Run, env: Env, second: str) -> Iterator[Env]:
        pool = self.left.pool(run, env)
        for b in self.right.select(run, env):
            self.mark.tried(run)
            if exists(INVERSE[self.node.op], run, b, pool, self.node.gap):
                yield {**env, second: b}

    def _some(self, run: Run, env: Env) -> bool:
        pool = self.right.pool(run, env)
        return any(self._exists(run, a, pool) for a in self.left.select(run, env))

    def _exists(self, run: Run, a: Span, pool: Pool) -> bool:
        return exists(self.node.op, run, a, pool, self.node.gap)

    def _sides(self, run: Run, env: Env) -> tuple[Sequence[Span], Sequence[Span]]:
        """What either side selects, in any way."""
        lefts = self.left.select(run, env)
        if not self.dependent or self.aliases[0] is None:
            return lefts, self.right.select(run, env)
        first = self.aliases[0]
        return lefts, in_order(b for a in lefts for b in self.right.select(run, {**env, first: a}))

    def missing(self, run: Run, env: Env) -> list[str]:
        sides = zip(self._sides(run, env), (self.node.left, self.node.right), strict=True)
        return [formatted(node) for spans, node in sides if not spans] or [formatted(self.node)]

    def spans(self, run: Run, env: Env) -> Iterator[Span]:
        op, gap, first = self.node.op, self.node.gap, self.aliases[0]
        if self.dependent and first:
            for a in self.left.select(run, env):
                pool = self.right.pool(run, {**env, first: a})
                if self._exists(run, a, pool):
                    yield a
                    yield from partners(INVERSE[op], pool.spans, Pool((a,), run.trace), gap, run)
            return
        lefts, rights = self.left.pool(run, env), self.right.pool(run, env)
        yield from partners(op, lefts.spans, rights, gap, run)
        yield from partners(INVERSE[op], rights.spans, lefts, gap, run)

    def came(self, run: Run, env: Env) -> Came:
        lefts, rights = self._sides(run, env)
        said = [
            f"{counted(len(spans))} {'left' if spans is lefts else 'right'} of '{self.node.op}'"
            for spans in (lefts, rights)
        ]
        found = tuple(in_order(self.spans(run, env)))
        return Came(self.node, formatted(self.node), holds(self, run, env), ", ".join(said), found)


def counted(count: int) -> str:
    """A number of spans, for people."""
    return "no span" if not count else "1 span" if count == 1 else f"{count:,} spans"


def shown(value: Any, unit: str = "") -> str:
    """A value, for people."""
    if value is None:
        return "missing"
    if unit == "duration" and isinstance(value, int | float):
        return f"{value / 1e6:g}ms"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else f"{value}"
