"""Records of the evidence topic for one request to an endpoint."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from confluent_kafka import Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_BYTES = 2**20  # of one request; most endpoints take 4 MiB


class Batch(NamedTuple):
    """Records for one request, in the order in which they were read."""

    records: tuple[Message, ...]

    @property
    def request(self) -> bytes:
        """The serialised requests one after the other, which are one request."""
        return b"".join(record.value() or b"" for record in self.records)

    @property
    def spans(self) -> int:
        request = ExportTraceServiceRequest.FromString(self.request)
        return sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)

    def halves(self) -> tuple["Batch", "Batch"]:
        middle = len(self.records) // 2
        return Batch(self.records[:middle]), Batch(self.records[middle:])


def batches(records: Sequence[Message]) -> Iterator[Batch]:
    """Cut what was read, so that no request has too many bytes; one record alone may be larger."""
    part: list[Message] = []
    size = 0
    for record in records:
        length = len(record.value() or b"")
        if part and size + length > _BYTES:
            yield Batch(tuple(part))
            part, size = [], 0
        part.append(record)
        size += length
    if part:
        yield Batch(tuple(part))
