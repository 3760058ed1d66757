"""`betrace replay` on a real broker: over what a worker has judged it finds what the worker found."""

import json
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from app import clock
from streams.own_spans import EVIDENCE_ID, evidence_span_id
from streams.ranges import Ranges
from tests.integration.processes import Betrace, until
from tests.integration.test_main_job import FILES, RULES, SPANS, betrace, expected
from tests.integration.test_poison import config
from tests.streams.spans import request, span

__all__ = ["betrace"]  # a fixture


def found(told: str) -> set[tuple[str, str, str]]:
    """(id, rule, trace) of every violation that the command told as JSON."""
    verdicts = json.loads(told)["verdicts"]
    assert all(v["verdict"] == "violated" for v in verdicts)
    return {(v["id"], v["ruleId"], v["traceId"]) for v in verdicts}


def published(betrace: Betrace) -> list[tuple[str, int, dict[str, Any]]]:
    """(id, partition, violation) of every record of the violations topic, by id."""
    kafka = config(betrace).kafka
    with Ranges(kafka, "test") as reader:
        messages = list(reader.records(reader.of(f"{kafka.group}.violations")))
    found = [
        ((m.key() or b"").decode(), m.partition() or 0, json.loads(m.value() or b"null")) for m in messages
    ]
    return sorted(found, key=lambda record: record[0])


def test_a_replay_of_shuffled_and_doubled_input_finds_what_the_worker_found(betrace: Betrace) -> None:
    wanted = expected(betrace)
    betrace.run("topics", "create")
    betrace.set("TRACE_ROOT_GRACE", "12s").set("TRACE_MAX_WAIT", "25s")
    with betrace.worker() as worker, betrace.api() as api:
        until("the worker owns partitions", worker.ready)
        betrace.produce_shuffled(FILES, copies=2, seed=4, between=lambda: None)
        betrace.settled(2 * SPANS)
        live = {(v["id"], v["ruleId"], v["traceId"]) for v in api.violations(len(wanted))}
    assert live == wanted
    told = betrace.run("replay", "--from", "1h", "--format", "json", code=1)
    assert found(told) == live
    assert json.loads(told)["errors"] == []
    topic = betrace.settings["KAFKA_INPUT_TOPICS"].partition(":")[0]
    words = [word for n in range(4) for word in ("--offsets", f"{topic}/{n}:0-")]
    assert found(betrace.run("replay", *words, "--rules", str(RULES), "--format", "json", code=1)) == live
    assert "0 traces, 0 spans" in betrace.run("replay", "--from", "3h", "--to", "2h")

    before = published(betrace)
    assert len(before) == len(live)
    betrace.run("replay", "--from", "1h", "--publish", code=1)
    assert published(betrace) == before


def test_a_replay_publishes_what_a_worker_would_have_and_is_asked_to(
    betrace: Betrace, tmp_path: Path
) -> None:
    wanted = expected(betrace)
    none = tmp_path / "none.yaml"
    none.write_text("rules:\n  - id: never\n    condition: nothing.like.this\n")
    betrace.run("topics", "create")
    betrace.set("RULES_FILES", str(none))
    with betrace.worker() as worker, betrace.api() as api:
        until("the worker owns partitions", worker.ready)
        betrace.run("produce", *map(str, FILES))
        betrace.settled(SPANS)
        rules = ("--rules", str(RULES))
        assert found(betrace.run("replay", "--from", "1h", *rules, "--format", "json", code=1)) == wanted
        assert published(betrace) == []
        betrace.run("replay", "--from", "1h", *rules, "--publish", code=1)
        shown = api.violations(len(wanted))
        assert {(v["id"], v["ruleId"], v["traceId"]) for v in shown} == wanted
        betrace.run("replay", "--from", "1h", *rules, "--publish", code=1)
    records = published(betrace)
    assert len(records) == len(wanted)
    where = {key: partition for key, partition, _ in records}
    assert {v["decisionReason"] for *_, v in records} <= {"root", "timeout"}

    # the worker's own records of the same ids stand in the same partitions, as a key has to
    betrace.set("RULES_FILES", str(RULES)).set("KAFKA_GROUP", betrace.settings["KAFKA_GROUP"] + "-2")
    betrace.run("topics", "create")
    with betrace.worker(), betrace.api() as api:
        betrace.settled(SPANS)
        api.violations(len(wanted))
    assert {key: partition for key, partition, _ in published(betrace)} == where


