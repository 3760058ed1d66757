"""Dead letters: input that could not be read, as it is written, and as it is read again."""

from typing import Final, NamedTuple

from streams import metrics
from streams.producer import LARGEST, Headers
from streams.tick import Source

REASON: Final = "betrace.reason"
TOPIC: Final = "betrace.topic"
PARTITION: Final = "betrace.partition"
OFFSET: Final = "betrace.offset"
SPANS: Final = "betrace.spans"
SIZE: Final = "betrace.size"
REPLAYED: Final = "betrace.replayed"

_KEY = 64 * 2**10  # bytes of a key that are kept
_VALUE = LARGEST - 2**20  # bytes of a value that are kept: with its key and headers a record stays under that


class Record(NamedTuple):
    """An input record. `time` is Unix ms, None if it has none; `replayed` is that header, if it has it."""

    source: Source
    offset: int
    time: int | None
    key: bytes | None
    value: bytes | None
    replayed: bytes | None = None


class DeadLetter(NamedTuple):
    """What could not be read, as it goes to the dead-letter topic."""

    key: bytes | None
    value: bytes
    headers: Headers


def whole(record: Record, reason: str) -> DeadLetter:
    """The letter of a record that cannot be read at all."""
    return _letter(record, reason, record.value or b"", ())


def of_spans(record: Record, reason: str, spans: bytes, count: int) -> DeadLetter:
    """The letter of some spans of a record, as serialised OTLP whatever the record's encoding is."""
    return _letter(record, reason, spans, ((SPANS, b"%d" % count),))


def _letter(record: Record, reason: str, value: bytes, more: Headers) -> DeadLetter:
    """What does not fit is cut, and tells its size: the input topic holds the whole."""
    metrics.DEAD_LETTERS.labels(reason).inc()
    headers = [
        (REASON, reason.encode()),
        (TOPIC, record.source.topic.encode()),
        (PARTITION, b"%d" % record.source.partition),
        (OFFSET, b"%d" % record.offset),
        *more,
    ]
    if len(value) > _VALUE:
        headers.append((SIZE, b"%d" % len(value)))
    if record.replayed is not None:
        headers.append((REPLAYED, record.replayed))
    return DeadLetter(record.key and record.key[:_KEY], value[:_VALUE], headers)
