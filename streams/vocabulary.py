"""Names of spans and keys of attributes that came lately, to be offered to who writes a rule."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dsl.trace import Trace
from streams.activity import date_of, day_of
from streams.redaction import DEFAULT, Redaction

_EVERY = 50  # ms between two traces that are looked at
_SPANS = 200  # of a trace
_LONGEST = 128  # characters
_COUNTED = 5000  # of a kind in a day
_TOLD = 500  # of a kind
_OFTEN = 2  # traces that have it: what is in one alone may name a person, or a request


@dataclass(slots=True)
class Vocabulary:
    """Looks at some of the traces that are judged, and tells what is in several of them, by day.

    It is memory of this process and no part of a partition's state: telling too little or twice harms nobody.
    """

    redaction: Redaction = DEFAULT
    _day: int = -1
    _next: int = 0  # ms, when a trace is looked at again
    _changes: int = 0
    _told: dict[int, int] = field(default_factory=dict)  # changes at the last telling, by partition
    _names: Counter[str] = field(default_factory=Counter)
    _keys: Counter[str] = field(default_factory=Counter)

    def look(self, trace: Trace, now: int) -> None:
        """Take in a trace that was judged at `now` (Unix ms), if it is time."""
        if now < self._next:
            return
        self._next = now + _EVERY
        if day_of(now) != self._day:
            self._day = day_of(now)
            self._names.clear()
            self._keys.clear()
        spans = trace.spans[:_SPANS]
        self._count(self._names, {span.name for span in spans})
        keys = {key for span in spans for key in span.message.attributes}
        self._count(self._keys, keys.union(*(span.resource.attributes for span in spans)))

    def records(self, partition: int) -> list[tuple[str, bytes]]:
        """Key and value for the activity topic, if there is more to tell than the partition told before."""
        if self._told.get(partition, 0) == self._changes:
            return []
        self._told[partition] = self._changes
        day = date_of(self._day)
        value = {"day": day, "spanNames": _often(self._names), "attributes": _often(self._keys)}
        return [(f"seen/{day}/{partition}", json.dumps(value, separators=(",", ":")).encode())]

    def _count(self, counter: Counter[str], found: Iterable[str]) -> None:
        for text in found:
            if text in counter:
                counter[text] += 1
                self._changes += counter[text] == _OFTEN
            elif len(counter) < _COUNTED and 0 < len(text) <= _LONGEST and self.redaction.name(text) == text:
                counter[text] = 1


def _often(counter: Counter[str]) -> list[str]:
    return [text for text, count in counter.most_common(_TOLD) if count >= _OFTEN]
