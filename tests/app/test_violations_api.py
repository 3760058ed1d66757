"""Violations over HTTP, served as it is: pages, counts, and the stream with its resumption."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.testclient import TestClient

from app.api import Parts, application
from app.index import Index
from app.query import Query
from tests.app.served import served
from tests.app.test_api import Rules
from tests.app.violations import record, violation
from tests.integration.processes import until

TOPIC = "betrace.violations"


@pytest.fixture
def index(tmp_path: Path) -> Index:
    index = Index(tmp_path / "index.sqlite")
    index.put([record(n, message="a message", labels={"team": "pay"}) for n in range(120)], {(TOPIC, 0): 120})
    return index


@pytest.fixture
def client(index: Index) -> TestClient:
    return TestClient(
        application(Parts(index, Rules(), lambda: None, lambda: 0)), raise_server_exceptions=False
    )


def test_counts_are_zero_filled_and_by_a_kind(client: TestClient) -> None:
    times = "from=2026-01-01T00:00:00Z&to=2026-01-01T00:05:00Z"
    (all_of_them,) = client.get(f"/api/violations/counts?{times}&step=1m").json()["series"]
    assert [n for _, n in all_of_them["points"]] == [60, 60, 0, 0, 0]
    assert all_of_them["points"][0][0] == 1767225600000
    (high,) = client.get(f"/api/violations/counts?{times}&step=1h&by=severity").json()["series"]
    assert (high["labels"], [n for _, n in high["points"]]) == ({"severity": "high"}, [120])
    assert client.get(f"/api/violations/counts?{times}&q=nothing&by=service").json() == {"series": []}


@pytest.mark.parametrize(
    "wrong",
    [
        "counts?step=5",
        "counts?step=0s",
        "counts?step=9999999d",
        "counts?by=colour",
        "counts?from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z&step=1s",
        "counts?from=5&to=4",
        "counts?limit=5",
        "stream?from=5",
        "stream?colour=red",
        "?label=team",
        "?complete=perhaps",
        "?cursor=eA",
        "?cursor=" + "MTc2NzIyNTYwMDAwMDAwMDAwMDphLXJ1bGU",  # of no violation
        "?limit=5&limit=6",
        "?from=1&from=2",
        "?" + "&".join(f"ruleId={n}" for n in range(51)),
        "?q=" + "+".join(f"w{n}" for n in range(21)),
        "?service=%ff",
        "?service=%00",
        "counts?step=1h&step=2h",
        "?from=99999999999999",
        "?to=9999-12-31T00:00:00Z",
        "?from=0001-01-01T00:00:00Z",
        "?cursor=OTk5OTk5OTk5OTk5OTk5OTk5OTk6YQ",
    ],
)
def test_what_is_asked_wrongly_is_told(client: TestClient, wrong: str) -> None:
    answer = client.get(f"/api/violations{'/' if wrong[0] != '?' else ''}{wrong}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_an_event_id_from_elsewhere_is_refused(client: TestClient) -> None:
    for wrong in ("x", "0-5,", "0--5", "-1-5", "0-99999999999999999999", "99999999999-1", "\xb2-1"):
        headers = {b"last-event-id": wrong.encode("latin-1")}
        assert client.get("/api/violations/stream", headers=headers).status_code == 400, wrong


@pytest.fixture
def url(index: Index) -> Iterator[str]:
    """The API served on a socket."""
    with served(application(Parts(index, Rules(), lambda: None, lambda: 0))) as port:
        yield f"http://127.0.0.1:{port}"


def events(url: str, wanted: int, begun: Any = None, **headers: str) -> list[tuple[str, dict[str, Any]]]:
    """So many events of the stream, each with its id; `begun` is called when it is open."""
    got: list[tuple[str, dict[str, Any]]] = []
    event_id = ""
    with httpx2.stream("GET", url, headers=headers, timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("id: "):
                event_id = line[4:]
                if begun is not None:
                    begun()
                    begun = None
            if line.startswith("data: "):
                got.append((event_id, json.loads(line[6:])))
                if len(got) == wanted:
                    return got
    return got


def test_the_stream_gives_what_comes_and_resumes_after_the_last_event(url: str, index: Index) -> None:
    def arrive() -> None:
        index.put([record(n, ruleId="new") for n in range(200, 205)], {(TOPIC, 0): 205})

    address = f"{url}/api/violations/stream?ruleId=new"
    first = events(address, 3, arrive)
    assert [v["id"] for _, v in first] == [violation(n)["id"] for n in (200, 201, 202)]
    again = events(address, 2, None, **{"Last-Event-ID": first[-1][0]})
    assert [v["id"] for _, v in again] == [violation(n)["id"] for n in (203, 204)]


def test_a_stream_that_filters_most_away_goes_on_from_what_was_looked_at(index: Index) -> None:
    query = Query(rule_ids=("rare",))
    news = index.since(TOPIC, {0: 0}, query, 10)
    assert (news.found, news.reached, news.whole) == ([], {0: 120}, True)
    index.put([record(n, ruleId="rare") for n in range(200, 230)], {(TOPIC, 0): 230})
    news = index.since(TOPIC, {0: 120}, query, 10)
    assert ([seen.offset for seen in news.found], news.reached, news.whole) == (
        list(range(200, 210)),
        {},
        False,
    )


def test_a_quiet_stream_has_a_heartbeat_that_moves_the_event_id_on(
    url: str, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.stream.HEARTBEAT", 0.3)
    index.put([record(300)], {(TOPIC, 0): 301})
    headers = {"Last-Event-ID": "0-120"}
    with httpx2.stream(
        "GET", f"{url}/api/violations/stream?ruleId=rare", headers=headers, timeout=20
    ) as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line.startswith(":")) == ": heartbeat"
        assert next(lines) == "id: 0-301"


def test_so_many_streams_and_no_more(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.stream.STREAMS", 2)
    address = f"{url}/api/violations/stream"
    with httpx2.stream("GET", address), httpx2.stream("GET", address):
        third = httpx2.get(address)
        assert (third.status_code, third.headers["retry-after"]) == (503, "10")
    until("a place is free again", lambda: _opens(address))


def _opens(address: str) -> bool | None:
    with httpx2.stream("GET", address) as answer:
        return True if answer.status_code == 200 else None


def test_asking_only_for_the_head_of_a_stream_ends(url: str) -> None:
    assert httpx2.head(f"{url}/api/violations/stream", timeout=20).status_code == 200
