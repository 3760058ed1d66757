"""A trace as it is judged: distinct spans over parsed OTLP messages, read only as far as rules ask."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from operator import attrgetter
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from dsl.messages import ScopeSpans, TracesData

_NO_PARENT = bytes(8)
_ORDER = attrgetter("start", "span_id")


class Span:
    """One span with its resource and scope, messages of `dsl.messages`; attributes are looked up, not copied.

    A span whose end is before its start ends where it starts.
    """

    __slots__ = ("end", "message", "name", "parent_id", "resource", "scope", "span_id", "start")
    span_id: bytes
    parent_id: bytes  # empty for none
    name: str
    start: int  # Unix ns
    end: int

    def __init__(self, message: Any, resource: Any, scope: Any) -> None:
        self.message = message
        self.resource = resource
        self.scope = scope
        self.span_id = message.span_id
        parent = message.parent_span_id
        self.parent_id = b"" if parent == _NO_PARENT else parent
        self.name = message.name
        self.start = message.start_time_unix_nano
        self.end = max(self.start, message.end_time_unix_nano)

    @property
    def duration(self) -> int:
        """In ns."""
        return self.end - self.start

    @property
    def service(self) -> str:
        """`service.name` of the resource, or empty."""
        value = find(self.resource.attributes, "service.name")
        return value if isinstance(value, str) else ""

    def attribute(self, key: str) -> Any:
        """The span attribute of that key, else the resource's, else None."""
        value = self.message.attributes.get(key)
        found = None if value is None else plain(value)
        return find(self.resource.attributes, key) if found is None else found


class Trace:
    """All distinct spans of one trace, in order of start time and span id."""

    def __init__(self, found: Iterable[Span], cut: bool) -> None:
        spans: dict[bytes, Span] = {}
        copies = 0
        for span in found:
            known = spans.setdefault(span.span_id, span)
            if known is not span:
                copies += 1
                spans[span.span_id] = max(known, span, key=_weight)
        self.spans = tuple(sorted(spans.values(), key=_ORDER))
        self.duplicates = copies
        self._cut = cut

    @classmethod
    def of(cls, data: bytes, *, cut: bool = False) -> "Trace":
        """The trace of a serialised TracesData; DecodeError. Of copies of a span the later end counts."""
        found: list[Span] = []
        for group in TracesData.FromString(data).resource_spans:
            resource = group.resource
            for scope_spans in group.scope_spans:
                scope = scope_spans.scope
                found += [Span(message, resource, scope) for message in scope_spans.spans]
        return cls(found, cut)

    @classmethod
    def of_spans(cls, data: bytes, origins: Iterable[tuple[Any, Any]], *, cut: bool = False) -> "Trace":
        """The trace of serialised `spans` fields of a ScopeSpans, given the resource and scope of each."""
        messages = ScopeSpans.FromString(data).spans
        return cls([Span(message, *origin) for message, origin in zip(messages, origins, strict=True)], cut)

    @property
    def trace_id(self) -> bytes:
        """16 bytes; empty for a trace without spans."""
        return self.spans[0].message.trace_id if self.spans else b""

    @cached_property
    def by_id(self) -> dict[bytes, Span]:
        """Spans by span id."""
        return {span.span_id: span for span in self.spans}

    @cached_property
    def by_name(self) -> dict[str, list[Span]]:
        """Spans by name, each list in order."""
        names: dict[str, list[Span]] = {}
        for span in self.spans:
            names.setdefault(span.name, []).append(span)
        return names

    @cached_property
    def children(self) -> dict[bytes, list[Span]]:
        """Spans by parent id, each list in order; the parent need not be there."""
        return by_parent(self.spans)

    @cached_property
    def roots(self) -> list[Span]:
        """Spans without a parent id."""
        return [span for span in self.spans if not span.parent_id]

    @property
    def root(self) -> Span | None:
        """The only root, or None."""
        return self.roots[0] if len(self.roots) == 1 else None

    @cached_property
    def complete(self) -> bool:
        """Exactly one root, every parent present, and not cut short by a limit."""
        by_id = self.by_id
        return (
            not self._cut
            and self.root is not None
            and all(not span.parent_id or span.parent_id in by_id for span in self.spans)
        )

    @cached_property
    def start(self) -> int:
        """The first start, ns."""
        return min((span.start for span in self.spans), default=0)

    @cached_property
    def end(self) -> int:
        """The last end, ns."""
        return max((span.end for span in self.spans), default=0)

    @cached_property
    def services(self) -> tuple[str, ...]:
        """Distinct service names, sorted."""
        return tuple(sorted({span.service for span in self.spans} - {""}))

    @cached_property
    def depth(self) -> int:
        """Spans on the longest chain of present parents; the chain ends at the first repeat."""
        known: dict[bytes, int] = {}
        return max((self._depth(span, known) for span in self.spans), default=0)

    def _depth(self, span: Span, known: dict[bytes, int]) -> int:
        """Spans on the chain from this one up, which is kept for those on it unless it runs into a cycle."""
        chain: list[Span] = []
        seen: set[bytes] = set()
        at: Span | None = span
        while at is not None and at.span_id not in known:
            if at.span_id in seen:
                return len(chain)
            chain.append(at)
            seen.add(at.span_id)
            at = self.parent(at)
        above = known[at.span_id] if at is not None else 0
        for number, each in enumerate(reversed(chain), 1):
            known[each.span_id] = above + number
        return above + len(chain)

    @cached_property
    def cyclic(self) -> bool:
        """Whether parent ids form a cycle somewhere."""
        done: set[bytes] = set()
        for span in self.spans:
            chain: set[bytes] = set()
            at: Span | None = span
            while at is not None and at.span_id not in done:
                if at.span_id in chain:
                    return True
                chain.add(at.span_id)
                at = self.parent(at)
            done |= chain
        return False

    def parent(self, span: Span) -> Span | None:
        """The parent, if it is there."""
        return self.by_id.get(span.parent_id) if span.parent_id else None

    def ancestors(self, span: Span) -> list[Span]:
        """Parent, grandparent and so on; the chain ends at a missing parent or the first repeat."""
        chain: list[Span] = []
        seen = {span.span_id}
        while (parent := self.by_id.get(span.parent_id)) and parent.span_id not in seen:
            chain.append(parent)
            seen.add(parent.span_id)
            span = parent
        return chain


def by_parent(spans: Iterable[Span]) -> dict[bytes, list[Span]]:
    """Spans that have a parent id, by that, each list in their order."""
    found: dict[bytes, list[Span]] = {}
    for span in spans:
        if span.parent_id:
            found.setdefault(span.parent_id, []).append(span)
    return found


def find(attributes: Mapping[str, AnyValue], key: str) -> Any:
    """The value of the attribute of that key; None if there is none or it has no value."""
    value = attributes.get(key)
    return None if value is None else plain(value)


def plain(value: AnyValue) -> Any:
    """An OTLP value as a Python one: str, bool, int, float, bytes, list or dict; None if it is empty."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: plain(item.value) for item in value.kvlist_value.values}
    return getattr(value, kind)


def _weight(span: Span) -> tuple[int, bytes]:
    return span.message.end_time_unix_nano, span.message.SerializeToString(deterministic=True)
