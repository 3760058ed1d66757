"""The spans of one trace in one message, as `streams.split` cuts them out and a block takes them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from streams.frames import framed
from streams.kinds import Kind, Prefix

NO_PARENT = bytes(8)
PER_SPAN = 64  # bytes, at most, that a block adds to a span that is an entry of its own


@dataclass(slots=True)
class Fragment:
    """Four lists of one length."""

    ids: list[bytes] = field(default_factory=list)  # span id + parent id (zero for none), 16 bytes
    spans: list[bytes] = field(default_factory=list)  # serialised
    kinds: list[Kind] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)  # bytes of each span that only say ids and name, or none

    @property
    def size(self) -> int:
        """Bytes that it adds to a block at most, kinds apart."""
        return sum(map(len, self.spans)) + PER_SPAN * len(self.spans)

    def runs(self) -> Iterator[tuple[Prefix, bytes]]:
        """Its spans, each a serialised `spans` field, with what they have in common."""
        return ((kind.prefix, framed(0x12, span)) for kind, span in zip(self.kinds, self.spans, strict=True))
