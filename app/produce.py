"""`betrace produce`: sends trace files to Kafka."""

from collections.abc import Iterable
from typing import NamedTuple

from app.errors import UserError
from app.sending import Sending
from app.told import told
from streams.admin import partition_counts
from streams.config import Encoding, Kafka
from streams.otlp import WireError, json_of_request
from streams.trace_files import Problem, TracesPiece, read


class Sent(NamedTuple):
    """What was sent, and where."""

    records: int
    spans: int
    topic: str


def produce(kafka: Kafka, files: Iterable[str]) -> Sent:
    """Send each request of the files as a record, in the topic's encoding; UserError for bad input."""
    topic = kafka.input_topics[0]
    with told():
        if topic.name not in partition_counts(kafka):
            raise UserError(
                f"the input topic {topic.name} does not exist: create it, or set kafka.input_topics"
            )
    spans = 0
    with Sending(kafka) as sending:
        for piece in _pieces(files):
            sending.send(topic.name, _value(piece, topic.encoding))
            spans += sum(len(ss.spans) for rs in piece.request.resource_spans for ss in rs.scope_spans)
    return Sent(sending.records, spans, topic.name)


def _pieces(files: Iterable[str]) -> Iterable[TracesPiece]:
    try:
        for piece in (piece for name in files for piece in read(name)):
            if isinstance(piece, Problem):
                raise UserError(str(piece))
            yield piece
    except WireError as problem:
        raise UserError(str(problem)) from None


def _value(piece: TracesPiece, encoding: Encoding) -> bytes:
    request = piece.request
    return json_of_request(request) if encoding == "otlp_json" else request.SerializeToString()
