"""The one Faust table: RocksDB for reading, its changelog for durability, and the futures of both kept."""

import asyncio
from asyncio import Future
from collections.abc import Iterator
from typing import Any

import faust
from aiokafka.structs import RecordMetadata
from faust.types import TP

from streams.lease import Lease
from streams.producer import Producer
from streams.store import Done

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
        self, table: "faust.Table[bytes, bytes]", partition: int, producer: Producer, lease: Lease
    ) -> None:
        self._table = table
        self._partition = partition
        self._producer = producer
        self._lease = lease
        self._topic = table.changelog_topic_name
        self.owned = True
        self.scanned = 0  # values, for ever: shows that a long scan goes on

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
        while self.owned and not self._lease.held:
            await asyncio.sleep(_LOOK)
        self.write_local(key, value)
        future = await self._producer.send(self._topic, value, key=key, partition=self._partition)
        future.add_done_callback(self._written)
        return future

    def write_local(self, key: bytes, value: bytes | None) -> None:
        """Put or delete here alone."""
        if value is None:
            self._db.delete(key)
        else:
            self._db.put(key, value)

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

    def _written(self, future: "Future[RecordMetadata]") -> None:
        """Note how far the changelog is in RocksDB, as Faust does, so that recovery starts there."""
        opened: Any = self._table.data
        mine = self.owned and self._partition in opened._dbs
        if mine and not future.cancelled() and future.exception() is None:
            topic_partition = TP(self._topic, self._partition)
            self._table.data.set_persisted_offset(topic_partition, future.result().offset)
