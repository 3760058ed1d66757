"""Poison on a real broker: good traces are judged, the rest is dead-lettered, told, and sent once more."""

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, Message, Producer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from app.dead_letters import Wanted, read
from app.settings import load
from app.traces import Progress
from streams.config import Config
from streams.ranges import Ranges
from tests.integration.processes import Api, Betrace, free_port, until
from tests.integration.test_main_job import FILES, RULES, SPANS, expected
from tests.kafka import Kafka, create_topic
from tests.poison import DATA, Poison, poison
from tests.streams.spans import request, span
from tests.streams.test_poison import ingested

COUNT = 600
LARGE = 10 * 2**20


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, for an input topic of each encoding that takes 16 MB."""
    for encoding in ("json", "proto"):
        create_topic(kafka.address, f"{group}.{encoding}", 4, {"max.message.bytes": str(16 * 2**20)})
    settings = {
        "KAFKA_BROKERS": kafka.address,
        "KAFKA_GROUP": group,
        "KAFKA_INPUT_TOPICS": f"{group}.json:otlp_json,{group}.proto:otlp_proto",
        "KAFKA_PARTITIONS": "4",
        "KAFKA_REPLICATION_FACTOR": "1",
        "TRACE_ROOT_GRACE": "3s",
        "TRACE_MAX_WAIT": "10s",
        "TRACE_TICK": "200ms",
        "RULES_FILES": str(RULES),
        "DEAD_LETTER_MAX_SHARE": "1",
    }
    return Betrace(settings, tmp_path)


def config(betrace: Betrace) -> Config:
    """The settings of those commands."""
    named = {f"BETRACE_{name}": value for name, value in betrace.settings.items()}
    return load(environment=named).settings.config()


def send(betrace: Betrace, records: list[Poison]) -> None:
    """Send values to the topic of their encoding, with keys, some to one partition alone."""
    failed: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error:
            failed.append(error)

    producer = Producer(
        {"bootstrap.servers": betrace.settings["KAFKA_BROKERS"], "message.max.bytes": 16 * 2**20}
    )
    for number, each in enumerate(records):
        topic = f"{betrace.settings['KAFKA_GROUP']}.{each.encoding.removeprefix('otlp_')}"
        producer.produce(topic, each.value, f"key-{number}", on_delivery=delivered)
        producer.poll(0)
    assert producer.flush(60) == 0
    assert not failed


def good() -> list[Poison]:
    """The lines of the Train Ticket files, as they are."""
    lines = [line for file in FILES for line in gzip.decompress(file.read_bytes()).splitlines()]
    return [Poison("good", "otlp_json", line) for line in lines]


def large() -> list[Poison]:
    """10 MB in many spans of two traces, 10 MB of nothing good, and a span that fits in no block."""
    spans = [span(10**6 + n % 2, n + 1, min(n, 1), name="x" * 1000) for n in range(LARGE // 1100)]
    huge = span(10**6, 10**6, 1, name="y" * 2**20)
    return [
        Poison("large", "otlp_proto", request(("large", spans)).SerializeToString()),
        Poison("large noise", "otlp_proto", b"\xff" * LARGE),
        Poison("large span", "otlp_proto", request(("large", [huge])).SerializeToString()),
    ]


def mixed(*parts: list[Poison]) -> list[Poison]:
    """All of them, spread evenly among one another."""
    placed = [
        (n / len(part), number, each) for number, part in enumerate(parts) for n, each in enumerate(part)
    ]
    return [each for *_, each in sorted(placed, key=lambda item: item[:2])]


def reasons(betrace: Betrace) -> Counter[str]:
    """How many dead letters there are, by reason."""
    return Counter(letter.reason for letter in read(config(betrace), Wanted(), Progress()))


def test_good_traces_among_poison_are_judged_and_the_poison_is_dead_lettered(betrace: Betrace) -> None:
    wanted = expected(betrace)
    bad = [*poison(9, COUNT, DATA / "otel-demo"), *large()]
    sent, told, _ = ingested(bad)
    betrace.run("topics", "create")
    with betrace.worker() as worker, betrace.api() as api:
        until("the worker owns partitions", worker.ready)
        send(betrace, mixed(good(), bad))
        account = betrace.settled(SPANS + told["received"])
        violations = api.violations(len(wanted))
    assert account["rejected"] == told["rejected"]
    ours = {trace for *_, trace in wanted}
    assert {(v["id"], v["ruleId"], v["traceId"]) for v in violations if v["traceId"] in ours} == wanted
    letters = Counter(dict(letter.headers)["betrace.reason"].decode() for letter in sent.letters)
    assert letters["span_too_large"] == 1
    assert reasons(betrace) == letters
    as_they_came(betrace)


def as_they_came(betrace: Betrace) -> None:
    """Each letter of a whole record holds what stands at the place that its headers tell."""
    settings = config(betrace)
    found = list(read(settings, Wanted(), Progress()))
    with Ranges(settings.kafka, "test") as reader:
        ranges = [part for topic in settings.kafka.input_topics for part in reader.of(topic.name)]
        records = {
            (m.topic(), m.partition(), m.offset()): (m.key(), m.value()) for m in reader.records(ranges)
        }
    whole = [letter for letter in found if letter.spans is None]
    assert len(whole) > COUNT / 4
    assert max(letter.size for letter in whole) == LARGE
    for letter in whole:
        assert letter.source is not None
        assert records[letter.source] == (letter.key, letter.value)
    assert all(letter.source in records for letter in found)


def test_a_topic_of_the_wrong_encoding_stops_the_worker_and_the_letters_are_replayed(
    betrace: Betrace,
) -> None:
    wanted = expected(betrace)
    group = betrace.settings["KAFKA_GROUP"]
    betrace.set("DEAD_LETTER_MAX_SHARE", "0.5").set("DEAD_LETTER_MIN_RECORDS", "30")
    betrace.set("TRACE_ROOT_GRACE", "12s").set("TRACE_MAX_WAIT", "30s")
    betrace.set("KAFKA_INPUT_TOPICS", f"{group}.json:otlp_proto")
    betrace.run("topics", "create")
    lines = good()
    address = f"127.0.0.1:{free_port()}"
    with betrace.start("worker", METRICS_LISTEN=address) as worker:
        until("the worker owns partitions", Api(f"http://{address}").ready)
        send(betrace, lines[:20])
        until("the first are dead-lettered", lambda: reasons(betrace).total() == 20 or None)
        send(betrace, lines[20:])
        assert until("the worker stops", worker.poll) == 2
    said = (betrace.folder / "worker-1.log").read_text()
    assert f"{group}.json is set to otlp_proto, but 100 % of its last 30 records could not be read" in said
    assert f"set kafka.input_topics to {group}.json:otlp_json" in said
    assert 20 <= (lettered := reasons(betrace).total()) < len(lines)

    betrace.set("KAFKA_INPUT_TOPICS", f"{group}.json:otlp_json")
    done = betrace.run("dead-letters", "replay", "--all", "--dry-run")
    assert f"{lettered} dead letters would be sent to {group}.json" in done
    done = betrace.run("dead-letters", "replay", "--all")
    assert f"{lettered} dead letters sent to {group}.json" in done
    with betrace.start("worker"), betrace.api() as api:
        betrace.settled(SPANS)
        violations = api.violations(len(wanted))
    assert {(v["id"], v["ruleId"], v["traceId"]) for v in violations} == wanted


def test_dead_letters_are_listed_shown_and_those_that_came_back_are_told(betrace: Betrace) -> None:
    group = betrace.settings["KAFKA_GROUP"]
    no_ids = ExportTraceServiceRequest()
    no_ids.resource_spans.add().scope_spans.add().spans.append(Span(name="nameless"))
    not_otlp = Poison("", "otlp_json", b'{"resourceSpans": [{"scopeSpans": 5}]}')
    odd_id = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz", "name": "odd"}]}]}]}'
    values = [
        not_otlp,
        Poison("", "otlp_proto", gzip.compress(b"hello")),
        Poison("", "otlp_proto", no_ids.SerializeToString()),
        Poison("", "otlp_json", odd_id),
    ]
    betrace.run("topics", "create")
    with betrace.start("worker"):
        send(betrace, values)
        until("all are dead-lettered", lambda: reasons(betrace).total() == 4 or None)
        listed = json.loads(betrace.run("dead-letters", "list", "--format", "json"))
        assert listed["counts"] == {"malformed": 2, "bad_trace_id": 2}
        items = {(item["reason"], item["topic"].removeprefix(f"{group}.")): item for item in listed["items"]}
        shown = {each: betrace.run("dead-letters", "show", item["at"]) for each, item in items.items()}
        wrong = "resourceSpans[0].scopeSpans: a number (5) instead of an array"
        assert wrong in shown["malformed", "json"]
        assert "looks like gzip" in shown["malformed", "proto"]
        assert "1f 8b" in shown["malformed", "proto"]
        nameless = "bad_trace_id: trace, span, parent - - -, nameless"
        assert nameless in shown["bad_trace_id", "proto"]
        assert "1 spans of it" in shown["bad_trace_id", "json"]
        item = items["malformed", "json"]
        place = f"{item['topic']}/{item['partition']}/{item['offset']}"
        raw = betrace.run("dead-letters", "show", place, "--raw")
        assert raw.encode() == not_otlp.value

        text = betrace.run("dead-letters", "list", "--topic", f"{group}.json", "--from", "1h", "--limit", "1")
        assert "2 dead letters: 1 bad_trace_id, 1 malformed; the newest 1 are shown" in text
        early = betrace.run("dead-letters", "list", "--reason", "malformed", "--to", "1h")
        assert early == "0 dead letters\n"
        done = betrace.run("dead-letters", "replay", "--topic", f"{group}.json")
        assert done == f"2 dead letters sent to {group}.json\n"
        until("what was replayed came back", lambda: reasons(betrace).total() == 6 or None)
    done = betrace.run("dead-letters", "replay", "--all", "--dry-run")
    assert "2 not sent: came back of an earlier replay (--again)" in done
    assert betrace.run("dead-letters", "list").count("after replay of") == 2
    assert "say which" in betrace.refused("dead-letters", "replay")
    for command in ("show", "replay"):
        said = betrace.refused("dead-letters", command, "0/99999")
        assert said.startswith("betrace: there is no dead letter of ")
        assert said.endswith("0/99999: `betrace dead-letters list` shows them all\n")
    said = betrace.refused("dead-letters", "list", "--reason", "malfromed")
    assert said.startswith("betrace: --reason malfromed: there are malformed, not_otlp, no_spans, ")
    assert "nothing lies between" in betrace.refused("dead-letters", "replay", "--from", "1h", "--to", "2h")
    said = betrace.set("KAFKA_GROUP", f"{group}-other").refused("dead-letters", "list")
    assert f"the topic {group}-other.dead-letter does not exist: `betrace topics create` makes it" in said


def test_one_larger_than_its_topic_is_refused_where_it_is_sent(
    betrace: Betrace, kafka: Kafka, group: str
) -> None:
    create_topic(kafka.address, f"{group}.small", 1, {"max.message.bytes": "2000"})
    betrace.set("KAFKA_INPUT_TOPICS", f"{group}.small:otlp_json")
    with pytest.raises(AssertionError, match=r"records were not sent: .*too large"):
        betrace.run("produce", str(FILES[0]))
