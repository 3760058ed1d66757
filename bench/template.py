"""Serialised messages that are sent again and again, each time with fresh trace ids."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple


class _Page(NamedTuple):
    """A message, and where in it the id of which trace stands."""

    text: bytearray
    places: list[tuple[int, int]]


class Template:
    """Messages of some traces; `written` is how a trace id stands in them: as it is, or as hexadecimal text.

    Only trace ids are made anew: to build every message anew costs ten times what it costs to judge it.
    """

    def __init__(
        self, messages: Sequence[bytes], ids: Sequence[bytes], written: Callable[[bytes], bytes] = bytes
    ) -> None:
        self._written = written
        self._traces = len(ids)
        self._pages = [_page(message, [written(each) for each in ids]) for message in messages]

    def fresh(self, draw: random.Random) -> Iterator[bytes]:
        """The messages with trace ids that were not there before."""
        ids = [self._written(draw.randbytes(16)) for _ in range(self._traces)]
        for text, places in self._pages:
            for at, trace in places:
                text[at : at + len(ids[trace])] = ids[trace]
            yield bytes(text)


def _page(message: bytes, ids: Sequence[bytes]) -> _Page:
    places = [(at, number) for number, each in enumerate(ids) for at in _found(message, each)]
    return _Page(bytearray(message), places)


def _found(message: bytes, wanted: bytes) -> Iterator[int]:
    at = message.find(wanted)
    while at >= 0:
        yield at
        at = message.find(wanted, at + len(wanted))


def hexadecimal(trace_id: bytes) -> bytes:
    """As an id stands in OTLP/JSON."""
    return trace_id.hex().encode()
