"""Keeps what a worker writes that has lost a partition out of the state of those that own it since.

A write can reach the broker long after it was sent, over a connection that stalled: no lease helps against
that. So every owner of a partition claims its changelog with a greater epoch, in a record of its own, and
each record says under which epoch it was written. From a claim on, records of lesser epochs count for
nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

HEADER = "betrace.epoch"
EPOCH_KEY = b"E"


class Written(NamedTuple):
    """A record of the changelog."""

    key: bytes
    value: bytes | None
    epoch: int


@dataclass(slots=True)
class Fence:
    """Tells which records of a changelog count, in their order; `epoch` is that of the last claim."""

    epoch: int = 0

    def passes(self, epoch: int) -> bool:
        """Whether a record of that epoch counts."""
        self.epoch = max(self.epoch, epoch)
        return epoch == self.epoch


def epoch_of(headers: Iterable[tuple[str, Any]] | None) -> int:
    """The epoch under which a record was written; 0 if it does not say."""
    return next((int(value) for name, value in headers or () if name == HEADER), 0)


def headers(epoch: int) -> list[tuple[str, bytes]]:
    """What a record says of its epoch."""
    return [(HEADER, b"%d" % epoch)]


@dataclass(slots=True)
class Fences:
    """Stands before a Faust store that is recovered from a changelog, of which it hands on what counts.

    `refused` has the keys of the records that do not, by partition: what the changelog has for them last is
    wrong until it is written anew.
    """

    store: Any
    refused: dict[int, set[bytes]] = field(default_factory=dict)

    def watch(self) -> None:
        """Begin to stand there."""
        apply = self.store.apply_changelog_batch

        def fenced(batch: Iterable[Any], to_key: Any, to_value: Any) -> None:
            events = list(batch)
            apply(self._passing(events), to_key, to_value)
            for event in events:
                self.store.set_persisted_offset(event.message.tp, event.message.offset)

        self.store.apply_changelog_batch = fenced

    def _passing(self, events: list[Any]) -> list[Any]:
        fences: dict[int, Fence] = {}
        passing = []
        for event in events:
            message = event.message
            number = message.partition
            if number not in fences:
                fences[number] = Fence(int(self.store._db_for_partition(number).get(EPOCH_KEY) or 0))
            if fences[number].passes(epoch_of(message.headers)):
                passing.append(event)
                self.refused.get(number, set()).discard(message.key)
            else:
                self.refused.setdefault(number, set()).add(message.key)
        return passing
