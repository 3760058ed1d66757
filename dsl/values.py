"""How two values compare: by type, exactly, and never by a fall-back to text."""

import math
import operator
import re
from collections.abc import Callable
from typing import Any

_NUMERIC = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MISMATCH = object()


def compare(op: str, left: Any, right: Any) -> Any:
    """True, False, or MISMATCH where the types do not compare. Neither side is missing."""
    if isinstance(left, list):
        return _array(op, left, right)
    if isinstance(right, list):
        return _array(_MIRROR.get(op, op), right, left) if op in _MIRROR else MISMATCH
    if op in ORDER:
        return _ordered(op, left, right)
    if isinstance(left, str) and isinstance(right, str):
        return _TEXT[op](left, right)
    return MISMATCH


def as_number(value: Any) -> Any:
    """A string that is wholly a number as that number; all else as it is."""
    if not isinstance(value, str) or not _NUMERIC.fullmatch(value):
        return value
    return int(value) if value.lstrip("-").isdigit() else float(value)


def as_boolean(value: Any) -> Any:
    """The strings true and false as booleans; all else as it is."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def is_number(value: Any) -> bool:
    """An int or float; not a boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def truthy(value: Any) -> bool:
    """What a field alone says: true, "true", or a number that is not zero."""
    if is_number(value):
        return bool(value != 0 and not math.isnan(value))
    return value is True or value == "true"


def _ordered(op: str, left: Any, right: Any) -> Any:
    if is_number(left) and is_number(right):
        if left != left or right != right:
            return False
        return ORDER[op](left, right)
    if isinstance(left, bool) and isinstance(right, bool):
        return ORDER[op](left, right) if op in ("==", "!=") else MISMATCH
    if isinstance(left, str) and isinstance(right, str):
        return ORDER[op](left, right)
    if isinstance(left, bytes) and isinstance(right, bytes) and op in ("==", "!="):
        return ORDER[op](left, right)
    return MISMATCH


def _array(op: str, items: list[Any], value: Any) -> Any:
    if op in ("==", "contains"):
        return any(compare("==", item, value) is True for item in items)
    if op == "!=":
        return not any(compare("==", item, value) is True for item in items)
    return MISMATCH


_MIRROR = {"==": "==", "!=": "!="}
_TEXT: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda left, right: right in left,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}
