"""What is said about the trace: in what ways each condition holds, and why it does not."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from dsl import nodes as n
from dsl.format import formatted
from dsl.run import MAX_COMBINATIONS, Env, Run, Search
from dsl.said import Said
from dsl.selector import Selector
from dsl.trace import Span


@dataclass(frozen=True, slots=True)
class Came:
    """What a condition came to: None if it could not be asked, since a span that it names is not there."""

    node: n.Node
    text: str
    holds: bool | None
    why: Said = ()
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
        return Came(self.node, formatted(self.node), bool(found), (counted(len(found)),), found)


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
        for (item, ways, found), names in zip(self._walk(run, env), self._naming(), strict=True):
            if found is None:
                parts.append(Came(item.node, formatted(item.node), None, ("not asked",)))
            else:
                parts.append(item.came(run, ways[0] if names else (found or ways)[0]))
        held = all(part.holds for part in parts) and holds(self, run, env)
        return Came(self.node, formatted(self.node), held, parts=tuple(parts))

    def _naming(self) -> list[bool]:
        """Whether each item names a span: then it is told as it was asked, before it chose one."""
        return [bool(operand.names) for operand in self.items]

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


def counted(count: int) -> str:
    """A number of spans, for people."""
    return "no span" if not count else "1 span" if count == 1 else f"{count:,} spans"
