from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import streams.metrics  # noqa: F401 declares what /metrics shows
from app.api import Parts, application, worker_application
from app.index import Index
from app.problems import HEADERS
from dsl.files import load
from dsl.rule import Rule
from streams.fold import Change
from streams.rules_log import NotWritten
from tests.app.violations import record, violation

RULES = "rules: [{id: b, condition: x}, {id: a, severity: high, condition: y, labels: {team: shop}}]"


class Rules:
    """Rules of files, as they are in force."""

    problem: str | None = None

    def rules(self) -> tuple[Rule, ...]:
        return tuple(sorted(load([("rules.yaml", RULES)]).rules, key=lambda rule: rule.id))

    def is_file(self, rule_id: str) -> bool:
        return any(rule.id == rule_id for rule in self.rules())

    def history(self, rule_id: str) -> tuple[Change, ...]:
        return ()

    def propose(self, records: Sequence[tuple[str, bytes]], seconds: float = 10.0) -> bool:
        raise NotWritten("there is no Kafka here")


def client_of(index: Index) -> TestClient:
    app = application(Parts(index, Rules(), lambda: None, lambda: 0))
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    index = Index(tmp_path / "index.sqlite")
    index.put([record(n, severity="critical" if n % 2 else "low") for n in range(250)], {})
    return TestClient(
        application(Parts(index, Rules(), lambda: None, lambda: 0)), raise_server_exceptions=False
    )


def test_violations_come_in_pages_with_the_whole_record(client: TestClient) -> None:
    seen: list[Any] = []
    cursor = ""
    while True:
        page = client.get(f"/api/violations?severity=LOW{cursor}").json()
        seen += page["items"]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == [violation(n, severity="low") for n in range(248, -1, -2)]


def test_a_time_may_be_rfc_3339_or_unix_ms(client: TestClient) -> None:
    for text in ("2026-01-01T00:04:00Z", "2026-01-01T01:04:00+01:00", "1767225840000"):
        assert len(client.get(f"/api/violations?from={text}").json()["items"]) == 10


def test_one_violation_and_one_rule(client: TestClient) -> None:
    assert client.get(f"/api/violations/{7:032x}").json() == violation(7, severity="critical")
    answer = client.get("/api/rules/a")
    assert answer.headers["etag"] == '"1"'
    assert (answer.json()["severity"], answer.json()["labels"], answer.json()["source"]) == (
        "high",
        {"team": "shop"},
        "file",
    )


def test_rules_come_by_id_in_pages(client: TestClient) -> None:
    first = client.get("/api/rules?limit=1").json()
    second = client.get(f"/api/rules?limit=1&cursor={first['nextCursor']}").json()
    assert [rule["id"] for rule in first["items"] + second["items"]] == ["a", "b"]
    assert second["nextCursor"] is None


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/violations?colour=red", 400, "unknown parameter colour; there are severity"),
        ("/api/violations?severity=loud", 400, "'loud' is none of critical, high"),
        ("/api/violations?status=gone", 400, "open, retracted, any"),
        ("/api/violations?limit=0", 400, "a number from 1 to 1000"),
        ("/api/violations?limit=1e3", 400, "a number from 1 to 1000"),
        ("/api/violations?from=yesterday", 400, "RFC 3339"),
        ("/api/violations?from=2026-01-01T00:00:00", 400, "RFC 3339 with a zone"),
        ("/api/violations?cursor=elsewhere", 400, "leave it out to begin anew"),
        ("/api/violations/none", 404, "there is no violation none"),
        ("/api/rules/none", 404, "there is no rule none"),
        ("/nowhere", 404, "GET / tells what there is"),
    ],
)
def test_every_error_is_a_problem_that_says_what_to_do(
    client: TestClient, path: str, status: int, said: str
) -> None:
    answer = client.get(path)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert said in answer.json()["detail"]


def test_another_method_is_a_problem_too(client: TestClient) -> None:
    answer = client.post("/api/violations")
    assert (answer.status_code, answer.json()["title"]) == (405, "Method Not Allowed")


def test_what_nobody_foresaw_shows_nothing_of_the_inside(tmp_path: Path) -> None:
    index = Index(tmp_path / "index.sqlite")
    index.file.unlink()
    client = TestClient(
        application(Parts(index, Rules(), lambda: None, lambda: 0)), raise_server_exceptions=False
    )
    answer = client.get("/api/violations")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "sqlite" not in answer.text
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_a_stale_answer_says_as_of_when_and_why(tmp_path: Path) -> None:
    index = Index(tmp_path / "index.sqlite")
    at: list[int | None] = [None]
    parts = Parts(index, Rules(), lambda: "Kafka is away", lambda: 0, as_of=lambda: at[0])
    client = TestClient(application(parts))
    assert client.get("/api/violations").headers["betrace-stale"] == "as of unknown; Kafka is away"
    at[0] = 1767225600_123_456_789
    said = "as of 2026-01-01T00:00:00.123Z; Kafka is away"
    assert client.get("/api/violations").headers["betrace-stale"] == said
    assert client.get("/nowhere").headers["betrace-stale"] == said


def test_a_question_that_is_too_much_work_is_told_so(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.index._PATIENCE", -1.0)
    monkeypatch.setattr("app.index._LOOK", 1)
    for path in ("/api/violations?status=any", "/api/violations/counts?q=x&from=1&to=2"):
        answer = client.get(path)
        assert (answer.status_code, "shorter time" in answer.json()["detail"]) == (422, True)


def test_the_first_page_tells_where_to_go_to_people_and_to_programs(client: TestClient) -> None:
    assert client.get("/").json()["links"]["violations"] == "/api/violations"
    page = client.get("/", headers={"accept": "text/html"})
    assert '<a href="/api/violations">' in page.text


def test_readiness_gives_the_reason_and_metrics_are_prometheus() -> None:
    reasons: list[str | None] = ["the state is being recovered"]
    client = TestClient(worker_application(lambda: reasons[0]))
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the state is being recovered")
    reasons[0] = None
    assert client.get("/readyz").status_code == 200
    assert "betrace_spans_received_total" in client.get("/metrics").text
