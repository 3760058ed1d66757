"""A field compared with a literal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dsl.trace import Span, Trace


@dataclass(frozen=True, slots=True)
class Bound:
    """`read` gives the field of a span, None where it is missing; `op` is one of `dsl.values.ORDER`."""

    read: Callable[[Span, Trace], Any]
    op: str
    literal: Any  # a number or a text
