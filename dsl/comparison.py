"""Conditions that compare: numbers of the trace, fields of selectors and aliases, and `all`."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from dsl import nodes as n
from dsl.condition import Came, counted, holds
from dsl.format import formatted
from dsl.operand import Operand, Test
from dsl.run import Env, Run
from dsl.said import Said, Shown, joined
from dsl.selector import Selector, in_order
from dsl.trace import Span


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

    def said(self, run: Run, env: Env) -> Said:
        """What it came to, for people."""
        if isinstance(self.node, n.Number | n.Duration | n.Text) or self.operand.literal is not None:
            return ()
        values = self.values(run, env)
        text = formatted(self.node)
        key, unit = self.operand.key or text, self.operand.unit
        if self.of is None:
            return f"{text} is ", Shown(key, values[0][1], unit)
        known = [Shown(key, value, unit) for _, value in values if value is not None]
        if not known:
            return (f"{text} is {'missing' if values else 'of no span'}",)
        several = joined((each,) for each in known[:3])
        return f"{text} is ", *several, f" … ({len(known)})" if len(known) > 3 else ""


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
        said = joined(text for side in (self.left, self.right) if (text := side.said(run, env)))
        found = tuple(in_order(self.spans(run, env)))
        return Came(self.node, formatted(self.node), self._some(run, env), said, found)


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
        return Came(self.node, formatted(self.node), not others, (why,), others)
