"""Groups spans by trace: what one partition holds in flight, and when each trace is done."""

import heapq
import struct
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal, NamedTuple

from streams.block import Entry
from streams.config import Limits, Windows, ms
from streams.fragment import NO_PARENT

Reason = Literal["root", "timeout", "span_limit", "size_limit", "memory", "late"]

_AT = struct.Struct("<QI")
_NONE = 0  # `NO_PARENT` as a number
_TRACE_OVERHEAD = (
    600  # bytes of Python objects a trace in flight costs beside its ids, measured with tracemalloc
)


class Due(NamedTuple):
    """A trace that is done, and why."""

    trace_id: bytes
    reason: Reason
    trace: "InFlight"


@dataclass(slots=True)
class InFlight:
    """A trace that is not judged yet; times in ms."""

    first: int
    ids: bytes = b""  # (span id, parent id) x spans
    at: bytes = b""  # packed, see `fragments`
    size: int = 0
    root_at: int | None = None
    full: Reason | None = None
    before: int | None = None  # spans judged before, if late ones reopened it; `ids` has the late ones alone

    @property
    def spans(self) -> int:
        """In flight: not judged yet."""
        return len(self.ids) // 16

    @property
    def memory(self) -> int:
        return _TRACE_OVERHEAD + len(self.ids) + len(self.at)

    def closed(self) -> bool:
        """Exactly one root, and no parent missing."""
        words = array("Q", self.ids)
        spans, parents = words[::2], words[1::2]
        known = set(spans)
        known.add(_NONE)
        if not known.issuperset(parents):
            return False
        roots = parents.count(_NONE)
        if roots > 1:  # or copies of one
            roots = len({span for span, parent in zip(spans, parents, strict=True) if parent == _NONE})
        return roots == 1


@dataclass(slots=True)
class Load:
    """What a worker holds over all its partitions, for the limits that are the worker's."""

    traces: int = 0
    memory: int = 0

    def over(self, limits: Limits) -> bool:
        """Whether it is more than it may be: the oldest traces are judged at the next tick."""
        return self.traces > limits.traces or self.memory > limits.index_memory


@dataclass(slots=True)
class Group:
    """The traces in flight of one partition."""

    windows: Windows
    limits: Limits
    load: Load
    traces: dict[bytes, InFlight] = field(default_factory=dict)
    spans: int = 0
    reopened: dict[bytes, int] = field(default_factory=dict)  # traces judged before: the first block of each
    _queue: list[tuple[int, bytes]] = field(default_factory=list)
    _max_wait: int = field(init=False)  # ms, as those below
    _root_grace: int = field(init=False)
    _late_grace: int = field(init=False)

    def __post_init__(self) -> None:
        self._max_wait = ms(self.windows.max_wait)
        self._root_grace = ms(self.windows.root_grace)
        self._late_grace = ms(self.windows.late_grace)

    def add(self, block: int, entry: Entry, time: int) -> bool:
        """Put the spans of a block's entry to their trace; False if that trace takes no more.

        `time` is the fragment's: the greater of its record's time and the clock.
        """
        trace = self.traces.get(entry.trace_id)
        if trace is None:
            trace = self.traces[entry.trace_id] = InFlight(time)
            self.load.traces += 1
            self.load.memory += _TRACE_OVERHEAD
            self._wake(entry.trace_id, time + self._max_wait)
        elif trace.full:
            return False
        trace.ids += entry.ids
        trace.at += _AT.pack(block, entry.at)
        trace.size += entry.size
        self.spans += entry.spans
        self.load.memory += len(entry.ids) + _AT.size
        self._watch(entry, trace, time)
        return True

    def reopen(self, trace_id: bytes, before: int, at: bytes, time: int) -> None:
        """Take a judged trace in again: `before` spans at `at`; `time` (ms) is the first late span's."""
        trace = self.traces[trace_id] = InFlight(time, at=at, before=before)
        self.reopened[trace_id] = first_block(at)
        self.load.traces += 1
        self.load.memory += trace.memory
        self._wake(trace_id, time + self._late_grace)

    def due(self, clock: int) -> Iterator[Due]:
        """The traces that are done at `clock`, in an order of their own; `remove` each when it is judged."""
        woken: set[bytes] = set()
        while self._queue and self._queue[0][0] <= clock:
            woken.add(heapq.heappop(self._queue)[1])
        waking = [(trace, trace_id) for trace_id in woken if (trace := self.traces.get(trace_id))]
        for trace, trace_id in sorted(waking, key=lambda pair: (pair[0].first, pair[1])):
            reason = self._reason(trace, clock)
            if reason:
                yield Due(trace_id, reason, trace)
        yield from self._pressed(woken)

    def remove(self, trace_id: bytes) -> InFlight | None:
        """Forget a judged trace."""
        trace = self.traces.pop(trace_id, None)
        self.reopened.pop(trace_id, None)
        if trace is not None:
            self.spans -= trace.spans
            self.load.traces -= 1
            self.load.memory -= trace.memory
        return trace

    def clear(self) -> None:
        """Forget all: the partition belongs to another worker now."""
        for trace_id in list(self.traces):
            self.remove(trace_id)

    def _watch(self, entry: Entry, trace: InFlight, time: int) -> None:
        if trace.before is not None:
            pass  # it is judged when its late spans have had their grace
        elif trace.root_at is None:
            if NO_PARENT in entry.ids and _NONE in array("Q", entry.ids)[1::2]:
                trace.root_at = time
                self._wake(entry.trace_id, time + self._root_grace)
        elif time >= trace.root_at + self._root_grace:
            # it was not closed when its grace ended: look again
            self._wake(entry.trace_id, trace.root_at + self._root_grace)
        trace.full = self._over(trace)
        if trace.full:
            self._wake(entry.trace_id, 0)

    def _over(self, trace: InFlight) -> Reason | None:
        if trace.spans + (trace.before or 0) >= self.limits.trace_spans:
            return "span_limit"
        return "size_limit" if trace.size >= self.limits.trace_bytes else None

    def _reason(self, trace: InFlight, clock: int) -> Reason | None:
        if trace.full:
            return trace.full
        if trace.before is not None:
            return "late" if clock >= trace.first + self._late_grace else None
        if trace.root_at is not None and clock >= trace.root_at + self._root_grace and trace.closed():
            return "root"
        return "timeout" if clock >= trace.first + self._max_wait else None

    def _pressed(self, woken: Iterable[bytes]) -> Iterator[Due]:
        """This partition's share of what the worker holds over its limits, the oldest traces first.

        One that late spans reopened is judged with those that have come: more of them reopen it again.
        """
        over = self.load.traces - self.limits.traces
        if self.load.memory > self.limits.index_memory:
            over = max(over, self.load.traces // 10 + 1)
        if over <= 0:
            return
        share = -(-over * len(self.traces) // self.load.traces)
        done = set(woken)
        for trace_id, trace in list(islice(self.traces.items(), share)):
            if trace_id not in done:
                yield Due(trace_id, "memory" if trace.before is None else "late", trace)

    def _wake(self, trace_id: bytes, time: int) -> None:
        heapq.heappush(self._queue, (time, trace_id))


def fragments(packed: bytes) -> Iterator[tuple[int, int]]:
    """Where the spans of a trace are kept, from `InFlight.at`: offsets of blocks, each with the entry."""
    return _AT.iter_unpack(packed)


def first_block(packed: bytes) -> int:
    """The first of the blocks in `InFlight.at`."""
    return min(block for block, _ in fragments(packed))
