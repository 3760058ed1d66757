"""`betrace trace` on a real broker: a trace in flight, judged, and with spans that came too late."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.processes import Betrace, until
from tests.kafka import Kafka

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands with short windows."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules:\n  - {id: unaudited, condition: access and not audit}\n")
    return Betrace.of(
        kafka,
        group,
        tmp_path,
        KAFKA_PARTITIONS="4",
        TRACE_ROOT_GRACE="1s",
        TRACE_MAX_WAIT="60s",
        TRACE_LATE_WINDOW="1s",
        TRACE_LATE_GRACE="500ms",
        TRACE_TICK="200ms",
        RULES_FILES=str(rules),
    )


def send(betrace: Betrace, folder: Path, span_id: str, name: str, parent: str = "") -> None:
    """Produce one span of the trace."""
    span = {"traceId": TRACE, "spanId": span_id, "name": name, "parentSpanId": parent}
    service = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    file = folder / "spans.json"
    file.write_text(json.dumps({"resourceSpans": [{"resource": service, "scopeSpans": [{"spans": [span]}]}]}))
    betrace.run("produce", str(file))


def held(betrace: Betrace) -> dict[str, Any]:
    """What the command shows."""
    found: dict[str, Any] = json.loads(betrace.run("trace", TRACE.upper(), "--format", "json"))
    return found


def states(betrace: Betrace) -> list[tuple[str, str]]:
    """State and name of each span that is held."""
    return [(part["state"], span["name"]) for part in held(betrace)["parts"] for span in part["spans"]]


def test_a_trace_is_shown_in_flight_judged_and_with_what_came_too_late(
    betrace: Betrace, tmp_path: Path
) -> None:
    betrace.run("trace", "4bf9", code=2)
    betrace.run("topics", "create")
    with betrace.worker() as worker:
        until("the worker owns partitions", worker.ready)
        until("a tick is there", lambda: held(betrace)["clock"])
        assert "nothing is held of it" in betrace.run("trace", TRACE)
        send(betrace, tmp_path, "2" * 16, "access", "1" * 16)
        until("it is in flight", lambda: states(betrace) == [("in-flight", "access")] or None)
        assert held(betrace)["judged"] is None
        send(betrace, tmp_path, "1" * 16, "request")
        until("it is judged", lambda: held(betrace)["judged"])
        found = held(betrace)
        assert (found["judged"]["reason"], found["judged"]["spans"]) == ("root", 2)
        assert [each["ruleId"] for each in found["judged"]["violations"]] == ["unaudited"]
        assert [(part["input"], part["offset"]) for part in found["parts"]] == [
            (f"{betrace.settings['KAFKA_GROUP']}.input/0", offset) for offset in (0, 1)
        ]
        late = found["judged"]["lateUntil"]
        until("its late window has passed", lambda: held(betrace)["clock"] > late or None)
        send(betrace, tmp_path, "3" * 16, "audit", "1" * 16)
        until("the late span is there", lambda: ("late", "audit") in states(betrace) or None)
    shown = betrace.run("trace", TRACE)
    assert f"open violation {found['judged']['violations'][0]['id']} of unaudited" in shown
    assert "  3333333333333333  shop: audit below 1111111111111111" in shown
