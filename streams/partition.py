"""One partition of the spans topic from blocks and ticks to judged traces, over any restarts."""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from streams import metrics
from streams.activity import Activity, day_of
from streams.block import Block, Tick
from streams.clock import Clock
from streams.config import Limits, Windows
from streams.crash import CrashPoints
from streams.group import Due, Group, fragments
from streams.judge import Judge, Rules
from streams.ledger import Ledger
from streams.split import joined
from streams.state import (
    INDEXED_KEY,
    TICK_KEY,
    Judged,
    JudgedTrace,
    KeptBlock,
    PartitionState,
    Where,
    block_key,
    judged_key,
    offset_of,
    trace_key,
)
from streams.store import Done, Store

_CHUNK_BYTES = 600_000  # of one `J` value; a broker takes 1 MB
_BREATH = 200  # traces judged before other tasks may run
_CACHED_BLOCKS = 64 * 2**20  # bytes of blocks kept parsed while traces are judged


class Step(NamedTuple):
    """What a record of the spans topic led to: it is done when `writes` are durable and all is published."""

    writes: list[Done]
    violations: list[tuple[str, bytes]]
    activity: list[tuple[str, bytes]]


class Kept(NamedTuple):
    """A block or judged chunk that is to be deleted when the clock has passed `until` (ms)."""

    until: int
    key: bytes
    size: int


