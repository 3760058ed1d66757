"""The datasource's built backend, driven as Grafana drives it, asks the real API on a real broker."""

import contextlib
import hashlib
import itertools
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.processes import Api, Betrace, free_port, until
from tests.kafka import Kafka, die_with_parent

_SCRIPT = Path(__file__).parent.parent.parent / "grafana" / "datasource" / "scripts" / "built"
_MINUTE = 60_000  # ms


class Grafana:
    """What stands in for Grafana's server, with the datasource in it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """The status and JSON of an answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as problem:
            return problem.code, json.load(problem)

    def query(self, *, alert: bool = False, **model: Any) -> Any:
        """The answer to one query over the last ten minutes and the next."""
        now = time.time_ns() // 10**6
        asked = {"refId": "A", "intervalMs": _MINUTE, "maxDataPoints": 100, **model}
        body = {"from": f"{now - 10 * _MINUTE}", "to": f"{now + 10 * _MINUTE}", "queries": [asked]}
        _, answer = self.ask("ds/query", body, **({"FromAlert": "true"} if alert else {}))
        return answer["results"]["A"]

    def health(self) -> str:
        """What the health check says."""
        message: str = self.ask("datasources/uid/betrace/health")[1]["message"]
        return message

    def options(self, path: str) -> list[str]:
        """The values that a filter is completed with."""
        return [each["value"] for each in self.ask(f"datasources/uid/betrace/resources/{path}")[1]]


def columns(frame: Any) -> dict[str, list[Any]]:
    """The values of a frame by the names of its fields."""
    names = [field["name"] for field in frame["schema"]["fields"]]
    return dict(zip(names, frame["data"]["values"], strict=True))


@contextlib.contextmanager
def grafana(folder: Path, url: str, token: str | None = None) -> Iterator[Grafana]:
    """A stand-in for Grafana whose datasource asks the API at a URL."""
    built = Path(subprocess.run([_SCRIPT], check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    settings = folder / "datasource.json"
    secure = {"apiToken": token} if token else {}
    options = {"tempoDatasourceUid": "tempo", "timeout": 5}
    settings.write_text(
        json.dumps({"uid": "betrace", "url": url, "jsonData": options, "secureJsonData": secure})
    )
    command = [str(built / "dshost"), "-plugin", str(built / "gpx_betrace"), "-settings", str(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent) as process:
        try:
            assert process.stdout is not None
            yield Grafana(process.stdout.readline().strip())
        finally:
            process.terminate()


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, set for this test's group."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "rules:\n"
        "- {id: checked, name: Charges are checked, severity: critical, labels: {team: pay},\n"
        "   condition: 'when { charge as c } always { check before c }'}\n"
        "- {id: never-broken, condition: nothing}\n"
    )
    return Betrace.on(
        kafka,
        group,
        tmp_path,
        KAFKA_PARTITIONS="1",
        TRACE_TICK="200ms",
        TRACE_ROOT_GRACE="1s",
        RULES_FILES=str(rules),
    )


def _produced(betrace: Betrace, number: int) -> str:
    """Send a trace that breaks the rule; its id."""
    trace_id = f"{number:032x}"
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "payments"}}]}
    now = time.time_ns()
    times = {"startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 10**7)}
    spans = [{"traceId": trace_id, "spanId": "a" * 16, "name": "charge", **times}]
    group = {"resource": service, "scopeSpans": [{"spans": spans}]}
    file = betrace.folder / f"{number}.jsonl"
    file.write_text(json.dumps({"resourceSpans": [group]}))
    betrace.run("produce", str(file))
    return trace_id


def test_a_violation_is_a_row_a_series_a_number_and_a_mark_in_grafana(
    betrace: Betrace, tmp_path: Path
) -> None:
    with betrace.worker() as worker, betrace.api() as api, grafana(tmp_path, api.url) as seen:
        until("the worker owns partitions", worker.ready)
        assert seen.query(queryType="violations")["frames"][0]["data"]["values"][0] == []
        ids = {_produced(betrace, number) for number in (1, 2)}
        api.violations(2)
        _look(seen, ids)
        _be_alarmed(seen)
        assert seen.health() == "BeTrace 0.1.0 answers; it has 2 rules."
        assert seen.options("rules") == ["checked", "never-broken"]
        assert seen.options("values/label?prefix=team:") == ["team:pay"]
        assert seen.options("values/service") == ["payments"]


def _look(seen: Grafana, ids: set[str]) -> None:
    (table,) = seen.query(queryType="violations", severities=["critical"], labels=["team:pay"])["frames"]
    found = columns(table)
    assert set(found["traceID"]) == ids
    assert found["spanID"] == ["a" * 16] * 2
    assert found["missing"] == ["check"] * 2
    assert found["ruleName"] == ["Charges are checked"] * 2
    (cut,) = seen.query(queryType="violations", limit=1)["frames"]
    assert "only the newest 1" in cut["schema"]["meta"]["notices"][0]["text"]
    assert columns(seen.query(queryType="violations", services=["shop"])["frames"][0])["id"] == []
    (marks,) = seen.query(queryType="annotations")["frames"]
    assert columns(marks)["tags"] == ["critical,payments,checked"] * 2
    assert "severity: 'grave' is none of" in seen.query(queryType="count", severities=["grave"])["error"]


def _be_alarmed(seen: Grafana) -> None:
    (series,) = seen.query(alert=True, queryType="timeseries", severities=["critical"], groupBy=["rule"])[
        "frames"
    ]
    assert series["schema"]["fields"][1]["labels"] == {"rule": "checked"}
    assert sum(columns(series)["violations"]) == 2
    times = columns(series)["time"]
    assert {b - a for a, b in itertools.pairwise(times)} == {_MINUTE}
    quiet = seen.query(alert=True, queryType="timeseries", rules=["never-broken"], groupBy=["rule"])["frames"]
    assert [columns(each)["violations"] for each in quiet] == [[0] * len(times)]
    (count,) = seen.query(alert=True, queryType="count", groupBy=["service"])["frames"]
    assert columns(count) == {"service": ["payments"], "violations": [2]}
    assert "an alert needs numbers" in seen.query(alert=True, queryType="violations")["error"]


def test_the_api_may_go_away_and_come_back_and_want_a_token(betrace: Betrace, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.yaml"
    hashed = hashlib.sha256(b"look").hexdigest()
    tokens.write_text(json.dumps({"grafana": {"sha256": hashed, "role": "viewer"}}))
    address = f"127.0.0.1:{free_port()}"
    start = partial(betrace.start, "api", API_LISTEN=address, API_TOKENS_FILE=str(tokens))
    url = f"http://{address}"
    with grafana(tmp_path, url, "look") as seen:
        assert "cannot be reached" in seen.health()
        for _ in range(2):
            with start():
                until("the API is ready", Api(url).ready)
                assert seen.health() == "BeTrace 0.1.0 answers; it has 2 rules."
                assert seen.query(queryType="count")["status"] == 200
            away = seen.query(queryType="count")
            assert (away["status"], away["errorSource"]) == (502, "downstream")
            assert "cannot be reached" in away["error"]
    with start(), grafana(tmp_path, url) as seen:
        until("the API is ready", Api(url).ready)
        assert "wants a token" in seen.health()
        refused = seen.query(queryType="count")
        assert (refused["status"], refused["errorSource"]) == (401, "downstream")
