"""A trace as it is judged: distinct spans over parsed OTLP messages, read only as far as rules ask."""

from array import array
from collections.abc import Iterable, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Any, Protocol

from dsl.attributes import find
from dsl.messages import TracesData

_NO_PARENT = bytes(8)
_NONE = 0  # `_NO_PARENT` as a number
_ORDER = attrgetter("start", "span_id")


class Origin:
    """What the spans of one scope have in common, messages of `dsl.messages`."""

    __slots__ = ("keys", "resource", "scope", "service")
    keys: frozenset[str]  # of the resource's attributes
    service: str  # `service.name` of the resource, or empty

    def __init__(self, resource: Any, scope: Any) -> None:
        self.resource = resource
        self.scope = scope

    def __getattr__(self, name: str) -> Any:
        """Make what is asked for the first time: a file's spans have an origin each, and are asked little."""
        if name == "keys":
            self.keys = frozenset(self.resource.attributes)
        elif name == "service":
            value = find(self.resource.attributes, "service.name")
            self.service = value if isinstance(value, str) else ""
        return object.__getattribute__(self, name)


Stored = tuple[Sequence[bytes], Sequence[int], Sequence[int]]
"""What each span stands in, serialised, from where to where."""


class Spans(Protocol):
    """Gives the spans of a trace by number; what they say of ids and names is not looked at."""

    @property
    def parsed(self) -> list[Any]:
        """All spans, if they are parsed already."""
        ...

    def messages(self, numbers: Sequence[int]) -> Sequence[Any]:
        """Those spans, parsed."""
        ...

    def stored(self) -> Stored | None:
        """All spans, if they are there as bytes."""
        ...


class Span:
    """One span with its resource and scope, messages of `dsl.messages`; attributes are looked up, not copied.

    A span whose end is before its start ends where it starts.
    """

    __slots__ = ("_origin", "end", "message", "name", "parent_id", "resource", "scope", "span_id", "start")

    def __init__(self, span_id: bytes, parent_id: bytes, name: str, message: Any, origin: Origin) -> None:
        self.span_id = span_id
        self.parent_id = parent_id  # empty for none
        self.name = name
        self.message = message
        self.resource = origin.resource
        self.scope = origin.scope
        self._origin = origin
        self.start: int = message.start_time_unix_nano  # Unix ns
        self.end: int = _end(message)

    @property
    def duration(self) -> int:
        """In ns."""
        return self.end - self.start

    @property
    def service(self) -> str:
        """`service.name` of the resource, or empty."""
        return self._origin.service

    def attribute(self, key: str) -> Any:
        """The span attribute of that key, else the resource's, else None."""
        return _attribute(self.message, self.resource, key)