@dataclass(slots=True)
class Partition:
    """Group, judge and keep the traces of one partition. Not to be entered twice at once."""

    store: Store
    topics: frozenset[str]
    windows: Windows
    limits: Limits
    group: Group
    judge: Judge
    crash: CrashPoints
    state: PartitionState
    ledger: Ledger
    applied: int = -1  # the last offset that this state holds
    published: int = -1  # the last tick that has been published; who publishes says so
    kept_bytes: int = 0
    _blocks: deque[Kept] = field(default_factory=deque)
    _judged: deque[Kept] = field(default_factory=deque)
    _cache: "BlockCache" = field(init=False)

    def __post_init__(self) -> None:
        self._cache = BlockCache(self.store)

    @classmethod
    async def open(cls, store: Store, number: int, first: int, group: Group, judge: Judge,
                   crash: CrashPoints, topics: frozenset[str]) -> "Partition":  # fmt: skip
        """Rebuild what was known before the record at offset `first`, the first that is read."""
        kept = store.get(TICK_KEY)
        state = PartitionState.decode(kept, topics) if kept else PartitionState(Clock(topics))
        ledger = Ledger(store, state, number, judge.in_force_at, group.windows.tick)
        partition = cls(store, topics, group.windows, group.limits, group, judge, crash, state, ledger)
        partition.applied = max(state.tick, first - 1)
        await partition._restore()
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
        self.ledger.begin(offset)
        if not repeated:
            await self._hear(Tick.decode(data))
        writes, violations = await self._repeat(offset, repeated)
        if not repeated:
            await self._advance(offset, writes, violations)
        rows, activity = self.ledger.take()
        writes += rows
        if offset == self.state.tick:
            writes.append(await self.store.write(TICK_KEY, self.state.encode()))
            writes += await self._forget()  # after `T`, which knows what the blocks told
        self.crash.reach("tick-written")
        return Step(writes, violations, activity)

    def find(self, trace_id: bytes) -> tuple[Judged, JudgedTrace] | None:
        """The judgement of a trace that is remembered."""
        where = self._where(trace_id)
        value = where and self.store.get(judged_key(where.tick, where.chunk))
        if not where or not value:
            return None
        judged = Judged.decode(value)
        return judged, next(trace for trace in judged.traces if trace.trace_id == trace_id)

    # Blocks

    def _take(self, offset: int, data: bytes) -> KeptBlock:
        block = Block(data)
        repeats = frozenset(
            number
            for number, section in enumerate(block.sections())
            if not self.state.is_new(section.source, section.position)
        )
        kept = KeptBlock(self.state.clock.now, repeats, data)
        self._apply(offset, kept, counting=True)
        return kept

    def _apply(self, offset: int, kept: KeptBlock, *, counting: bool) -> None:
        last = kept.clock
        for number, section in enumerate(Block(kept.data).sections()):
            time = max(section.time, kept.clock)
            last = max(last, time)
            if number in kept.repeats:
                continue
            for entry in section.entries:
                known = entry.trace_id in self.group.traces
                late = not known and self._where(entry.trace_id) is not None
                if late or not self.group.add(offset, entry, time):
                    self._too_late(entry.spans, "judged" if late else "over_limit", counting)
        self._keep(self._blocks, block_key(offset), last + self._retention(), len(kept.data))

    def _too_late(self, spans: int, outcome: str, counting: bool) -> None:
        if counting:
            self.state.totals.too_late += spans
            metrics.LATE.labels(outcome).inc(spans)

    def _where(self, trace_id: bytes) -> Where | None:
        """Where a trace was judged; a judgement of a tick that is still to come (again) does not count."""
        value = self.store.get(trace_key(trace_id))
        where = Where.decode(value) if value else None
        return where if where and where.tick <= self.state.tick else None

    # Judging

    async def _hear(self, tick: Tick) -> None:
        self.state.clock.hear(tick)
        for source, counts in tick.counts.items():
            self.state.count(source, counts)
        await self.ledger.tell_if_due(self.state.clock.now)

    async def _advance(self, offset: int, writes: list[Done], violations: list[tuple[str, bytes]]) -> None:
        if not self.state.clock.unknown():
            await self._judge_due(offset, writes, violations)
        self.applied = self.state.tick = offset
        self.state.in_flight = self.group.spans

    async def _repeat(self, offset: int, repeated: bool) -> tuple[list[Done], list[tuple[str, bytes]]]:
        """What this tick judged before a crash: the same is made durable and published again."""
        writes: list[Done] = []
        violations: list[tuple[str, bytes]] = []
        for key, value in list(self.store.scan(judged_key(offset, 0), judged_key(offset + 1, 0))):
            judged = Judged.decode(value)
            writes.append(await self.store.write(key, value))
            violations += judged.violations
            if not repeated:
                await self._settle(key, judged, len(value))
        return writes, violations

    async def _judge_due(self, offset: int, writes: list[Done], violations: list[tuple[str, bytes]]) -> None:
        rules = self.judge.rules()
        self.judge.health.judges_by(rules.rules)
        chunk = sum(1 for _ in self.store.scan(judged_key(offset, 0), judged_key(offset + 1, 0)))
        draft = _Draft(self.state.clock.now, rules)
        for number, due in enumerate(list(self.group.due(self.state.clock.now))):
            draft.add(due, self._bytes_of(due), self.judge)
            if draft.size > _CHUNK_BYTES:
                writes.append(await self._write_judged(judged_key(offset, chunk), draft, violations))
                draft, chunk = _Draft(self.state.clock.now, rules), chunk + 1
            if number % _BREATH == 0:
                await asyncio.sleep(0)
        if draft.traces:
            writes.append(await self._write_judged(judged_key(offset, chunk), draft, violations))

    async def _write_judged(self, key: bytes, draft: "_Draft", violations: list[tuple[str, bytes]]) -> Done:
        judged = draft.judged()
        value = judged.encode()
        write = await self.store.write(key, value)
        await self._settle(key, judged, len(value))
        violations += judged.violations
        return write

    async def _settle(self, key: bytes, judged: Judged, size: int) -> None:
        """The traces of a judged chunk are in flight no more."""
        await self.ledger.add(judged.clock, judged.activity)
        self.judge.health.add(judged.activity, self.judge.now())
        tick, chunk = offset_of(key), int.from_bytes(key[9:], "big")
        for trace in judged.traces:
            self.group.remove(trace.trace_id)
            self.store.write_local(trace_key(trace.trace_id), Where(tick, chunk, trace.at).encode())
            metrics.CLOSED.labels(trace.reason).inc()
        self.state.totals.judged += judged.spans
        self.state.totals.duplicate += judged.duplicates
        metrics.JUDGED.inc(judged.spans)
        metrics.DUPLICATES.inc(judged.duplicates)
        self._keep(self._judged, key, judged.clock + _ms(self.windows.remember), size)

    def _bytes_of(self, due: Due) -> bytes:
        runs = (run for at in fragments(due.trace.at) for run in self._cache.block(at.block).runs(at.entry))
        return joined(runs)

    # Forgetting

    def _retention(self) -> int:
        """How long a block can be needed: until its last trace is judged, then while late spans reopen it."""
        windows = self.windows
        return _ms(windows.max_wait + windows.late_window + windows.late_grace + windows.tick)

    def _keep(self, queue: deque[Kept], key: bytes, until: int, size: int) -> None:
        queue.append(Kept(until, key, size))
        self.kept_bytes += size

    async def _forget(self) -> list[Done]:
        writes = []
        now = self.state.clock.now
        judged = now - _ms(
            self.windows.max_wait + self.windows.tick
        )  # blocks of before hold nothing in flight
        while self._blocks and self._may_go(self._blocks[0], now, judged):
            writes.append(await self._delete(self._blocks.popleft()))
        while (
            self._judged and self._judged[0].until < now and offset_of(self._judged[0].key) <= self.published
        ):
            kept = self._judged.popleft()
            for trace in Judged.decode(self.store.get(kept.key) or b"").traces:
                self.store.write_local(trace_key(trace.trace_id), None)
            writes.append(await self._delete(kept))
        return writes

    def _may_go(self, kept: Kept, now: int, judged: int) -> bool:
        over = self.kept_bytes > self.limits.retained_bytes and kept.until - self._retention() < judged
        return kept.until < now or over

    async def _delete(self, kept: Kept) -> Done:
        self.kept_bytes -= kept.size
        return await self.store.write(kept.key, None)

    # Coming back

    async def _restore(self) -> None:
        await self._restore_judged()
        for number, (key, value) in enumerate(self.store.scan(block_key(0), block_key(self.applied + 1))):
            kept, offset = KeptBlock.decode(value), offset_of(key)
            after = offset > self.state.tick
            if after:
                self._restore_positions(kept)
            self._apply(offset, kept, counting=after)
            if number % 10 == 0:
                await asyncio.sleep(0)

    def _restore_positions(self, kept: KeptBlock) -> None:
        for section in Block(kept.data).sections():
            self.state.is_new(section.source, section.position)

    async def _restore_judged(self) -> None:
        """Index the judged traces that this machine has not indexed: another one judged them."""
        value = self.store.get(INDEXED_KEY)
        indexed = int(value) if value else -1
        for key, value in self.store.scan(judged_key(0, 0), judged_key(self.state.tick + 1, 0)):
            judged = Judged.decode(value)
            tick, chunk = offset_of(key), int.from_bytes(key[9:], "big")
            if tick > indexed:
                for trace in judged.traces:
                    self.store.write_local(trace_key(trace.trace_id), Where(tick, chunk, trace.at).encode())
            self._keep(self._judged, key, judged.clock + _ms(self.windows.remember), len(value))
            await asyncio.sleep(0)
        self.store.write_local(INDEXED_KEY, b"%d" % self.state.tick)


