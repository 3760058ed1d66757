"""The blocks read last, as traces of one time share blocks."""

from collections import OrderedDict

from streams.block import Block
from streams.state import KeptBlock, block_key
from streams.store import Store

_BYTES = 32 * 2**20  # of blocks kept parsed while traces are judged


class BlockCache:
    """Blocks of all partitions of a worker, parsed: one partition is judged at a time."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[tuple[int, int], Block] = OrderedDict()
        self._size = 0
        self._last: tuple[int, int] | None = None  # what was asked for before, as fragments share blocks

    def block(self, store: Store, partition: int, offset: int) -> Block:
        """The block at `offset`, which is in the table as long as one of its traces is in flight."""
        key = partition, offset
        if key == self._last:
            return self._blocks[key]
        block = self._blocks.get(key)
        if block is None:
            value = store.get(block_key(offset))
            if value is None:
                raise LookupError(f"the block at offset {offset} is gone though a trace in flight needs it")
            block = self._blocks[key] = Block(KeptBlock.decode(value).data)
            block.open()
            self._size += block.size
            while self._size > _BYTES and len(self._blocks) > 1:
                self._size -= self._blocks.popitem(last=False)[1].size
        else:
            self._blocks.move_to_end(key)
        self._last = key
        return block
