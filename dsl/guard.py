"""What shows without judging that a rule does not apply to a trace, as most rules do not to most traces."""

from dataclasses import dataclass

from dsl.bound import Bound
from dsl.condition import And, Apart, Condition, Some
from dsl.trace import Trace


@dataclass(frozen=True, slots=True)
class Guard:
    """The first thing that a rule asks: whether a span of that name is there within a bound."""

    name: str
    bound: Bound

    def may_hold(self, trace: Trace, max_steps: int) -> bool:
        """False if it surely does not, in so many steps at most, and nothing fails to compare."""
        numbers = trace.names.get(self.name)
        if numbers is None:
            return False
        return len(numbers) > max_steps or self.bound.may_hold(trace, numbers)


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