class Trace:
    """All distinct spans of one trace, by number.

    A span's message is read, and a `Span` made of it, when a rule asks for it: most rules ask for few.
    """

    def __init__(
        self,
        trace_id: bytes,
        ids: bytes,
        names: Sequence[str],
        origins: Sequence[Origin],
        spans: Spans,
        *,
        cut: bool = False,
    ) -> None:
        """`ids` are the span id and the parent id, or zero, of each span, 16 bytes.

        Of copies of a span the one with the later end counts.
        """
        self.trace_id = trace_id
        """16 bytes; empty for a trace without spans."""
        self.duplicates = len(names) - len(set(array("Q", ids)[::2]))
        if self.duplicates:
            messages = spans.messages(range(len(names)))
            kept = _distinct(ids, names, messages)
            ids = b"".join([ids[16 * number : 16 * number + 16] for number in kept])
            names, origins = [names[number] for number in kept], [origins[number] for number in kept]
            spans = _Parsed([messages[number] for number in kept])
        self._ids = ids
        self._names = names
        self.origins = origins
        """Of each span."""
        self._spans = spans
        self._cut = cut
        self._messages: list[Any] = spans.parsed or [None] * len(names)  # those that were read
        self._expected: Iterable[str] = ()
        self._made: dict[int, Span] = {}
        self._named: dict[str, list[Span]] = {}
        self.names: dict[str, list[int]] = {}
        """Span names, each with the numbers of the spans that have it."""
        numbers = self.names
        for number, name in enumerate(names):
            if name in numbers:
                numbers[name].append(number)
            else:
                numbers[name] = [number]

    @classmethod
    def of(cls, data: bytes, *, cut: bool = False) -> "Trace":
        """The trace of a serialised TracesData; DecodeError."""
        messages: list[Any] = []
        origins: list[Origin] = []
        for group in TracesData.FromString(data).resource_spans:
            for scope_spans in group.scope_spans:
                messages += scope_spans.spans
                origins += [Origin(group.resource, scope_spans.scope)] * len(scope_spans.spans)
        trace_id = messages[0].trace_id if messages else b""
        ids = b"".join([each.span_id + (each.parent_span_id or _NO_PARENT) for each in messages])
        names = [message.name for message in messages]
        return cls(trace_id, ids, names, origins, _Parsed(messages), cut=cut)

    def __len__(self) -> int:
        return len(self._names)

    def expect(self, names: Iterable[str]) -> None:
        """Spans of these names are likely to be asked for: they are read at once."""
        self._expected = names

    def named(self, name: str) -> Sequence[Span]:
        """The spans of that name, in order of start time and span id."""
        spans = self._named.get(name)
        if spans is None:
            spans = [self.span(number) for number in self.names.get(name, ())]
            if len(spans) > 1:
                spans.sort(key=_ORDER)
            self._named[name] = spans
        return spans

    def attribute(self, number: int, key: str) -> Any:
        """The attribute of that key of the span with that number, for which no span is made."""
        message = self._messages[number] or self._message(number)
        return _attribute(message, self.origins[number].resource, key)

    @cached_property
    def stored(self) -> Stored | None:
        """All spans by number, if they are there as bytes."""
        return self._spans.stored()

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """All, in order of start time and span id."""
        return tuple(sorted(map(self.span, range(len(self))), key=_ORDER))

    def span(self, number: int) -> Span:
        """The span with that number."""
        span = self._made.get(number)
        if span is None:
            at = 16 * number
            span_id, parent = self._ids[at : at + 8], self._ids[at + 8 : at + 16]
            name, origin = self._names[number], self.origins[number]
            span = Span(span_id, b"" if parent == _NO_PARENT else parent, name, self._message(number), origin)
            self._made[number] = span
        return span

    @property
    def _all(self) -> Sequence[Any]:
        """The messages of all spans."""
        for number in range(len(self)):
            self._message(number)
        return self._messages

    def _message(self, number: int) -> Any:
        """The message of a span, which is read together with others."""
        messages = self._messages
        if messages[number] is None:
            expected, self._expected = self._expected, ()
            wanted = [each for name in expected for each in self.names.get(name, ())]
            if number not in wanted:
                wanted = [each for each, message in enumerate(messages) if message is None]
            for each, message in zip(wanted, self._spans.messages(wanted), strict=True):
                messages[each] = message
        return messages[number]

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
        words = array("Q", self._ids)
        spans, parents = words[::2], words[1::2]
        known = {_NONE, *spans}
        return not self._cut and parents.count(_NONE) == 1 and known.issuperset(parents)

    @cached_property
    def start(self) -> int:
        """The first start, ns."""
        return min((message.start_time_unix_nano for message in self._all), default=0)

    @cached_property
    def end(self) -> int:
        """The last end, ns."""
        return max(map(_end, self._all), default=0)

    @cached_property
    def services(self) -> tuple[str, ...]:
        """Distinct service names, sorted."""
        return tuple(sorted({origin.service for origin in self.origins} - {""}))

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


def _end(message: Any) -> int:
    start, end = message.start_time_unix_nano, message.end_time_unix_nano
    return end if end > start else start  # type: ignore[no-any-return]


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


def _distinct(ids: bytes, names: Sequence[str], messages: Sequence[Any]) -> list[int]:
    """The numbers of the spans that count."""
    found: dict[bytes, tuple[Any, int]] = {}
    for number, message in enumerate(messages):
        span_id, parent = ids[16 * number : 16 * number + 8], ids[16 * number + 8 : 16 * number + 16]
        weight = message.end_time_unix_nano, names[number], parent, _described(message)
        known = found.get(span_id)
        if known is None or weight > known[0]:
            found[span_id] = weight, number
    return [number for _, number in found.values()]


def _described(message: Any) -> bytes:
    """All that a span's message says but ids and name, in one form."""
    rest = type(message)()
    rest.CopyFrom(message)
    for field in ("trace_id", "span_id", "parent_span_id", "name"):
        rest.ClearField(field)
    return bytes(rest.SerializeToString(deterministic=True))


class _Parsed:
    """Spans that were parsed before."""

    def __init__(self, parsed: list[Any]) -> None:
        self.parsed = parsed

    def messages(self, numbers: Sequence[int]) -> Sequence[Any]:
        return [self.parsed[number] for number in numbers]

    def stored(self) -> None:
        return None
