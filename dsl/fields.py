"""What a field names: how it is read from a span, and which attribute key it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dsl.trace import Span, find

# Words of the language that the grammar takes for names; as a name they are quoted.
RESERVED = frozenset(
    "all true false trace count sum avg min max p50 p90 p95 p99 distinct any root".split()  # noqa: SIM905
)
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
LATER = ("event.", "link.", "event:", "link:", "instrumentation:", "span:childCount")


@dataclass(frozen=True, slots=True)
class Field:
    """`read` gives None for a missing value; a duration is ns. `key` is the attribute named, if one is."""

    read: Callable[[Span], Any]
    key: str | None = None
    duration: bool = False


def field_of(text: str, quoted: bool = False) -> Field | None:
    """The field of that name; None for one that BeTrace does not know."""
    if quoted:
        return Field(lambda span: span.attribute(text), text)
    if text in _INTRINSIC:
        return _INTRINSIC[text]
    if ":" in text or text.startswith(LATER):
        return None
    scope, _, key = text.partition(".")
    if key and scope == "span":
        return Field(lambda span: find(span.message.attributes, key), key)
    if key and scope == "resource":
        return Field(lambda span: find(span.resource.attributes, key), key)
    if key and scope == "scope":
        return Field(lambda span: span.scope.name or None) if key == "name" else None
    return Field(lambda span: span.attribute(text), text)


def _one_of(names: tuple[str, ...], number: int) -> str | None:
    return names[number] if 0 <= number < len(names) else None


_DURATION = Field(lambda span: span.duration, duration=True)
_INTRINSIC = {
    "service": Field(lambda span: find(span.resource.attributes, "service.name"), "service.name"),
    "timestamp": Field(lambda span: span.start),
    "duration": _DURATION,
    "end": Field(lambda span: span.end),
    "span:duration": _DURATION,
    "span:name": Field(lambda span: span.name),
    "span:kind": Field(lambda span: _one_of(KINDS, span.message.kind)),
    "span:status": Field(lambda span: _one_of(STATUSES, span.message.status.code)),
    "span:statusMessage": Field(lambda span: span.message.status.message or None),
    "span:id": Field(lambda span: span.span_id.hex()),
    "span:parentID": Field(lambda span: span.parent_id.hex() or None),
}
INTRINSICS = tuple(_INTRINSIC)
