"""One partition of the spans topic from blocks and ticks to judged traces, over any restarts."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dsl.trace import Trace
from streams import metrics
from streams.block import Block, Entry, Section, trace_of
from streams.cache import BlockCache
from streams.clock import Clock
from streams.config import ms
from streams.crash import CrashPoints
from streams.draft import Draft, Earlier
from streams.group import Due, Group, first_block, fragments
from streams.judge import LIMITS, Judge
from streams.ledger import Ledger
from streams.retention import Retention
from streams.state import (
    INDEXED_KEY,
    TICK_KEY,
    Finding,
    Judged,
    JudgedTrace,
    KeptBlock,
    PartitionState,
    Where,
    block_key,
    index_of,
    judged_key,
    offset_of,
    trace_key,
)
from streams.store import Done, Store
from streams.tick import Tick
from streams.upheld import Upheld

_CHUNK_BYTES = 600_000  # of one `J` value; a broker takes 1 MB
_BREATH = 200  # traces judged before other tasks may run


class Step(NamedTuple):
    """What a record of the spans topic led to: it is done when `writes` are durable and all is published."""

    writes: list[Done]
    violations: list[tuple[str, bytes]]
    activity: list[tuple[str, bytes]]
    upheld: Sequence[Upheld] = ()


@dataclass(slots=True)
class _Leaving:
    """What a tick makes durable, and publishes."""

    writes: list[Done] = field(default_factory=list)
    violations: list[tuple[str, bytes]] = field(default_factory=list)
    upheld: list[Upheld] = field(default_factory=list)

    def add(self, write: Done, judged: Judged) -> None:
        self.writes.append(write)
        self.violations += judged.published
        self.upheld += [each for each in judged.upheld if each.publish]


@dataclass(slots=True)
class Partition:
    """Group, judge and keep the traces of one partition. Not to be entered twice at once."""

    store: Store
    group: Group
    judge: Judge
    crash: CrashPoints
    state: PartitionState
    ledger: Ledger
    kept: Retention
    cache: BlockCache
    applied: int = -1  # the last offset that this state holds
    published: int = -1  # the last tick that has been published; who publishes says so
    _judged: list[tuple[bytes, bytes]] = field(default_factory=list)  # `I` of this tick, not written yet

    @classmethod
    async def open(cls, store: Store, number: int, first: int, group: Group, judge: Judge,
                   crash: CrashPoints, topics: frozenset[str], cache: BlockCache) -> "Partition":  # fmt: skip
        """Rebuild what was known before the record at offset `first`, the first that is read."""
        value = store.get(TICK_KEY)
        state = PartitionState.decode(value, topics) if value else PartitionState(Clock(topics))
        ledger = Ledger(store, state, number, judge.in_force_at, group.windows.tick)
        partition = cls(
            store, group, judge, crash, state, ledger, Retention(store, group.windows, group.limits), cache
        )
        partition.applied = max(state.tick, first - 1)
        await partition._restore()
        crash.reach("restored")
        return partition

    async def block(self, offset: int, data: bytes) -> Step:
        """Apply a block, or, if it was applied before, make sure that the changelog has it."""
        key = block_key(offset)
        if offset <= self.applied:
            value = self.store.get(key)
            return Step([await self.store.write(key, value)] if value else [], [], [])
        kept = self._take(offset, data)
        write = await self.store.write(key, kept.encode())
        self.crash.reach("block-written")
        self.applied = offset
        return Step([write], [], [])

    async def tick(self, offset: int, data: bytes) -> Step:
        """Advance the clock, judge what is done, forget what may be forgotten."""
        repeated = offset <= self.state.tick
        await self.ledger.begin(offset)
        if not repeated:
            await self._hear(Tick.decode(data))
        leaving = await self._repeat(offset, repeated)
        if not repeated:
            await self._advance(offset, leaving)
        rows, activity = self.ledger.take()
        leaving.writes += rows
        if offset == self.state.tick:
            leaving.writes.append(await self.store.write(TICK_KEY, self.state.encode()))
            self.crash.reach("state-written")
            self._index()
            leaving.writes += await self._forget()  # after `T`, which knows what the blocks told
        self.crash.reach("tick-written")
        return Step(leaving.writes, leaving.violations, activity, leaving.upheld)

    def find(self, trace_id: bytes) -> tuple[Judged, JudgedTrace, list[Finding]] | None:
        """The last judgement of a trace that is remembered."""
        where = self._where(trace_id)
        value = where and self.store.get(judged_key(where.tick, where.chunk))
        if not where or not value:
            return None
        judged = Judged.decode(value)
        return judged, *judged.of(trace_id)

    # Blocks

    def _take(self, offset: int, data: bytes) -> KeptBlock:
        sections = list(Block(data).sections())
        repeats = frozenset(
            number
            for number, section in enumerate(sections)
            if not self.state.is_new(section.source, section.position)
        )
        kept = KeptBlock(self.state.clock.now, repeats, data)
        self._apply(offset, kept, sections, counting=True)
        return kept

    def _apply(self, offset: int, kept: KeptBlock, sections: list[Section], *, counting: bool) -> None:
        last = kept.clock
        for number, section in enumerate(sections):
            time = max(section.time, kept.clock)
            last = max(last, time)
            if number in kept.repeats:
                continue
            for entry in section.entries:
                outcome = self._place(offset, kept.clock, entry, time)
                if outcome is not None and counting:
                    self._count_late(entry.spans, outcome)
        self.kept.block(block_key(offset), last, kept.clock, len(kept.data))

    def _place(self, offset: int, clock: int, entry: Entry, time: int) -> str | None:
        """Put a block's entry to its trace; what becomes of it if that was judged before or takes no more."""
        where = None if entry.trace_id in self.group.traces else self._where(entry.trace_id)
        if where is not None and clock <= where.until:
            if offset < where.tick:
                return None  # on coming back: it was judged then, or refused, and told of
            refused = self._refused(where, time)
            if refused:
                return refused
            self.group.reopen(entry.trace_id, where.spans, where.at, time)
        if not self.group.add(offset, entry, time):
            return "over_limit"
        return "reopened" if entry.trace_id in self.group.reopened else None

    def _refused(self, where: Where, time: int) -> str | None:
        """Why a judged trace takes no late spans at a time (ms)."""
        if where.full:
            return "over_limit"
        if time > where.first + ms(self.group.windows.late_window):
            return "window"
        return "evicted" if first_block(where.at) < self.kept.first_block() else None

    def _count_late(self, spans: int, outcome: str) -> None:
        metrics.LATE.labels(outcome).inc(spans)
        if outcome != "reopened":
            self.state.totals.too_late += spans

    def _where(self, trace_id: bytes) -> Where | None:
        """Where a trace was judged last."""
        value = self.store.get(trace_key(trace_id))
        return Where.decode(value) if value else None

    # Judging

    async def _hear(self, tick: Tick) -> None:
        self.state.clock.hear(tick)
        for source, counts in tick.counts.items():
            self.state.count(source, counts)
        told = self.state.told
        await self.ledger.tell_if_due(self.state.clock.now)
        if self.state.told != told:
            self.ledger.records += self.judge.vocabulary.records(self.ledger.number)

    async def _advance(self, offset: int, leaving: _Leaving) -> None:
        if not self.state.clock.unknown():
            await self._judge_due(offset, leaving)
        self.applied = self.state.tick = offset
        self.state.in_flight = self.group.spans

    async def _repeat(self, offset: int, repeated: bool) -> _Leaving:
        """What this tick judged before a crash: the same is made durable and published again."""
        leaving = _Leaving()
        for key, value in list(self.store.scan(judged_key(offset, 0), judged_key(offset + 1, 0))):
            judged = Judged.decode(value)
            leaving.add(await self.store.write(key, value), judged)
            if not repeated:
                await self._settle(key, judged, len(value))
        return leaving

    async def _judge_due(self, offset: int, leaving: _Leaving) -> None:
        rules = self.judge.rules()
        self.judge.health.judges_by(rules.rules)
        chunk = sum(1 for _ in self.store.scan(judged_key(offset, 0), judged_key(offset + 1, 0)))
        draft = Draft(self.state.clock.now, rules)
        for number, due in enumerate(list(self.group.due(self.state.clock.now))):
            draft.add(due, self._trace(due), self.judge, self._earlier(due))
            if draft.size > _CHUNK_BYTES:
                await self._write_judged(judged_key(offset, chunk), draft, leaving)
                draft, chunk = Draft(self.state.clock.now, rules), chunk + 1
            if number % _BREATH == 0:
                await asyncio.sleep(0)
        await self._write_judged(judged_key(offset, chunk), draft, leaving)

    async def _write_judged(self, key: bytes, draft: Draft, leaving: _Leaving) -> None:
        judged = draft.judged()
        if judged is None:
            return
        value = judged.encode()
        write = await self.store.write(key, value)
        await self._settle(key, judged, len(value))
        leaving.add(write, judged)

    async def _settle(self, key: bytes, judged: Judged, size: int) -> None:
        """The traces of a judged chunk are in flight no more."""
        await self.ledger.add(judged.clock, judged.activity)
        self.judge.health.add(judged.activity, self.judge.now())
        for trace in judged.traces:
            self.group.remove(trace.trace_id)
        self._judged += index_of(key, judged.traces, self.kept.remembered(judged.clock))
        for reason, traces in Counter(trace.reason for trace in judged.traces).items():
            metrics.CLOSED.labels(reason).inc(traces)
        self.state.totals.judged += judged.spans
        self.state.totals.duplicate += judged.duplicates
        metrics.JUDGED.inc(judged.spans)
        metrics.DUPLICATES.inc(judged.duplicates)
        self.kept.judged(key, judged, size)

    def _index(self) -> None:
        """Note where traces were judged; after `T`: what is still to be judged (again) must not be found."""
        self.store.write_all_local(self._judged)
        self._judged.clear()

    def _earlier(self, due: Due) -> Earlier | None:
        """The last judgement of a trace that was reopened."""
        if due.trace.before is None:
            return None
        found = self.find(due.trace_id)
        if found is None:
            raise LookupError(f"the judgement of trace {due.trace_id.hex()} is gone though it was reopened")
        judged, trace, findings = found
        return Earlier(trace, findings, judged.upheld_on(due.trace_id))

    def _trace(self, due: Due) -> Trace:
        cache, store, number = self.cache, self.store, self.ledger.number
        places = [(cache.block(store, number, block), entry) for block, entry in fragments(due.trace.at)]
        return trace_of(due.trace_id, places, cut=due.reason in LIMITS)

    async def _forget(self) -> list[Done]:
        needed = min(self.group.reopened.values(), default=2**64)
        return await self.kept.forget(self.state.tick, self.state.clock.now, needed, self.published)

    # Coming back

    async def _restore(self) -> None:
        await self._restore_judged()
        for number, (key, value) in enumerate(self.store.scan(block_key(0), block_key(self.applied + 1))):
            kept, offset = KeptBlock.decode(value), offset_of(key)
            after = offset > self.state.tick
            sections = list(Block(kept.data).sections())
            if after:
                for section in sections:
                    self.state.is_new(section.source, section.position)
            if after or not self._is_past(kept, sections):
                self._apply(offset, kept, sections, counting=after)
            else:
                self.kept.block(key, kept.clock, kept.clock, len(value))
            if number % 10 == 0:
                await asyncio.sleep(0)

    def _is_past(self, kept: KeptBlock, sections: list[Section]) -> bool:
        """Whether a block's traces are all judged and may be forgotten: its deletion was lost in a crash."""
        last = max([kept.clock, *(section.time for section in sections)])
        return self.kept.remembered(last) + ms(self.group.windows.max_wait) < self.state.clock.now

    async def _restore_judged(self) -> None:
        """Index the judged traces that this machine has not indexed: another one judged them."""
        value = self.store.get(INDEXED_KEY)
        indexed = int(value) if value else -1
        for key, value in self.store.scan(judged_key(0, 0), judged_key(self.state.tick + 1, 0)):
            judged = Judged.decode(value)
            if offset_of(key) > indexed:
                until = self.kept.remembered(judged.clock)
                self.store.write_all_local(index_of(key, judged.traces, until))
            self.kept.judged(key, judged, len(value))
            await asyncio.sleep(0)
        self.store.write_local(INDEXED_KEY, b"%d" % self.state.tick)
