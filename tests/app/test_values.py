"""What the API offers to filters and rules: values of violations, and names that workers told of."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.activity import seen_of
from app.api import Parts, application
from app.index import Index
from app.query import nanoseconds
from tests.app.test_api import Rules
from tests.app.violations import record


def told(day: str, *names: str, attributes: tuple[str, ...] = ()) -> bytes:
    """A record of the activity topic."""
    return json.dumps({"day": day, "spanNames": names, "attributes": attributes}).encode()


@pytest.fixture
def index(tmp_path: Path) -> Index:
    index = Index(tmp_path / "index.sqlite")
    soc2 = [{"framework": "soc2", "control": "CC6.1"}]
    teams = ("pay", "shop", "pay:eu")
    index.put(
        [
            record(n, services=[f"s{n % 7}", "shop"], labels={"team": teams[n % 3]}, compliance=soc2)
            for n in range(300)
        ],
        {},
    )
    return index


@pytest.fixture
def client(index: Index) -> TestClient:
    return TestClient(
        application(Parts(index, Rules(), lambda: None, lambda: 0)), raise_server_exceptions=False
    )


def items(client: TestClient, path: str) -> Any:
    answer = client.get(f"/api/values/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def test_each_value_of_violations_is_offered_once_in_order(client: TestClient) -> None:
    assert items(client, "service") == [*(f"s{n}" for n in range(7)), "shop"]
    assert items(client, "label") == ["team:pay", "team:pay:eu", "team:shop"]
    assert items(client, "framework") == ["soc2"]
    assert items(client, "control") == ["CC6.1"]
    assert items(client, "spanName") == []


def test_a_prefix_narrows_and_pages_follow_each_other(client: TestClient) -> None:
    assert items(client, "label?prefix=team:pay") == ["team:pay", "team:pay:eu"]
    assert items(client, "service?prefix=sh") == ["shop"]
    assert items(client, "service?prefix=t") == []
    assert items(client, "service?prefix=sh&cursor=s2") == ["shop"]
    seen: list[str] = []
    cursor = ""
    while True:
        page = client.get(f"/api/values/service?limit=3{cursor}").json()
        assert len(page["items"]) <= 3
        seen += page["items"]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == [*(f"s{n}" for n in range(7)), "shop"]


def test_names_of_spans_are_those_that_workers_told_of_lately(client: TestClient, index: Index) -> None:
    records = [
        told("2026-01-01", "charge", "check", attributes=("amount",)),
        told("2026-01-03", "charge"),
        told("2026-01-02", "charge"),
        b"no json",
        b'{"day": "2026-01-01", "spanNames": 5, "attributes": []}',
        b'{"ruleId": "a"}',
        b"[]",
        None,
    ]
    index.put([], {}, (), seen_of(records))
    assert items(client, "spanName") == ["charge", "check"]
    assert items(client, "attribute?prefix=a") == ["amount"]
    index.forget(nanoseconds("2026-01-03T00:00:00Z"))
    assert items(client, "spanName") == ["charge"]
    assert items(client, "attribute") == []
    index.clear()
    assert items(client, "spanName") == []


@pytest.mark.parametrize(
    ("wrong", "status"),
    [("colour", 404), ("service?q=a", 400), ("service?limit=1001", 400), ("service?prefix=a&prefix=b", 400)],
)
def test_what_is_asked_wrongly_is_told(client: TestClient, wrong: str, status: int) -> None:
    answer = client.get(f"/api/values/{wrong}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_values_that_go_with_their_violations_are_offered_no_more(client: TestClient, index: Index) -> None:
    index.put([record(400, detectedAt="2026-02-01T00:00:00Z", services=["late"])], {})
    index.forget(nanoseconds("2026-02-01T00:00:00Z"))
    assert items(client, "service") == ["late"]
