"""Ticks, which tell group partitions the time; and what all records of the internal spans topic begin with.

That is a version byte and a kind byte. A block stands in `streams.block`; a tick goes on with JSON.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

VERSION = 4
BLOCK = ord("B")
TICK = ord("T")


class UnknownRecord(ValueError):
    """An internal record of another version or kind: another release of BeTrace wrote it."""


class Source(NamedTuple):
    """An input partition."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What ingest did with one input record's spans."""

    offset: int
    received: int
    own: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Tick:
    """What one worker knows of the input partitions that it owns.

    `watermarks` (ms) say that everything up to that record time stands before this tick. `partitions` counts
    the partitions of each input topic. `counts` go to one group partition for each input partition. `skipped`
    are input partitions that a person has the clock leave out.
    """

    watermarks: dict[Source, int]
    partitions: dict[str, int]
    counts: dict[Source, list[Counts]] = field(default_factory=dict)
    skipped: tuple[Source, ...] = ()

    def encode(self) -> bytes:
        """The record's value."""
        value = {
            "watermarks": [[*source, time] for source, time in self.watermarks.items()],
            "partitions": self.partitions,
            "counts": [[*s, [list(asdict(c).values()) for c in counts]] for s, counts in self.counts.items()],
            "skipped": [list(source) for source in self.skipped],
        }
        return bytes((VERSION, TICK)) + json.dumps(value, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Tick":
        """Read a record's value; UnknownRecord when it is no tick of this version."""
        check(data, TICK)
        value = json.loads(data[2:])
        return cls(
            {Source(topic, partition): time for topic, partition, time in value["watermarks"]},
            value["partitions"],
            {Source(t, p): [Counts(*c) for c in counts] for t, p, counts in value["counts"]},
            tuple(Source(*each) for each in value["skipped"]),
        )


def check(data: bytes, kind: int) -> None:
    """Raise UnknownRecord unless the record is of this version and kind."""
    if len(data) < 2 or data[0] != VERSION or data[1] != kind:
        raise UnknownRecord(
            f"an internal record opens with {data[:2].hex() or 'nothing'}: another BeTrace wrote it"
        )
