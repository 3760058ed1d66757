"""What shows without judging that a rule does not apply to a trace, as most rules do not to most traces."""

from collections.abc import Callable
from typing import Any

from dsl.attributes import sought
from dsl.bound import Bound
from dsl.condition import And, Apart, Condition, Some
from dsl.fields import Attribute
from dsl.trace import Trace
from dsl.values import ORDER, is_number

Guard = Callable[[Trace, int], bool]
"""Whether the first thing that a rule asks may hold: a span of some name within a bound.

False if it surely does not, in so many steps at most, and nothing fails to compare.
"""


def guard(condition: Condition) -> Guard | None:
    """What the condition asks first, if it is such a thing."""
    match condition:
        case Apart(item=item):
            return guard(item)
        case And(plan=plan):
            return guard(plan[0])
        case Some(selector=selector):
            if selector.name is not None and selector.bound is not None:
                return _guard(selector.name, selector.bound)
    return None


def _guard(name: str, bound: Bound) -> Guard:
    within, read = _within(bound.op, bound.literal), bound.read
    key = read.key if isinstance(read, Attribute) else ""
    look = sought(key, within)

    def may_hold(trace: Trace, max_steps: int) -> bool:
        numbers = trace.names.get(name)
        if numbers is None:
            return False
        if len(numbers) > max_steps:
            return True
        stored = trace.stored
        if look is None or stored is None:
            return any(within(read(trace.span(number), trace)) for number in numbers)
        data, starts, ends = stored
        origins = trace.origins
        for number in numbers:
            found = None
            if key not in origins[number].keys:
                found = look(data[number], starts[number], ends[number])
            if within(trace.span(number).attribute(key)) if found is None else found:
                return True
        return False

    return may_hold


def _within(op: str, literal: Any) -> Callable[[Any], bool]:
    """Whether a value compares so with a number or a text; also where its type does not, which is counted."""
    holds = ORDER[op]
    kinds = (int, float) if is_number(literal) else (str,)

    def may_hold(value: Any) -> bool:
        return holds(value, literal) if type(value) in kinds else value is not None

    return may_hold
