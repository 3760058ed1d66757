"""What a partition needs of its table."""

from collections.abc import Awaitable, Iterable, Iterator
from typing import Protocol

Done = Awaitable[object]


class Store(Protocol):
    """The table of one partition. Writes are durable when the awaitable that they return is done."""

    def get(self, key: bytes) -> bytes | None: ...

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys from `start` up to `stop`, in order."""
        ...

    async def write(self, key: bytes, value: bytes | None) -> Done:
        """Put, or delete with None; returns when it is in RocksDB and on its way to the changelog."""
        ...

    def write_local(self, key: bytes, value: bytes | None) -> None:
        """Put or delete in RocksDB alone: for what can be derived."""
        ...

    def write_all_local(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Put many in RocksDB alone, at once: it takes a third of the time."""
        ...
