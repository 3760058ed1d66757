"""Sees that no record is passed over: Faust's consumer can drop one at a rebalance, and commits past it."""

from dataclasses import dataclass, field
from typing import Literal

from streams.block import Source

Verdict = Literal["take", "skip", "seek"]


@dataclass(slots=True)
class Sequence:
    """The next offset wanted of each partition.

    A record that comes too early is not taken: the consumer has to `seek` back to the one wanted. What
    follows is skipped until the first record after the gap comes again: then the gap is the topic's own (a
    compacted record, a transaction's marker), and it is taken.
    """

    wanted: dict[Source, int] = field(default_factory=dict)
    _doubted: dict[Source, int] = field(default_factory=dict)

    def judge(self, source: Source, offset: int) -> Verdict:
        """What to do with the record at that offset; `wanted` has to know its partition."""
        wanted = self.wanted[source]
        doubted = self._doubted.get(source)
        if offset > wanted and offset != doubted:
            if doubted is not None:
                return "skip"
            self._doubted[source] = offset
            return "seek"
        self._doubted.pop(source, None)
        self.wanted[source] = max(wanted, offset + 1)
        return "take"

    def clear(self) -> None:
        """The partitions are assigned anew."""
        self.wanted.clear()
        self._doubted.clear()
