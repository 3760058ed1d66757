"""Sentences with values in them that are not shown yet: who lets them out decides how each value is shown."""

from collections.abc import Iterable
from typing import Any, NamedTuple


class Shown(NamedTuple):
    """A value in a sentence, of the attribute `key` if it is one's; durations and times are ns."""

    key: str
    value: Any
    unit: str = ""


Said = tuple[str | Shown, ...]


def shown(value: Any, unit: str = "") -> str:
    """A value, for people."""
    if value is None:
        return "missing"
    if unit == "duration" and isinstance(value, int | float):
        return f"{value / 1e6:g}ms"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def plain(said: Said) -> str:
    """The sentence with all values as they are: for nobody outside."""
    return "".join(part if isinstance(part, str) else shown(part.value, part.unit) for part in said)


def joined(said: Iterable[Said], mark: str = ", ") -> Said:
    """Sentences with a mark between them."""
    out: list[str | Shown] = []
    for each in said:
        out += [mark, *each] if out else each
    return tuple(out)
