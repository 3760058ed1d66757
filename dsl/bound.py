"""A field compared with a literal, and whether that may hold for any of some spans."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from dsl.attributes import Sought, sought
from dsl.fields import Attribute
from dsl.trace import Span, Trace
from dsl.values import ORDER, is_number


@dataclass(frozen=True, slots=True)
class Bound:
    """`read` gives the field of a span, None where it is missing; `op` is one of `ORDER`."""

    read: Callable[[Span, Trace], Any]
    op: str
    literal: Any  # a number or a text
    _key: str = field(init=False)
    _sought: Sought | None = field(init=False)  # if the field is an attribute
    _may: Callable[[Any], bool] = field(init=False)

    def __post_init__(self) -> None:
        may = _within(ORDER[self.op], self.literal)
        key = self.read.key if isinstance(self.read, Attribute) else ""
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "_sought", sought(key, may))
        object.__setattr__(self, "_may", may)

    def may_hold(self, trace: Trace, numbers: Iterable[int]) -> bool:
        """Whether it may hold for one of the spans with those numbers.

        It may, too, where a value is of a type that does not compare, which is counted.
        """
        look, stored = self._sought, trace.stored
        if look is None or stored is None:
            return any(self._may(self.read(trace.span(number), trace)) for number in numbers)
        key, origins = self._key, trace.origins
        data, starts, ends = stored
        for number in numbers:
            found = None if key in origins[number].keys else look(data[number], starts[number], ends[number])
            if self._may(trace.span(number).attribute(key)) if found is None else found:
                return True
        return False


def _within(holds: Callable[[Any, Any], bool], literal: Any) -> Callable[[Any], bool]:
    kinds = (int, float) if is_number(literal) else (str,)

    def may_hold(value: Any) -> bool:
        return holds(value, literal) if type(value) in kinds else value is not None

    return may_hold
