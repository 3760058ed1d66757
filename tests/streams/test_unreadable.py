import asyncio
import gzip

import pytest

from streams.config import DeadLetters, Encoding, Limits
from streams.crash import CrashPoints
from streams.ingest import Ingest
from streams.letters import Record
from streams.looks import what_it_looks_like
from streams.otlp import json_of_request
from streams.tick import Source
from streams.unreadable import Readable, Unreadable
from tests.poison import messages
from tests.streams.test_ingest import NOW, Sent

POLICY = DeadLetters(max_share=0.5, window=20, least=10)
GOOD = messages()[0].SerializeToString()
JSON = json_of_request(messages()[0])


def problem_after(*reasons: str | None) -> Unreadable | None:
    """What is said of records with those reasons, None for one that could be read."""
    readable = Readable("spans", "otlp_proto", POLICY)
    found = None
    for offset, reason in enumerate(reasons):
        found = found or readable.count(Record(Source("spans", 3), offset, NOW, None, JSON), reason)
    return found


def ingested(values: list[bytes | None], encoding: Encoding = "otlp_proto") -> tuple[Sent, list[int]]:
    """What is sent of records that are flushed one by one, and what is acknowledged until ingest stops."""
    sent = Sent()
    acknowledged: list[int] = []

    async def work() -> None:
        stage = Ingest(sent, 4, {"spans": encoding}, Limits(), CrashPoints(), lambda: NOW, POLICY)
        for offset, value in enumerate(values):
            stage.add(
                Record(Source("spans", 0), offset, NOW, None, value),
                lambda offset=offset: acknowledged.append(offset),  # type: ignore[misc]
            )
            await stage.flush()
            for flushed in stage.take():
                flushed.acknowledge()

    with pytest.raises(Unreadable):
        asyncio.run(work())
    return sent, acknowledged


def test_some_bad_records_among_many_stop_nothing() -> None:
    assert problem_after(*([None, "malformed"] * 100)) is None


def test_a_few_records_do_not_tell() -> None:
    assert problem_after(*["malformed"] * 9) is None
    assert problem_after(*["malformed"] * 10)


def test_only_the_last_records_count() -> None:
    assert problem_after(*[None] * 1000, *["malformed"] * 10) is None
    assert problem_after(*[None] * 1000, *["malformed"] * 11)


def test_a_topic_of_the_wrong_encoding_is_told_with_what_to_set() -> None:
    problem = str(problem_after(*["malformed"] * 10))
    assert (
        "spans is set to otlp_proto, but 100 % of its last 10 records could not be read (malformed)"
        in problem
    )
    assert "spans/3/9. It looks like OTLP traces in JSON." in problem
    assert "set kafka.input_topics to spans:otlp_json" in problem
    assert "dead_letter.max_share: 1" in problem


def test_ingest_stops_before_it_sends_the_record_that_was_too_much() -> None:
    sent, acknowledged = ingested([JSON] * 30)
    assert len(sent.letters) == 9
    assert acknowledged == list(range(9))


def test_empty_records_say_nothing() -> None:
    sent, acknowledged = ingested([None, b""] * 50 + [JSON] * 30)
    assert len(sent.letters) == 9
    assert len(acknowledged) == 109


def test_records_of_bad_spans_alone_count_as_bad() -> None:
    no_ids = messages()[0].__class__()
    no_ids.resource_spans.add().scope_spans.add().spans.add(name="x")
    sent, _ = ingested([no_ids.SerializeToString()] * 30)
    assert len(sent.letters) == 9


@pytest.mark.parametrize(
    ("value", "text", "encoding"),
    [
        (GOOD, "OTLP traces in protobuf", "otlp_proto"),
        (JSON, "OTLP traces in JSON", "otlp_json"),
        (gzip.compress(JSON), "gzip", None),
        (b"\0\0\0\0\x07" + GOOD, "Schema Registry", None),
        (b'{"resourceMetrics": []}', "JSON, an object with resourceMetrics", None),
        (b"502 Bad Gateway", "text: 502 Bad Gateway", None),
    ],
)
def test_it_is_told_what_a_value_looks_like(value: bytes, text: str, encoding: str | None) -> None:
    looks = what_it_looks_like(value)
    assert looks is not None
    assert text in looks.text
    assert looks.encoding == encoding


def test_nothing_is_said_of_noise() -> None:
    assert what_it_looks_like(b"\x93\xff\xfe\x80" * 9) is None
