"""The condition that some span stands so to another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dsl import nodes as n
from dsl.condition import Came, Mark, counted, holds
from dsl.format import formatted
from dsl.relation import INVERSE, Pool, exists, fits
from dsl.run import Env, Run
from dsl.selector import Selector, in_order, partners
from dsl.trace import Span


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
        return Came(self.node, formatted(self.node), holds(self, run, env), (", ".join(said),), found)
