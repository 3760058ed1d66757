"""A trace as it is judged: distinct spans over parsed OTLP messages, read only as far as rules ask."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any, NamedTuple

from dsl.attributes import find
from dsl.messages import ScopeSpans, TracesData

_NO_PARENT = bytes(8)
_NONE = frozenset((b"", _NO_PARENT))
_ORDER = attrgetter("start", "span_id")


class Origin(NamedTuple):
    """What the spans of one scope have in common, messages of `dsl.messages`."""

    resource: Any
    scope: Any


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
        self.start = start = message.start_time_unix_nano
        end = message.end_time_unix_nano
        self.end = end if end > start else start

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
        return _attribute(self.message, self.resource, key)


class Trace:
    """All distinct spans of one trace; a `Span` is made when it is asked for: it costs as much as parsing."""

    def __init__(self, messages: Sequence[Any], origins: Sequence[Origin], cut: bool) -> None:
        """Of copies of a span the one with the later end counts."""
        ids = [message.span_id for message in messages]
        self.duplicates = len(ids) - len(set(ids))
        if self.duplicates:
            messages, origins = _distinct(messages, origins)
            ids = [message.span_id for message in messages]
        self._messages = messages
        self._origins = origins
        self._ids = ids
        self._made: dict[int, Span] = {}
        self._named: dict[str, list[Span]] = {}
        self._cut = cut
        names: dict[str, list[int]] = {}
        for number, message in enumerate(messages):
            name = message.name
            if name in names:
                names[name].append(number)
            else:
                names[name] = [number]
        self.names = names
        """Span names, each with the numbers of the spans that have it."""

    @classmethod
    def of(cls, data: bytes, *, cut: bool = False) -> "Trace":
        """The trace of a serialised TracesData; DecodeError."""
        messages: list[Any] = []
        origins: list[Origin] = []
        for group in TracesData.FromString(data).resource_spans:
            for scope_spans in group.scope_spans:
                messages += scope_spans.spans
                origins += [Origin(group.resource, scope_spans.scope)] * len(scope_spans.spans)
        return cls(messages, origins, cut)

    @classmethod
    def of_spans(cls, data: bytes, origins: Sequence[Origin], *, cut: bool = False) -> "Trace":
        """The trace of serialised `spans` fields of a ScopeSpans, given the origin of each."""
        messages = list(ScopeSpans.FromString(data).spans)
        if len(messages) != len(origins):
            raise ValueError(f"{len(messages)} spans of {len(origins)} origins")
        return cls(messages, origins, cut)

    def __len__(self) -> int:
        return len(self._ids)

    def named(self, name: str) -> Sequence[Span]:
        """The spans of that name, in order of start time and span id."""
        spans = self._named.get(name)
        if spans is None:
            spans = [self._span(number) for number in self.names.get(name, ())]
            if len(spans) > 1:
                spans.sort(key=_ORDER)
            self._named[name] = spans
        return spans

    def attributes(self, name: str, key: str) -> list[Any]:
        """The attribute of that key of each span of that name, in no order; no span is made for it."""
        messages, found = self._messages, []
        for number in self.names.get(name, ()):
            value = find(messages[number].attributes, key)
            found.append(find(self._origins[number].resource.attributes, key) if value is None else value)
        return found

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """All, in order of start time and span id."""
        return tuple(sorted(map(self._span, range(len(self))), key=_ORDER))

    def _span(self, number: int) -> Span:
        span = self._made.get(number)
        if span is None:
            span = self._made[number] = Span(self._messages[number], *self._origins[number])
        return span

    @property
    def trace_id(self) -> bytes:
        """16 bytes; empty for a trace without spans."""
        return bytes(self._messages[0].trace_id) if self._messages else b""

    @cached_property
    def by_id(self) -> dict[bytes, Span]:
        """Spans by span id."""
        return {span.span_id: span for span in self.spans}

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
        parents = [message.parent_span_id for message in self._messages]
        roots = sum(map(parents.count, _NONE))
        return not self._cut and roots == 1 and set(parents).difference(self._ids, _NONE) == set()

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


def _attribute(message: Any, resource: Any, key: str) -> Any:
    found = find(message.attributes, key)
    return find(resource.attributes, key) if found is None else found


def _distinct(messages: Iterable[Any], origins: Iterable[Origin]) -> tuple[list[Any], list[Origin]]:
    spans: dict[bytes, tuple[Any, Origin]] = {}
    for each in zip(messages, origins, strict=True):
        known = spans.setdefault(each[0].span_id, each)
        if known is not each:
            spans[each[0].span_id] = max(known, each, key=_weight)
    return [message for message, _ in spans.values()], [origin for _, origin in spans.values()]


def _weight(found: tuple[Any, Origin]) -> tuple[int, bytes]:
    message, _ = found
    return message.end_time_unix_nano, message.SerializeToString(deterministic=True)
