"""What shows without judging that a rule does not apply to a trace, as most rules do not to most traces."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from dsl.attributes import Sought, sought
from dsl.bound import Bound
from dsl.condition import And, Apart, Condition, Some
from dsl.fields import Attribute
from dsl.trace import Trace
from dsl.values import ORDER, is_number


@dataclass(frozen=True, slots=True)
class Guard:
    """The first thing that a rule asks: whether a span of that name is there within a bound."""

    name: str
    bound: Bound
    within: Callable[[Any], bool] = field(init=False)  # or of a type that does not compare, which is counted
    key: str = field(init=False)  # of the attribute, if the field is one
    look: Sought | None = field(init=False)  # if it can be looked for

    def __post_init__(self) -> None:
        within = _within(self.bound.op, self.bound.literal)
        key = self.bound.read.key if isinstance(self.bound.read, Attribute) else ""
        object.__setattr__(self, "within", within)
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "look", sought(key, within))

    def may_hold(self, trace: Trace, numbers: Iterable[int]) -> bool:
        """False if it surely does not for the spans with those numbers, and nothing fails to compare."""
        key, within = self.key, self.within
        for number in numbers:
            value = trace.attribute(number, key) if key else self.bound.read(trace.span(number), trace)
            if within(value):
                return True
        return False


class Guards:
    """What several rules, by number, ask first of the spans of one name."""

    def __init__(self) -> None:
        self._looks: list[tuple[int, Guard, str, Sought]] = []
        self._others: list[tuple[int, Guard]] = []

    def add(self, rule: int, guard: Guard) -> None:
        """Take in what a rule asks first."""
        if guard.look is None:
            self._others.append((rule, guard))
        else:
            self._looks.append((rule, guard, guard.key, guard.look))

    def holding(self, trace: Trace, numbers: list[int], max_steps: int) -> Iterable[int]:
        """The rules that may apply to a trace whose spans of that name have those numbers.

        Those that surely do not, in so many steps at most, are left out.
        """
        if len(numbers) > max_steps:
            return [rule for rule, *_ in self._others] + [rule for rule, *_ in self._looks]
        found = [rule for rule, guard in self._others if guard.may_hold(trace, numbers)]
        stored, looks = trace.stored, self._looks
        if stored is None:
            return found + [rule for rule, guard, *_ in looks if guard.may_hold(trace, numbers)]
        for number in numbers:
            data, start, end = stored[0][number], stored[1][number], stored[2][number]
            of_resource = trace.origins[number].keys
            for rule, guard, key, look in looks:
                holds = None if key in of_resource else look(data, start, end)
                if holds or (holds is None and guard.may_hold(trace, (number,))):
                    found.append(rule)
        return found


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


def _within(op: str, literal: Any) -> Callable[[Any], bool]:
    holds = ORDER[op]
    kinds = (int, float) if is_number(literal) else (str,)

    def within(value: Any) -> bool:
        return holds(value, literal) if type(value) in kinds else value is not None

    return within
