"""A field compared with a literal, and whether that may hold for any of some spans."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from dsl.fields import Attribute
from dsl.trace import Span, Trace
from dsl.values import ORDER, is_number


@dataclass(frozen=True, slots=True)
class Bound:
    """`read` gives the field of a span, None where it is missing; `op` is one of `ORDER`."""

    read: Callable[[Span, Trace], Any]
    op: str
    literal: Any  # a number or a text
    attribute: str | None = field(init=False)  # its key, if the field is one
    _kinds: tuple[type, ...] = field(init=False)
    _holds: Callable[[Any, Any], bool] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "attribute", self.read.key if isinstance(self.read, Attribute) else None)
        object.__setattr__(self, "_kinds", (int, float) if is_number(self.literal) else (str,))
        object.__setattr__(self, "_holds", ORDER[self.op])

    def may_hold(self, values: Iterable[Any]) -> bool:
        """Whether it may hold for one of the values, or may fail to compare, which is counted."""
        kinds, holds, literal = self._kinds, self._holds, self.literal
        for value in values:
            if type(value) in kinds:
                if holds(value, literal):
                    return True
            elif value is not None:
                return True
        return False
