"""How dead letters are told: a list of the newest, and all that can be said of one."""

import binascii
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from app.dead_letters import Letter, Place
from streams.config import Encoding
from streams.fault import fault
from streams.looks import what_it_looks_like
from streams.otlp import WireError
from streams.reading import read
from streams.split import Split, joined
from streams.violation import timestamp

_HEX = 256  # bytes that are shown
_SPANS = 20  # spans that are shown


@dataclass(slots=True)
class Listed:
    """The newest letters, and how many there are by reason."""

    limit: int
    counts: Counter[str] = field(default_factory=Counter)
    _newest: list[tuple[int, Place, dict[str, Any]]] = field(default_factory=list)

    def add(self, letter: Letter) -> None:
        """Count a letter, and keep it if it is one of the newest."""
        self.counts[letter.reason] += 1
        item = (letter.time or 0, letter.at, letter_json(letter))
        if len(self._newest) < self.limit:
            heappush(self._newest, item)
        else:
            heappushpop(self._newest, item)

    @property
    def items(self) -> list[dict[str, Any]]:
        """The newest, the last one last."""
        return [item for *_, item in sorted(self._newest, key=lambda each: each[:2])]


def letter_json(letter: Letter) -> dict[str, Any]:
    """What there is to say of a letter, without its value."""
    source = letter.source
    return {
        "at": f"{letter.at.partition}/{letter.at.offset}",
        "time": None if letter.time is None else timestamp(letter.time * 10**6)[:23] + "Z",
        "reason": letter.reason,
        "topic": source and source.topic,
        "partition": source and source.partition,
        "offset": source and source.offset,
        "spans": letter.spans,
        "size": letter.size,
        "cut": letter.size > len(letter.value),
        "key": letter.key and letter.key.hex(),
        "replayed": letter.replayed,
    }


def most_first(counts: Counter[str]) -> list[tuple[str, int]]:
    """What was counted, the most frequent first; of those as frequent by name, whatever was read first."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def list_lines(listed: Listed) -> Iterator[str]:
    """The list for people."""
    for item in listed.items:
        of = f"{item['spans']} spans of " if item["spans"] else ""
        source = f"{of}{item['topic']}/{item['partition']}/{item['offset']}" if item["topic"] else "elsewhere"
        more = f"  after replay of {item['replayed']}" if item["replayed"] else ""
        about = f"{item['reason']:<15} {item['size']:>10,} bytes  {source}{more}"
        yield f"{item['at']:<10} {item['time'] or '-':<24} {about}"
    by_reason = ", ".join(f"{count:,} {reason}" for reason, count in most_first(listed.counts))
    total = listed.counts.total()
    shown = f"; the newest {len(listed.items):,} are shown" if total > len(listed.items) else ""
    yield f"{total:,} dead letters" + (f": {by_reason}" if by_reason else "") + shown


def letter_lines(letter: Letter, encoding: Encoding) -> Iterator[str]:
    """All that can be said of a letter whose value is to be read so: where it is from, and what is wrong."""
    item = letter_json(letter)
    yield f"at         {letter.at}, written {item['time']}"
    yield f"from       {letter.source or 'elsewhere'}" + (
        f", {letter.spans} spans of it" if letter.spans else ""
    )
    yield f"reason     {letter.reason}"
    if letter.replayed:
        yield f"replayed   from {letter.replayed}"
    yield f"key        {_key(letter.key)}"
    cut = f", of which {len(letter.value):,} were kept" if item["cut"] else ""
    yield f"size       {letter.size:,} bytes{cut}"
    looks = what_it_looks_like(letter.value)
    if looks and looks.encoding != encoding:
        yield f"looks like {looks.text}"
    yield from _decoded(letter.value, encoding)
    yield from hex_lines(letter.value[:_HEX])
    if len(letter.value) > _HEX:
        yield f"and {len(letter.value) - _HEX:,} bytes more; --raw writes all of them"


def hex_lines(data: bytes) -> Iterator[str]:
    """A hex dump, 16 bytes a line."""
    for at in range(0, len(data), 16):
        part = data[at : at + 16]
        shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        yield f"{at:08x}  {part.hex(' '):<47}  |{shown}|"


def _decoded(value: bytes, encoding: Encoding) -> Iterator[str]:
    """What a reader makes of the value, as far as it gets."""
    wrong = fault(value) if encoding == "otlp_proto" else None
    try:
        parts = read(encoding, value)
    except WireError as problem:
        yield f"wrong      {wrong or _printable(str(problem))}"
        return
    if wrong:
        yield f"wrong      {wrong}"
    good = sum(len(fragment.ids) for fragment in parts.fragments.values())
    rejected = ", ".join(f"{len(spans)} {reason}" for reason, spans in parts.rejected.items())
    yield f"spans      {parts.received}: {good} good" + (f", {rejected}" if rejected else "")
    yield from _rejected(parts)


def _rejected(parts: Split) -> Iterator[str]:
    found = [(reason, run) for reason, runs in parts.rejected.items() for run in runs]
    for reason, run in found[:_SPANS]:
        data = joined(iter([run]))
        wrong = fault(data)
        if wrong:
            yield f"  {reason}: {wrong}"
            continue
        span = TracesData.FromString(data).resource_spans[0].scope_spans[0].spans[0]
        ids = " ".join(id_.hex() or "-" for id_ in (span.trace_id, span.span_id, span.parent_span_id))
        yield f"  {reason}: trace, span, parent {ids}, {_printable(span.name)}"
    if len(found) > _SPANS:
        yield f"  and {len(found) - _SPANS:,} more"


def _key(key: bytes | None) -> str:
    if key is None:
        return "none"
    text = key[:64].decode("utf-8", "replace")
    return binascii.hexlify(key[:64]).decode() + (f"  {text}" if text.isprintable() else "")


def _printable(text: str) -> str:
    """A text that no terminal takes for more than that."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
