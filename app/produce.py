"""`betrace produce`: sends trace files to Kafka."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Message, Producer

from app.errors import UserError
from app.run import told
from streams.admin import partition_counts
from streams.config import InputTopic, Kafka
from streams.kafka import client_settings
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
    failed: list[KafkaError] = []

    def on_delivery(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer(client_settings(kafka, **{"log_level": 0, "message.max.bytes": 16 * 2**20}))
    records = spans = 0
    for piece in _pieces(files):
        _send(producer, topic, piece, on_delivery)
        records += 1
        spans += sum(len(ss.spans) for rs in piece.request.resource_spans for ss in rs.scope_spans)
    left = producer.flush(60)
    if failed or left:
        why = failed[0].str() if failed else "no answer from Kafka"
        raise UserError(f"{len(failed) + left} of {records} records were not sent: {why}")
    return Sent(records, spans, topic.name)


def _pieces(files: Iterable[str]) -> Iterable[TracesPiece]:
    try:
        for piece in (piece for name in files for piece in read(name)):
            if isinstance(piece, Problem):
                raise UserError(str(piece))
            yield piece
    except WireError as problem:
        raise UserError(str(problem)) from None


def _send(producer: Producer, topic: InputTopic, piece: TracesPiece, on_delivery: Any) -> None:
    request = piece.request
    value = json_of_request(request) if topic.encoding == "otlp_json" else request.SerializeToString()
    while True:
        try:
            producer.produce(topic.name, value, on_delivery=on_delivery)
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return
