"""Looks in the bytes of a span for what rules ask first; `dsl.peek` is the same in machine code."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from google.protobuf.message import DecodeError

from dsl.attributes import plain
from dsl.trace import Trace
from dsl.values import ORDER, is_number

LONG = 0x80
"""Bytes of a key that is not looked for."""

_ATTRIBUTE, _KEY, _VALUE = 0x4A, 0x0A, 0x12  # tags of a span's attributes, and of what is in one
_INT = 0x18  # tag of a number in a value


class Asker(Protocol):
    """What can tell when looking cannot (`dsl.guard.Guard`)."""

    def may_hold(self, trace: Trace, numbers: Iterable[int]) -> bool: ...


class Look:
    """Tells whether the attribute of a key is within a bound, in the bytes of a span; None: it takes parsing.

    The key stands in the span if the attribute does. What is around it looks like that of an attribute,
    unless fields stand in another order, or are not as short as may be; or the key stands there again.
    A text that holds what looks like the attribute is taken for it where there is no such attribute.
    """

    __slots__ = ("_field", "_holds", "_text", "key")

    def __init__(self, key: str, op: str, literal: Any) -> None:
        self.key = key
        self._text = key.encode()
        self._field = bytes((_KEY, len(self._text))) + self._text + bytes((_VALUE,))
        self._holds = within(op, literal)

    def __call__(self, data: bytes, start: int, end: int) -> bool | None:
        """Look from one place to another."""
        at = data.find(self._field, start, end)
        if at < 0:
            return None if data.find(self._text, start, end) >= 0 else False
        value = at + len(self._field)
        size = data[value]
        stop = value + size + 1
        if (
            data[at - 1] != stop - at
            or data[at - 2] != _ATTRIBUTE
            or stop - at >= LONG
            or at < start + 2
            or stop > end
            or data.find(self._text, stop, end) >= 0
        ):
            return None
        if size == 3 and data[value + 1] == _INT:
            return self._holds(data[value + 2] & 0x7F | data[value + 3] << 7)
        try:
            return self._holds(plain(data[value + 1 : stop]))
        except (DecodeError, UnicodeDecodeError):  # it only looks like a value
            return None


def holding(
    looks: Mapping[str, Sequence[tuple[int, Asker, Look]]], trace: Trace, max_steps: int
) -> list[int]:
    """The rules that may apply to a trace that is stored; in so many steps at most that is found out."""
    found: list[int] = []
    stored = trace.stored
    assert stored is not None
    for name in trace.names.keys() & looks.keys():
        asked, numbers = looks[name], trace.names[name]
        if len(numbers) > max_steps:
            found += [rule for rule, _, _ in asked]
            continue
        for number in numbers:
            data, start, end = stored[0][number], stored[1][number], stored[2][number]
            of_resource = trace.origins[number].keys
            for rule, asker, look in asked:
                holds = None if look.key in of_resource else look(data, start, end)
                if holds or (holds is None and asker.may_hold(trace, (number,))):
                    found.append(rule)
    return found


def within(op: str, literal: Any) -> Callable[[Any], bool]:
    """Tells whether a value is within a bound, or of a type that does not compare, which is counted."""
    holds = ORDER[op]
    kinds = (int, float) if is_number(literal) else (str,)

    def within(value: Any) -> bool:
        return holds(value, literal) if type(value) in kinds else value is not None

    return within
