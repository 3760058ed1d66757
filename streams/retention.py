"""How long a partition keeps blocks and judgements, and what it forgets first when there are too many."""

from collections import deque
from dataclasses import dataclass, field
from itertools import islice, takewhile
from typing import NamedTuple

from streams import metrics
from streams.config import Limits, Windows, ms
from streams.group import fragments
from streams.state import BEHIND_TRACES, FIRST_TRACE, Judged, Where, chunk_of, offset_of, trace_key
from streams.store import Done, Store

_SWEPT = 1000  # index entries looked at in a tick, after a restart


class Kept(NamedTuple):
    """A block or judged chunk that is to be deleted when the clock has passed `until` (ms)."""

    until: int
    key: bytes
    size: int
    traces: int = 0  # judged
    clock: int = 0  # at which a block was applied


class Past(NamedTuple):
    """A tick whose state may be the one to come back to: its clock (ms), and the first block then needed."""

    tick: int
    clock: int
    needed: int


@dataclass(slots=True)
class Retention:
    """The blocks and judged chunks in the table of one partition, oldest first."""

    store: Store
    windows: Windows
    limits: Limits
    size: int = 0  # bytes
    _blocks: deque[Kept] = field(default_factory=deque)
    _judged: deque[Kept] = field(default_factory=deque)
    _late: dict[int, int] = field(default_factory=dict)  # first blocks of judged traces: needed until (ms)
    _past: deque[Past] = field(default_factory=deque)  # the last tick published, and those after it
    _sweep: bytes = FIRST_TRACE  # index entries before are known to be of judgements that are kept

    def block(self, key: bytes, last: int, clock: int, size: int) -> None:
        """Keep a block whose last spans came at `last` (ms), as long as late ones can need it.

        `clock` (ms) is that at which it was applied.
        """
        self._keep(self._blocks, Kept(last + self._needed(), key, size, clock=clock))

    def judged(self, key: bytes, judged: Judged, size: int) -> None:
        """Keep a judged chunk."""
        kept = Kept(self.remembered(judged.clock), key, size, len(judged.traces))
        self._keep(self._judged, kept)
        open_for = ms(self.windows.late_window + self.windows.late_grace + self.windows.tick)
        for trace in judged.traces:
            first, _ = next(fragments(trace.at))
            until = trace.first + open_for
            if until > self._late.get(first, 0):
                self._late[first] = until

    def remembered(self, clock: int) -> int:
        """The clock (ms) up to which what is judged at one is remembered."""
        return clock + ms(self.windows.remember)

    def open_to_late(self, now: int) -> int:
        """How many judgements are within their late window at the clock `now` (ms)."""
        since = now + ms(self.windows.remember - self.windows.late_window)
        within = takewhile(lambda kept: kept.until >= since, reversed(self._judged))
        return sum(kept.traces for kept in within)

    def first_block(self) -> int:
        """The offset of the oldest block that is kept: all later ones are there too."""
        return offset_of(self._blocks[0].key) if self._blocks else 2**64

    async def forget(self, tick: int, now: int, needed: int, published: int) -> list[Done]:
        """Delete what may go at a tick and its clock `now` (ms).

        Blocks from the offset `needed` on are wanted for traces that late spans reopened; judgements of ticks
        after `published` have not left yet. What any state since then needs is kept too: where RocksDB is
        ahead of the changelog, recovery goes back to such a state, but brings no deleted block back.
        """
        writes = []
        self._past.append(Past(tick, now, needed))
        while len(self._past) > 1 and self._past[1].tick <= published:
            self._past.popleft()
        first = min(past.needed for past in self._past) if self._past[0].tick <= published else 0
        while self._blocks and offset_of(self._blocks[0].key) < first and self._may_go(self._past[0].clock):
            writes.append(await self._delete(self._blocks.popleft()))
        while self._judged and self._judged[0].until < now and self._is_told(self._judged[0], published):
            kept = self._judged.popleft()
            self._unindex(kept.key)
            writes.append(await self._delete(kept))
        self._sweep_index()
        if len(self._late) > len(self._blocks):
            self._late = {block: until for block, until in self._late.items() if block >= self.first_block()}
        return writes

    def _is_told(self, kept: Kept, published: int) -> bool:
        """Whether a judged chunk has left, and no block is there any more that was applied while it counted.

        Such a block can hold spans that came too late for a trace of the chunk: coming back without the chunk
        would make another trace of them.
        """
        first = self._blocks[0].clock if self._blocks else kept.until + 1
        return offset_of(kept.key) <= published and first > kept.until

    def _needed(self) -> int:
        """How long a block can be needed: until its last trace is judged, then while late spans reopen it."""
        windows = self.windows
        return ms(windows.max_wait + windows.late_window + windows.late_grace + windows.tick)

    def _may_go(self, now: int) -> bool:
        """Whether the oldest block is past its time, or over the limit and of no trace in flight."""
        kept = self._blocks[0]
        if max(kept.until, self._late.get(offset_of(kept.key), 0)) < now:
            return True
        came = kept.until - self._needed()
        cut = self.size > self.limits.retained_bytes and came < now - ms(
            self.windows.max_wait + self.windows.tick
        )
        if cut:
            metrics.RETAINED_CUT.inc(kept.size)
        return cut

    def _keep(self, queue: deque[Kept], kept: Kept) -> None:
        queue.append(kept)
        self.size += kept.size

    async def _delete(self, kept: Kept) -> Done:
        self.size -= kept.size
        return await self.store.write(kept.key, None)

    def _unindex(self, key: bytes) -> None:
        """Forget where the traces of a judged chunk were judged, unless they were judged again since."""
        place = offset_of(key), chunk_of(key)
        for trace in Judged.decode(self.store.get(key) or b"").traces:
            value = self.store.get(trace_key(trace.trace_id))
            if value and Where.decode(value)[:2] == place:
                self.store.write_local(trace_key(trace.trace_id), None)

    def _sweep_index(self) -> None:
        """After a restart, delete index entries whose judgement went while another worker owned this."""
        if self._sweep >= BEHIND_TRACES:
            return
        oldest = offset_of(self._judged[0].key) if self._judged else 2**64
        found = list(islice(self.store.scan(self._sweep, BEHIND_TRACES), _SWEPT))
        for key, value in found:
            if Where.decode(value).tick < oldest:
                self.store.write_local(key, None)
        self._sweep = found[-1][0] + b"\0" if len(found) == _SWEPT else BEHIND_TRACES
