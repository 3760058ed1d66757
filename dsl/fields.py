"""What a field names: how it is read from a span, and which attribute key it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from dsl.attributes import find
from dsl.trace import Span, Trace

# Words of the language that the grammar takes for names; as a name they are quoted.
RESERVED = frozenset(
    "all true false trace count sum avg min max p50 p90 p95 p99 distinct any root".split()  # noqa: SIM905
)
KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
SCOPES = ("span", "resource", "event", "link", "scope")

Unit = Literal["", "duration", "time"]
Kind = Literal["any", "number", "text", "boolean"]


@dataclass(frozen=True, slots=True)
class Field:
    """`read` gives None for a missing value; durations and times are ns.

    `key` is the attribute named, if one is. With `each` the field has several values, of events or links, and
    `read` gives the list of them. `values` are all that there can be.
    """

    read: Callable[[Span, Trace], Any]
    key: str | None = None
    unit: Unit = ""
    kind: Kind = "any"
    each: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attribute:
    """Reads the attribute of that key, of a span or else of its resource."""

    key: str

    def __call__(self, span: Span, trace: Trace) -> Any:
        """The value; None if it is missing."""
        return span.attribute(self.key)


def field_of(text: str, quoted: bool = False) -> Field | None:
    """The field of that name; None for one that BeTrace does not know. A quoted one is an attribute."""
    if quoted:
        return Field(Attribute(text), text)
    if text in _INTRINSIC:
        return _INTRINSIC[text]
    if ":" in text:
        return None
    scope, _, key = text.partition(".")
    if key and scope in _SCOPED:
        return _SCOPED[scope](key)
    return Field(Attribute(text), text)


def _of_scope(key: str) -> Field:
    def read(span: Span, trace: Trace) -> Any:
        value = find(span.scope.attributes, key)
        if value is None and key in ("name", "version"):
            value = getattr(span.scope, key) or None
        return value

    return Field(read)


def _of_events(key: str) -> Field:
    return Field(lambda span, trace: [find(e.attributes, key) for e in span.message.events], each=True)


def _of_links(key: str) -> Field:
    return Field(lambda span, trace: [find(e.attributes, key) for e in span.message.links], each=True)


_SCOPED: dict[str, Callable[[str], Field]] = {
    "span": lambda key: Field(lambda span, trace: find(span.message.attributes, key), key),
    "resource": lambda key: Field(lambda span, trace: find(span.resource.attributes, key), key),
    "scope": _of_scope,
    "event": _of_events,
    "link": _of_links,
}


def _one_of(names: tuple[str, ...], number: int) -> str | None:
    return names[number] if 0 <= number < len(names) else None


_DURATION = Field(lambda span, trace: span.duration, unit="duration", kind="number")
_INTRINSIC = {
    "service": Field(lambda span, trace: find(span.resource.attributes, "service.name"), "service.name"),
    "timestamp": Field(lambda span, trace: span.start, unit="time", kind="number"),
    "duration": _DURATION,
    "end": Field(lambda span, trace: span.end, unit="time", kind="number"),
    "span:duration": _DURATION,
    "span:name": Field(lambda span, trace: span.name, kind="text"),
    "span:kind": Field(lambda span, trace: _one_of(KINDS, span.message.kind), kind="text", values=KINDS),
    "span:status": Field(
        lambda span, trace: _one_of(STATUSES, span.message.status.code), kind="text", values=STATUSES
    ),
    "span:statusMessage": Field(lambda span, trace: span.message.status.message or None, kind="text"),
    "span:id": Field(lambda span, trace: span.span_id.hex(), kind="text"),
    "span:parentID": Field(lambda span, trace: span.parent_id.hex() or None, kind="text"),
    "span:childCount": Field(lambda span, trace: len(trace.children.get(span.span_id, ())), kind="number"),
    "event:name": Field(lambda span, trace: [e.name for e in span.message.events], kind="text", each=True),
    "link:traceID": Field(
        lambda span, trace: [e.trace_id.hex() for e in span.message.links], kind="text", each=True
    ),
    "link:spanID": Field(
        lambda span, trace: [e.span_id.hex() for e in span.message.links], kind="text", each=True
    ),
    "instrumentation:name": Field(lambda span, trace: span.scope.name or None, kind="text"),
    "instrumentation:version": Field(lambda span, trace: span.scope.version or None, kind="text"),
}
INTRINSICS = tuple(_INTRINSIC)
