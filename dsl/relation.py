"""How spans stand to each other in time and in the tree, looked up instead of tried pair by pair."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import cached_property

from dsl.run import Run
from dsl.trace import Span, Trace, by_parent

INVERSE = {
    "before": "after",
    "after": "before",
    "overlaps": "overlaps",
    "within": "within",
    "inside": "encloses",
    "encloses": "inside",
    "child": "parent",
    "parent": "child",
    "sibling": "sibling",
}
Gap = int | None  # ns


class Pool:
    """The spans on the other side of a relation, with what finds those that fit."""

    def __init__(self, spans: Sequence[Span], trace: Trace) -> None:
        self.spans = spans
        self.trace = trace

    @cached_property
    def ids(self) -> frozenset[bytes]:
        """Their span ids."""
        return frozenset(span.span_id for span in self.spans)

    @cached_property
    def starts(self) -> list[int]:
        """Their starts, ascending, as the spans are."""
        return [span.start for span in self.spans]

    @cached_property
    def by_end(self) -> list[Span]:
        """They by their ends, ascending."""
        return sorted(self.spans, key=lambda span: span.end)

    @cached_property
    def ends(self) -> list[int]:
        """Their ends, ascending."""
        return [span.end for span in self.by_end]

    @cached_property
    def latest(self) -> list[tuple[Span | None, Span | None]]:
        """For each number of first spans the two of them that end last."""
        found: list[tuple[Span | None, Span | None]] = [(None, None)]
        for span in self.spans:
            first, second = found[-1]
            if first is None or span.end > first.end:
                first, second = span, first
            elif second is None or span.end > second.end:
                second = span
            found.append((first, second))
        return found

    @cached_property
    def by_parent(self) -> dict[bytes, list[Span]]:
        """They by parent id."""
        return by_parent(self.spans)

    @cached_property
    def above(self) -> frozenset[bytes]:
        """Ids of all spans from which one of them descends."""
        if self.trace.cyclic:
            return frozenset(each.span_id for span in self.spans for each in self.trace.ancestors(span))
        found: set[bytes] = set()
        for span in self.spans:
            parent = self.trace.parent(span)
            while parent and parent.span_id not in found:
                found.add(parent.span_id)
                parent = self.trace.parent(parent)
        return frozenset(found)

    @cached_property
    def below(self) -> dict[bytes, bool]:
        """Whether a span descends from one of them, as far as that was asked."""
        return {}


Exists = Callable[[Run, Span, Pool, Gap], bool]
Fits = Callable[[Span, Span, Gap, Trace], bool]


def exists(op: str, run: Run, span: Span, pool: Pool, gap: Gap) -> bool:
    """Whether the span stands so to some other span of the pool."""
    run.step()
    return _EXISTS[op](run, span, pool, gap)


def fits(op: str, a: Span, b: Span, gap: Gap, trace: Trace) -> bool:
    """Whether a stands so to b."""
    return a is not b and _FITS[op](a, b, gap, trace)


def _before(run: Run, span: Span, pool: Pool, gap: Gap) -> bool:
    for other in pool.spans[(at := bisect_left(pool.starts, span.end)) : at + 2]:
        if other is not span:
            return gap is None or other.start - span.end <= gap
    return False


def _after(run: Run, span: Span, pool: Pool, gap: Gap) -> bool:
    at = bisect_right(pool.ends, span.start)
    for other in reversed(pool.by_end[max(0, at - 2) : at]):
        if other is not span:
            return gap is None or span.start - other.end <= gap
    return False


def _near(run: Run, span: Span, pool: Pool, gap: Gap) -> bool:
    far = gap or 0
    first, second = pool.latest[bisect_right(pool.starts, span.end + far)]
    other = second if first is span else first
    return other is not None and other.end >= span.start - far


def _overlaps(run: Run, span: Span, pool: Pool, gap: Gap) -> bool:
    first, second = pool.latest[bisect_left(pool.starts, span.end)]
    other = second if first is span else first
    return other is not None and other.end > span.start


def _inside(run: Run, span: Span, pool: Pool, gap: Gap) -> bool:
    """Climb until a span is found, or one of which it is known."""
    trace, ids, known = pool.trace, pool.ids, pool.below
    if trace.cyclic:
        chain = trace.ancestors(span)
        run.step(len(chain))
        return any(each.span_id in ids for each in chain)
    climbed: list[bytes] = []
    at: Span | None = span
    found = False
    while at is not None and not found:
        if at.span_id in known:
            found = known[at.span_id]
            break
        run.step()
        climbed.append(at.span_id)
        found = at.parent_id in ids
        at = trace.parent(at)
    known.update(dict.fromkeys(climbed, found))
    return found


def _encloses(run: Run, span: Span, pool: Pool, gap: Gap) -> bool:
    return span.span_id in pool.above


def _child(run: Run, span: Span, pool: Pool, gap: Gap) -> bool:
    return span.parent_id in pool.ids and span.parent_id != span.span_id


def _parent(run: Run, span: Span, pool: Pool, gap: Gap) -> bool:
    return any(child is not span for child in pool.by_parent.get(span.span_id, ())[:2])


def _sibling(run: Run, span: Span, pool: Pool, gap: Gap) -> bool:
    return any(other is not span for other in pool.by_parent.get(span.parent_id, ())[:2])


_EXISTS: dict[str, Exists] = {
    "before": _before,
    "after": _after,
    "within": _near,
    "overlaps": _overlaps,
    "inside": _inside,
    "encloses": _encloses,
    "child": _child,
    "parent": _parent,
    "sibling": _sibling,
}
_FITS: dict[str, Fits] = {
    "before": lambda a, b, gap, _: 0 <= b.start - a.end <= (b.start if gap is None else gap),
    "after": lambda a, b, gap, _: 0 <= a.start - b.end <= (a.start if gap is None else gap),
    "within": lambda a, b, gap, _: max(b.start - a.end, a.start - b.end, 0) <= (gap or 0),
    "overlaps": lambda a, b, gap, _: a.start < b.end and b.start < a.end,
    "inside": lambda a, b, gap, trace: any(each is b for each in trace.ancestors(a)),
    "encloses": lambda a, b, gap, trace: any(each is a for each in trace.ancestors(b)),
    "child": lambda a, b, gap, trace: a.parent_id == b.span_id,
    "parent": lambda a, b, gap, trace: b.parent_id == a.span_id,
    "sibling": lambda a, b, gap, trace: bool(a.parent_id) and a.parent_id == b.parent_id,
}