def test_a_replay_drops_own_spans_collapses_copies_and_tells_what_could_not_be_read(betrace: Betrace) -> None:
    topic = betrace.settings["KAFKA_INPUT_TOPICS"].partition(":")[0]
    betrace.set("KAFKA_INPUT_TOPICS", topic)
    own = span(1, 9, 1, name="betrace.violation", end=5000)
    own.attributes.add(key=EVIDENCE_ID).value.string_value = "abc"
    own.span_id = evidence_span_id("abc", own.name)
    values = [
        request(("shop", [span(1, 1, end=10)])).SerializeToString(),
        request(("shop", [span(1, 1, end=2000), span(1, 0)])).SerializeToString(),
        request(("betrace", [own]), scope="betrace").SerializeToString(),
        b"poison",
    ]
    producer = Producer({"bootstrap.servers": betrace.settings["KAFKA_BROKERS"]})
    for value in values:
        producer.produce(topic, value, partition=2)
    producer.flush()
    told = json.loads(
        betrace.run("replay", "--offsets", f"{topic}/2:-", "--rules", str(RULES), "--format", "json", code=2)
    )
    assert (told["traces"], told["spans"]) == (1, 1)
    assert [v["ruleId"] for v in told["verdicts"]] == ["slow-query"]
    spans, record = told["errors"]
    assert spans == f"{topic}/2/1: 1 spans refused: bad_span_id"
    assert record.startswith(f"{topic}/2/3: malformed: ")
    first = betrace.run("replay", "--offsets", f"{topic}/2:0-0", "--rules", str(RULES))
    assert "1 traces, 1 spans: 0 violations" in first
    assert "say which range" in betrace.refused("replay")
    assert f"{topic} has no partition 7" in betrace.refused("replay", "--offsets", f"{topic}/7:0-")
    assert "it ends before it starts" in betrace.refused("replay", "--offsets", f"{topic}/2:3-1")
    assert "nothing lies between" in betrace.refused("replay", "--from", "1h", "--to", "2h")
    assert "the topic nowhere does not exist: look at kafka.input_topics" in betrace.refused(
        "replay", "--offsets", "nowhere/0:0-"
    )


def test_a_range_of_time_holds_the_traces_that_began_in_it_and_all_of_their_spans(betrace: Betrace) -> None:
    topic = betrace.settings["KAFKA_INPUT_TOPICS"].partition(":")[0]
    betrace.set("KAFKA_INPUT_TOPICS", topic).set("TRACE_LATE_WINDOW", "0s").set("TRACE_LATE_GRACE", "0s")
    now = clock.now() // 10**6 - 3_600_000
    producer = Producer({"bootstrap.servers": betrace.settings["KAFKA_BROKERS"]})
    records = ((-30, 1), (-9, 2), (-1, 3), (0, 4), (1, 3), (5, 5), (9, 4), (11, 5), (15, 6), (19, 5))
    for number, (seconds, trace) in enumerate(records, 1):
        value = request(("shop", [span(trace, number)])).SerializeToString()
        producer.produce(topic, value, partition=trace % 4, timestamp=now + seconds * 1000)
    producer.flush()
    words = ["--from", str(now), "--to", str(now + 10_000), "--rules", str(RULES)]
    told = betrace.run("replay", *words, "--all", "--format", "json")
    judged = json.loads(told)
    assert (judged["traces"], judged["spans"]) == (2, 5)
    assert {int(v["traceId"], 16) for v in judged["verdicts"]} == {4, 5}
