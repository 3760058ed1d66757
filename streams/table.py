"""The one Faust table: RocksDB for reading, its changelog for durability, and the futures of both kept."""

import asyncio
import logging
from asyncio import Future
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import faust
from aiokafka.structs import RecordMetadata
from faust.types import TP
from rocksdict import WriteBatch

from streams.fence import EPOCH_KEY, Fence, Fences, Written, headers
from streams.lease import Lease
from streams.producer import Producer
from streams.reach import Unreachable
from streams.store import Done
from streams.threads import in_thread

Between = Callable[[TP, int, int], list[Written]]
"""Reads the records of a changelog partition from an offset up to another; Unreachable."""

log = logging.getLogger("betrace.table")

_LOOK = 0.05  # seconds between two looks whether the lease is held again
RECOVERED_AT_ONCE = 32  # changelog records, of up to a block each
_MEMORY = 128 * 2**20  # bytes of caches, and as many of write buffers, over all partitions


def store_options(partitions: int) -> dict[str, Any]:
    """RocksDB's options for each partition, so that all of them together stay in bounds."""
    share = _MEMORY // partitions
    return {
        "write_buffer_size": max(2**20, share // 2),
        "max_write_buffer_number": 2,
        "block_cache_size": max(2**20, share),
        "max_open_files": 256,
        "driver": "rocksdict",
    }


class Revoked(Exception):
    """The partition belongs to another worker now: nothing more is written for it."""


class PartitionStore:
    """The table of one partition, for as long as this worker owns it (`streams.store.Store`).

    Faust's own writes need a current event, and log a failed send instead of raising it: so the writes are
    made here, in the order and with the bookkeeping of `faust.tables.base.Collection`.
    """

    def __init__(
        self, table: "faust.Table[bytes, bytes]", partition: int, producer: Producer, lease: Lease,
        fences: Fences, between: Between,
    ) -> None:  # fmt: skip
        self._table = table
        self._partition = partition
        self._producer = producer
        self._lease = lease
        self._fences = fences
        self._between = between
        self._topic = table.changelog_topic_name
        self._place = TP(self._topic, partition)
        self._epoch = 0
        self._next = 0  # the changelog's next offset, if nobody else writes to it
        self._mending: asyncio.Task[None] | None = None
        self.owned = True
        self.scanned = 0  # values, for ever: shows that a long scan goes on

    async def claim(self, generation: int) -> None:
        """Own the changelog: take in what came since it was read, and let former owners write in vain.

        `generation` is that of the group. To be done before anything else is read or written.
        """
        fence = Fence(int(self.get(EPOCH_KEY) or 0))
        read = self._table.data.persisted_offset(self._place)
        self._epoch = max(generation, fence.epoch + 1)
        await self._held()
        value = b"%d" % self._epoch
        at = (await (await self._send(EPOCH_KEY, value))).offset
        refused = self._fences.refused.pop(self._partition, set())
        for record in await self._records(0 if read is None else read + 1, at):
            if fence.passes(record.epoch):
                self.write_local(record.key, record.value)
                refused.discard(record.key)
            else:
                refused.add(record.key)
        self.write_local(EPOCH_KEY, value)
        self._next = at + 1
        self._table.data.set_persisted_offset(self._place, at)
        await self._write_again(refused)

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""
        value: bytes | None = self._db.get(key)
        return value

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys from `start` up to `stop`, in order."""
        db = self._db
        for key, value in db.items(from_key=start):
            if key >= stop:
                return
            self.scanned += 1
            yield key, value
            if self._db is not db:
                raise Revoked(f"partition {self._partition} of {self._topic} was revoked, and is back")

    async def write(self, key: bytes, value: bytes | None) -> Done:
        """Put or delete, here and in the changelog; Revoked when another worker owns the partition.

        Waits while it is not sure that none does.
        """
        await self._held()
        self.write_local(key, value)
        future = await self._send(key, value)
        future.add_done_callback(self._written)
        return future

    def write_local(self, key: bytes, value: bytes | None) -> None:
        """Put or delete here alone."""
        if value is None:
            self._db.delete(key)
        else:
            self._db.put(key, value)

    def write_all_local(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Put many here alone."""
        batch = WriteBatch(raw_mode=True)
        for key, value in items:
            batch.put(key, value)
        self._db.write(batch)

    @property
    def _db(self) -> Any:
        """The files as Faust opened them at the assignment.

        Opened here they would be opened twice, or for a partition that Faust has given up already.
        """
        store: Any = self._table.data
        db = store._dbs.get(self._partition) if self.owned else None
        if db is None:
            raise Revoked(f"partition {self._partition} of {self._topic} was revoked")
        return db

    async def _held(self) -> None:
        while self.owned and not self._lease.held:
            await asyncio.sleep(_LOOK)

    async def _send(self, key: bytes, value: bytes | None) -> "Future[RecordMetadata]":
        return await self._producer.send(
            self._topic, value, key=key, partition=self._partition, headers=headers(self._epoch)
        )

    def _written(self, future: "Future[RecordMetadata]") -> None:
        """Note how far the changelog is in RocksDB, as Faust does, so that recovery starts there.

        Where others wrote in between, RocksDB lacks that: it is noted no more before it is known what it was.
        """
        opened: Any = self._table.data
        mine = self.owned and self._partition in opened._dbs
        if not mine or future.cancelled() or future.exception() is not None:
            return
        offset = future.result().offset
        if offset != self._next and self._mending is None:
            self._mending = asyncio.ensure_future(self._mend(self._next, offset))
        self._next = offset + 1
        if self._mending is None:
            self._table.data.set_persisted_offset(self._place, offset)

    async def _mend(self, start: int, end: int) -> None:
        """Write anew what a former owner overwrote; what is of a later one is for it to keep."""
        try:
            records = await self._records(start, end)
        except Unreachable as problem:  # recovery begins before it, and comes to the same
            log.warning("what others wrote to partition %d is not known: %s", self._partition, problem)
            return
        others = [record for record in records if record.epoch != self._epoch]
        if not any(record.epoch > self._epoch for record in others):
            await self._write_again({record.key for record in others})
            self._mending = None

    async def _write_again(self, keys: set[bytes]) -> None:
        """What stands under keys that a former owner has written to since."""
        if keys:
            log.warning("partition %d: a former owner wrote to %d keys in vain", self._partition, len(keys))
        for key in keys:
            await self._held()
            (await self._send(key, self.get(key))).add_done_callback(self._written)

    async def _records(self, start: int, end: int) -> list[Written]:
        if start >= end:
            return []
        return await in_thread(lambda: self._between(self._place, start, end))
