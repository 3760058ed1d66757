"""What shows without judging that a rule does not apply to a trace, as most rules do not to most traces."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dsl.bound import Bound
from dsl.condition import And, Apart, Condition, Some
from dsl.fields import Attribute
from dsl.look import LONG, Asker, within
from dsl.trace import Trace

try:
    from dsl.peek import Look, holding
except ImportError:  # there was no compiler: the same result, slower
    from dsl.look import Look, holding  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Guard:
    """The first thing that a rule asks: whether a span of that name is there within a bound."""

    name: str
    bound: Bound
    within: Callable[[Any], bool] = field(init=False)  # or of a type that does not compare, which is counted
    key: str = field(init=False)  # of the attribute, if the field is one
    look: Look | None = field(init=False)  # if it can be looked for

    def __post_init__(self) -> None:
        op, literal = self.bound.op, self.bound.literal
        key = self.bound.read.key if isinstance(self.bound.read, Attribute) else ""
        object.__setattr__(self, "within", within(op, literal))
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "look", Look(key, op, literal) if 0 < len(key.encode()) < LONG else None)

    def may_hold(self, trace: Trace, numbers: Iterable[int]) -> bool:
        """False if it surely does not for the spans with those numbers, and nothing fails to compare."""
        key, within = self.key, self.within
        for number in numbers:
            value = trace.attribute(number, key) if key else self.bound.read(trace.span(number), trace)
            if within(value):
                return True
        return False


class Guards:
    """What several rules, by number, ask first."""

    def __init__(self) -> None:
        self._looks: dict[str, list[tuple[int, Asker, Look]]] = {}  # by names of spans
        self._others: dict[str, list[tuple[int, Asker, None]]] = {}

    def add(self, rule: int, guard: Guard) -> None:
        """Take in what a rule asks first."""
        if guard.look is None:
            self._others.setdefault(guard.name, []).append((rule, guard, None))
        else:
            self._looks.setdefault(guard.name, []).append((rule, guard, guard.look))

    def names(self, trace: Trace) -> set[str]:
        """The names of spans of a trace of which anything is asked."""
        return trace.names.keys() & self._looks.keys() | trace.names.keys() & self._others.keys()

    def holding(self, trace: Trace, max_steps: int) -> Iterable[int]:
        """The rules that may apply; those that surely do not, in so many steps at most, are left out."""
        found = _asking(self._others, trace, max_steps)
        if trace.stored is None:
            return found + _asking(self._looks, trace, max_steps)
        return found + holding(self._looks, trace, max_steps)


def guard(condition: Condition) -> Guard | None:
    """What the condition asks first, if it is such a thing."""
    match condition:
        case Apart(item=item):
            return guard(item)
        case And(plan=plan):
            return guard(plan[0])
        case Some(selector=selector):
            bound = selector.bound
            return Guard(selector.name, bound) if selector.name is not None and bound is not None else None
    return None


def _asking(
    asked: Mapping[str, Sequence[tuple[int, Asker, Look | None]]], trace: Trace, max_steps: int
) -> list[int]:
    """The rules that may apply to a trace, whose spans are read for it."""
    names = trace.names
    return [
        rule
        for name in names.keys() & asked.keys()
        for rule, asker, _ in asked[name]
        if len(names[name]) > max_steps or asker.may_hold(trace, names[name])
    ]
