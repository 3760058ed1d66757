"""Rules changed over HTTP on a real broker: two replicas, many writers, one order; what workers get."""

import concurrent.futures
import json
import random
import statistics
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.processes import Api, Betrace, get, until
from tests.kafka import Kafka

WRITERS = 100
RULES = 10


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, set for this test's group."""
    return Betrace.of(
        kafka,
        group,
        tmp_path,
        partitions=2,
        TRACE_TICK="200ms",
        TRACE_ROOT_GRACE="1s",
        TRACE_MAX_WAIT="5s",
    )


def ask(url: str, method: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """The status and JSON of an answer."""
    data = None if body is None else json.dumps(body).encode()
    typed = {"content-type": "application/json", **headers}
    request = urllib.request.Request(url, data, typed, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as problem:
        return problem.code, json.loads(problem.read() or b"null")


def write(apis: list[Api], writer: int) -> tuple[str, int] | None:
    """Replace one of the rules, of the version last seen; the version that came of it, if it was accepted."""
    chance = random.Random(writer)
    rule_id = f"r{chance.randrange(RULES)}"
    seen = get(f"{chance.choice(apis).url}/api/rules/{rule_id}")
    changed = {**seen, "description": f"writer {writer}"}
    match = {"if-match": f'"{seen["version"]}"'}
    while True:
        url = f"{chance.choice(apis).url}/api/rules/{rule_id}"
        status, answer = ask(url, "PUT", changed, **match)
        if status == 429:
            continue
        assert status in (200, 412), answer
        return (rule_id, answer["version"]) if status == 200 else None


def test_many_writers_through_two_replicas_make_one_history(betrace: Betrace) -> None:
    betrace.run("topics", "create")
    with betrace.api() as one, betrace.api() as two:
        apis = [one, two]
        for number in range(RULES):
            status, answer = ask(f"{one.url}/api/rules", "POST", {"id": f"r{number}", "condition": "a"})
            assert status == 201, answer
        for number in range(RULES):
            until("the other replica has the rule", partial(_has, two, f"r{number}"))
        with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
            written = list(pool.map(lambda writer: write(apis, writer), range(WRITERS)))
        accepted = [each for each in written if each]
        assert len(accepted) >= RULES
        assert len(set(accepted)) == len(accepted)
        for number in range(RULES):
            own = {version for rule_id, version in accepted if rule_id == f"r{number}"}
            histories = []
            for api in apis:
                until("all versions are there", partial(_versions, api, number, len(own) + 1))
                histories.append(get(f"{api.url}/api/rules/r{number}/versions")["items"])
            assert histories[0] == histories[1]
            assert [each["version"] for each in histories[0]] == list(range(len(own) + 1, 0, -1))
            assert own == set(range(2, len(own) + 2))


def _has(api: Api, rule_id: str) -> bool | None:
    return ask(f"{api.url}/api/rules/{rule_id}", "GET")[0] == 200 or None


def _versions(api: Api, number: int, count: int) -> bool | None:
    return len(get(f"{api.url}/api/rules/r{number}/versions")["items"]) == count or None


def test_a_worker_judges_by_a_rule_that_was_made_while_it_ran(betrace: Betrace, tmp_path: Path) -> None:
    betrace.run("topics", "create")
    trace = tmp_path / "one.jsonl"
    span = {"traceId": "1" * 32, "spanId": "1" * 16, "name": "a"}
    trace.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))
    with betrace.worker() as worker, betrace.api() as api:
        until("the worker owns partitions", worker.ready)
        status, _ = ask(f"{api.url}/api/rules", "POST", {"id": "made", "condition": "a"})
        assert status == 201
        until("the worker has it", lambda: _offset(worker) == 1 or None)
        betrace.run("produce", str(trace))
        (violation,) = api.violations(1)
        assert (violation["ruleId"], violation["ruleVersion"]) == ("made", 1)
        days = until("activity is told", lambda: get(f"{api.url}/api/rules/made/activity")["days"] or None)
        assert [(d["version"], d["evaluated"], d["violated"]) for d in days] == [(1, 1, 1)]
        assert 'betrace_rule_evaluations_total{outcome="violated",rule_id="made"} 1.0' in worker.metrics()


def test_names_of_spans_are_offered_before_there_is_a_rule(betrace: Betrace, tmp_path: Path) -> None:
    betrace.run("topics", "create")
    with betrace.worker() as worker, betrace.api() as api:
        until("the worker owns partitions", worker.ready)
        for digit in "1234":
            told = {"key": "card", "value": {"stringValue": "4111"}}
            span = {"traceId": digit * 32, "spanId": "1" * 16, "name": "charge", "attributes": [told]}
            trace = tmp_path / f"{digit}.jsonl"
            trace.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))
            betrace.run("produce", str(trace))
            until("it is judged", partial(_judged, worker, int(digit)))
        names = until("they are told", lambda: get(f"{api.url}/api/values/spanName")["items"] or None)
        assert names == ["charge"]
        assert get(f"{api.url}/api/values/attribute") == {"items": ["card"], "nextCursor": None}


def _judged(worker: Api, spans: int) -> bool | None:
    return f"betrace_spans_judged_total {spans}.0" in worker.metrics() or None


def test_workers_and_replicas_have_a_new_rule_within_two_seconds_of_the_answer(betrace: Betrace) -> None:
    betrace.run("topics", "create")
    took = []
    with betrace.worker() as worker, betrace.worker() as second, betrace.api() as one, betrace.api() as two:
        for each in (worker, second):
            until("a worker knows the rules", partial(_reads_rules, each))
        for number in range(1, 11):
            status, _ = ask(f"{one.url}/api/rules", "POST", {"id": f"r{number}", "condition": "a"})
            answered = time.monotonic()
            assert status == 201
            for each in (worker, second):
                until("a worker has it", partial(_reads_rules, each, number))
            until("the replica has it", partial(_has, two, f"r{number}"))
            took.append(time.monotonic() - answered)
    print(f"seconds until all have a rule: {sorted(took)}")
    assert statistics.median(took) < 2


def _reads_rules(worker: Api, changes: int = 0) -> bool | None:
    try:
        return _offset(worker) >= changes or None
    except (OSError, StopIteration):
        return None


def _offset(worker: Api) -> int:
    lines = worker.metrics().splitlines()
    return int(float(next(line for line in lines if line.startswith("betrace_rules_log_offset")).split()[1]))


def test_while_kafka_is_away_reads_go_on_and_say_so_and_writes_say_come_back(
    betrace: Betrace, kafka: Kafka
) -> None:
    betrace.run("topics", "create")
    begun = datetime.now(UTC)
    with betrace.api() as api:
        assert ask(f"{api.url}/api/rules", "POST", {"id": "before", "condition": "a"})[0] == 201
        kafka.stop()
        try:
            until("it is seen", lambda: ask(f"{api.url}/readyz", "GET")[0] == 503 or None)
            with urllib.request.urlopen(f"{api.url}/api/rules/before", timeout=10) as answer:
                at, reason = answer.headers["betrace-stale"].removeprefix("as of ").split("; ")
                assert begun < datetime.fromisoformat(at) < datetime.now(UTC)
                assert "Kafka" in reason
            status, problem = ask(f"{api.url}/api/rules", "POST", {"id": "during", "condition": "a"})
            assert (status, "Kafka" in problem["detail"]) == (503, True)
        finally:
            kafka.start()
        until("it is ready again", api.ready)
        assert ask(f"{api.url}/api/rules", "POST", {"id": "after", "condition": "a"})[0] in (201, 409)
