"""A partition over a table in memory, fed by hand, for tests."""

import asyncio
import json
from collections.abc import Awaitable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dsl.compile import RuleSet, compile_rules
from dsl.files import load
from streams.activity import Version
from streams.block import Builder, Position
from streams.cache import BlockCache
from streams.config import Held, Limits, Windows
from streams.crash import CrashPoints
from streams.group import Group, Load
from streams.judge import Judge, Rules
from streams.partition import Partition, Step
from streams.split import split
from streams.tick import Counts, Source, Tick
from streams.upheld import Sampling
from tests.streams.spans import request

INPUT = Source("spans", 0)
WINDOWS = Windows(max_wait=3, root_grace=1, late_window=2, late_grace=1, tick=0.5, remember=60)
RULE = "rules: [{id: no-audit, condition: trace.has(access) and not trace.has(audit)}]"


def rules_of(text: str, **options: int) -> RuleSet:
    loaded = load([("rules.yaml", text)])
    assert not loaded.diagnostics
    return compile_rules(loaded.rules, **options)


RULES = rules_of(RULE)


@dataclass
class Table:
    """A partition's table in memory, with its changelog."""

    kept: dict[bytes, bytes] = field(default_factory=dict)
    changelog: list[tuple[bytes, bytes | None]] = field(default_factory=list)

    def get(self, key: bytes) -> bytes | None:
        return self.kept.get(key)

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter([(k, v) for k, v in sorted(self.kept.items()) if start <= k < stop])

    async def write(self, key: bytes, value: bytes | None) -> Awaitable[object]:
        self.write_local(key, value)
        self.changelog.append((key, value))
        return asyncio.sleep(0)

    def write_local(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.kept.pop(key, None)
        else:
            self.kept[key] = value

    def write_all_local(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        self.kept.update(items)

    def recovered(self, writes: int) -> "Table":
        """The table on another machine, when that many writes had reached the changelog."""
        other = Table(changelog=self.changelog[:writes])
        for key, value in other.changelog:
            other.write_local(key, value)
        return other


def block(offset: int, *spans: Any, time: int) -> bytes:
    builder = Builder()
    parts = split(request(("shop", spans)).SerializeToString())
    builder.section(INPUT, Position(offset, 0), time)
    for trace_id, fragment in parts.fragments.items():
        builder.add(trace_id, fragment)
    return builder.encode()


def tick(time: int, *counts: Counts) -> bytes:
    return Tick({INPUT: time}, {"spans": 1}, {INPUT: list(counts)}).encode()


async def opened(
    table: Table, first: int, rules: RuleSet = RULES, limits: Limits | None = None, held: Held = "sample"
) -> Partition:
    group = Group(WINDOWS, limits or Limits(), Load())
    versions = [Version(rule.id, rule.version) for rule in rules.rules]
    judge = Judge(
        lambda: Rules(rules, 0),
        lambda _: versions,
        lambda: 10**18,
        timer=lambda: 0.0,
        sampling=Sampling(held),
    )
    return await Partition.open(
        table, 3, first, group, judge, CrashPoints(), frozenset({"spans"}), BlockCache()
    )


async def apply(partition: Partition, offset: int, record: bytes) -> Step:
    handle = partition.tick if record[1:2] == b"T" else partition.block
    step = await handle(offset, record)
    for write in step.writes:
        await write
    partition.published = offset
    return step


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


async def feed(partition: Partition, *records: bytes, first: int = 0) -> list[dict[str, Any]]:
    published = []
    for offset, record in enumerate(records, first):
        step = await apply(partition, offset, record)
        published += [json.loads(text) for _, text in step.violations]
    return published