@dataclass(slots=True)
class _Draft:
    """Judgements of one tick that are not written yet."""

    clock: int
    rules: Rules
    spans: int = 0
    duplicates: int = 0
    size: int = 0
    traces: list[JudgedTrace] = field(default_factory=list)
    violations: list[tuple[str, bytes]] = field(default_factory=list)
    activity: Activity = field(init=False)

    def __post_init__(self) -> None:
        self.activity = Activity(self.rules.offset, day_of(self.clock))

    def add(self, due: Due, data: bytes, judge: Judge) -> None:
        result = judge.judge(data, due.reason, self.rules.rules, self.activity)
        self.spans += result.spans
        self.duplicates += result.duplicates
        self.traces.append(JudgedTrace(due.trace_id, due.reason, due.trace.at))
        self.violations += result.violations
        self.size += 24 + len(due.trace.at) + sum(len(text) + 48 for _, text in result.violations)

    def judged(self) -> Judged:
        return Judged(self.clock, self.spans, self.duplicates, self.traces, self.violations, self.activity)


class BlockCache:
    """The blocks read last, as traces of one time share blocks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._blocks: OrderedDict[int, Block] = OrderedDict()
        self._size = 0

    def block(self, offset: int) -> Block:
        """The block at `offset`, which is in the table as long as one of its traces is in flight."""
        block = self._blocks.get(offset)
        if block is None:
            value = self._store.get(block_key(offset))
            if value is None:
                raise LookupError(f"the block at offset {offset} is gone though a trace in flight needs it")
            block = self._blocks[offset] = Block(KeptBlock.decode(value).data)
            self._size += len(block.data)
            while self._size > _CACHED_BLOCKS and len(self._blocks) > 1:
                self._size -= len(self._blocks.popitem(last=False)[1].data)
        else:
            self._blocks.move_to_end(offset)
        return block


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
