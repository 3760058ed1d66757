"""What every rule came to lately, over HTTP."""

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.activity import rows_of
from app.api import Parts, application
from app.index import Index
from app.query import nanoseconds
from tests.app.test_api import Rules

_NAMES = ("version", "evaluated", "applied", "violated", "errors", "seconds")


def told(rule: str, day: str, partition: int, *numbers: float) -> bytes:
    """A record of the activity topic with one version."""
    version = dict(zip(_NAMES, numbers, strict=True))
    return json.dumps({"ruleId": rule, "day": day, "partition": partition, "versions": [version]}).encode()


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    index = Index(tmp_path / "index.sqlite")
    records = [
        told("a", "2026-01-01", 0, 1, 100, 50, 5, 0, 0.5),
        told("a", "2026-01-02", 0, 1, 10, 5, 1, 0, 0.5),
        told("a", "2026-01-03", 1, 2, 20, 4, 2, 1, 0.25),
        told("b", "2026-01-03", 0, 1, 7, 0, 0, 0, 0.0),
        told("c", "2026-01-01", 0, 1, 7, 0, 0, 0, 0.0),
    ]
    index.put([], {}, rows_of(records))
    now = nanoseconds("2026-01-03T12:00:00Z")
    return TestClient(application(Parts(index, Rules(), lambda: None, lambda: now)))


def test_the_last_days_of_each_rule_are_added_up(client: TestClient) -> None:
    first, second = client.get("/api/activity?days=2").json()["items"]
    assert first == {
        **{"ruleId": "a", "day": "2026-01-03"},
        **{"evaluated": 30, "applied": 9, "violated": 3, "errors": 1, "seconds": 0.75},
    }
    assert (second["ruleId"], second["evaluated"]) == ("b", 7)
    today = client.get("/api/activity").json()["items"]
    assert [(each["ruleId"], each["evaluated"]) for each in today] == [("a", 20), ("b", 7)]


def test_pages_follow_each_other(client: TestClient) -> None:
    page = client.get("/api/activity?days=90&limit=2").json()
    assert [each["ruleId"] for each in page["items"]] == ["a", "b"]
    last = client.get(f"/api/activity?days=90&limit=2&cursor={page['nextCursor']}").json()
    assert ([each["ruleId"] for each in last["items"]], last["nextCursor"]) == (["c"], None)


@pytest.mark.parametrize("wrong", ["days=0", "days=91", "days=x", "days=", "day=1"])
def test_what_cannot_be_asked_is_told(client: TestClient, wrong: str) -> None:
    assert client.get(f"/api/activity?{wrong}").status_code == 400
